//! Who answers for a change, and on which conditions it is done.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::http::idempotency::MaybeTicket;
use crate::http::precondition::Precondition;

/// Who answers for a change, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// `None` for the operator at the command line.
    pub user_id: Option<Uuid>,
    /// Whether they do it as an admin, and so have to be one.
    pub as_admin: bool,
    pub request_id: String,
    /// On which condition the change is to be done.
    pub precondition: Precondition,
    /// The right to do it under its idempotency key, when it has one.
    pub ticket: MaybeTicket,
}

#[derive(QueryableByName)]
struct Role {
    #[diesel(sql_type = Bool)]
    is_admin: bool,
}

impl Actor {
    /// Names the actor until the transaction ends: the triggers of the audit log read it. Returns whether they may do
    /// what they do: this instance may not have heard yet that they are no admin any more.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn answer_for(&self, conn: &mut PgConnection) -> QueryResult<bool> {
        let role: Role = diesel::sql_query(
            "SELECT set_config('lectern.actor_id', coalesce($1::text, ''), true),
                 set_config('lectern.request_id', $2, true),
                 EXISTS (SELECT FROM users WHERE id = $1 AND role = 'admin' AND deleted_at IS NULL) AS is_admin",
        )
        .bind::<Nullable<SqlUuid>, _>(self.user_id)
        .bind::<Text, _>(&self.request_id)
        .get_result(conn)?;
        Ok(role.is_admin || !self.as_admin)
    }
}
