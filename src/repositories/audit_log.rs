//! `audit_log`: who changed what. Written by triggers, read here.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::audit_log;

/// A change that was made.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = audit_log)]
pub struct AuditRow {
    pub id: Uuid,
    pub actor_id: Option<Uuid>,
    pub request_id: String,
    pub action: String,
    pub entity: String,
    pub entity_id: Option<Uuid>,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    pub created_at: DateTime<Utc>,
}

/// Which changes; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub actor_id: Option<Uuid>,
    pub entity: Option<String>,
    pub entity_id: Option<Uuid>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// Forgets what was noted about a person: why they were given access, or their money back.
pub fn forget_person(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE audit_log SET before = before - 'reason', after = after - 'reason'
         WHERE entity = 'access_grant'
             AND entity_id IN (SELECT id FROM access_grants WHERE user_id = $1)
            OR entity = 'refund'
             AND entity_id IN (SELECT r.id FROM refunds r JOIN purchases p ON p.id = r.purchase_id WHERE p.user_id = $1)",
    )
    .bind::<diesel::sql_types::Uuid, _>(user_id)
    .execute(conn)
    .map(drop)
}

/// A page of changes, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &AuditFilter,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<AuditRow>> {
    let matching = || {
        let mut query = AuditRow::query().into_boxed();
        if let Some(actor_id) = filter.actor_id {
            query = query.filter(audit_log::actor_id.eq(actor_id));
        }
        if let Some(entity) = &filter.entity {
            query = query.filter(audit_log::entity.eq(entity));
        }
        if let Some(entity_id) = filter.entity_id {
            query = query.filter(audit_log::entity_id.eq(entity_id));
        }
        within!(query, audit_log::created_at, filter)
    };
    let rows = after!(matching(), audit_log::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}
