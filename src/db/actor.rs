//! Who answers for a change, and on which conditions it is done.

use diesel::prelude::*;
use uuid::Uuid;

use crate::http::idempotency::MaybeTicket;
use crate::http::precondition::Precondition;

/// Who answers for a change, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// The admin; `None` for the operator at the command line.
    pub user_id: Option<Uuid>,
    pub request_id: String,
    /// On which condition the change is to be done.
    pub precondition: Precondition,
    /// The right to do it under its idempotency key, when it has one.
    pub ticket: MaybeTicket,
}

impl Actor {
    /// Names the actor until the transaction ends: the triggers of the audit log read it.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn answer_for(&self, conn: &mut PgConnection) -> QueryResult<()> {
        use diesel::sql_types::Text;
        let user_id = self.user_id.map(|id| id.to_string()).unwrap_or_default();
        diesel::sql_query("SELECT set_config('lectern.actor_id', $1, true), set_config('lectern.request_id', $2, true)")
            .bind::<Text, _>(user_id)
            .bind::<Text, _>(&self.request_id)
            .execute(conn)
            .map(drop)
    }
}
