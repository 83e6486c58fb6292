//! Whose event it is: a signature proves that the provider sent it, not that it is about this store.

use diesel::PgConnection;
use serde_json::Value;

use crate::domain::enums::WebhookProvider;
use crate::problem::Problem;
use crate::repositories::webhook_source;

/// Why a verified event is not this store's; `None` when it is.
///
/// Stripe names an account only in events of a connected one. Clerk names its instance in every event, and nothing in
/// the configuration says which is ours: it is the one that the first event under the configured `issuer` named.
///
/// # Errors
/// When a statement fails.
pub fn foreign(
    conn: &mut PgConnection,
    provider: WebhookProvider,
    issuer: &str,
    payload: &Value,
) -> Result<Option<&'static str>, Problem> {
    let named = |field| payload.get(field).and_then(Value::as_str);
    match provider {
        WebhookProvider::Stripe => {
            Ok(named("account").map(|_| "the event is of another Stripe account"))
        }
        WebhookProvider::Clerk => {
            let Some(instance) = named("instance_id") else {
                return Ok(None);
            };
            let ours = webhook_source::remember(conn, provider, issuer, instance)?;
            Ok((ours != instance).then_some("the event is of another Clerk instance"))
        }
    }
}
