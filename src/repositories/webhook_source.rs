//! `webhook_sources`: whose events are ours.

use diesel::prelude::*;

use crate::domain::enums::WebhookProvider;
use crate::schema::webhook_sources;

/// The account that the first event under this issuer named: this one, when it is the first.
pub fn remember(
    conn: &mut PgConnection,
    provider: WebhookProvider,
    issuer: &str,
    account: &str,
) -> QueryResult<String> {
    let known = |conn: &mut PgConnection| {
        webhook_sources::table
            .find((provider, issuer))
            .select(webhook_sources::account)
            .first(conn)
    };
    if let Some(known) = known(conn).optional()? {
        return Ok(known);
    }
    diesel::insert_into(webhook_sources::table)
        .values((
            webhook_sources::provider.eq(provider),
            webhook_sources::issuer.eq(issuer),
            webhook_sources::account.eq(account),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?;
    known(conn)
}
