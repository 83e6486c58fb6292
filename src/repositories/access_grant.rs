//! `access_grants`: why somebody may open a course.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, now};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::AccessSource;
use crate::schema::{access_grants, courses};

/// Why a purchase's access ended: its money went back, or is with the buyer's bank.
pub const REFUND: &str = "refund";
pub const DISPUTE: &str = "dispute";
const MONEY: [&str; 2] = [REFUND, DISPUTE];

/// Holds the courses of a purchase until the transaction ends, so that none is deleted meanwhile. Those that were purged
/// are left out. They come before every total of what somebody bought and holds, for whoever deletes a course locks
/// it before the totals of its students; the order of the ids is the same for everybody: nobody waits in a circle.
pub fn hold_courses(conn: &mut PgConnection, course_ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    courses::table
        .filter(courses::id.eq_any(course_ids))
        .order(courses::id)
        .select(courses::id)
        .for_share()
        .load(conn)
}

/// Holds the courses that a purchase ever gave, as [`hold_courses`] does.
pub fn hold_courses_of(conn: &mut PgConnection, purchase_id: Uuid) -> QueryResult<()> {
    let given = access_grants::table
        .filter(access_grants::purchase_id.eq(purchase_id))
        .select(access_grants::course_id);
    courses::table
        .filter(courses::id.eq_any(given))
        .order(courses::id)
        .select(courses::id)
        .for_share()
        .load::<Uuid>(conn)
        .map(drop)
}

/// Gives the buyer the courses of a purchase, which have to be held.
pub fn grant_purchase(
    conn: &mut PgConnection,
    user_id: Uuid,
    purchase_id: Uuid,
    courses: &[Uuid],
) -> QueryResult<()> {
    let grants: Vec<_> = courses
        .iter()
        .map(|course_id| {
            (
                access_grants::user_id.eq(user_id),
                access_grants::course_id.eq(*course_id),
                access_grants::source.eq(AccessSource::Purchase),
                access_grants::purchase_id.eq(purchase_id),
            )
        })
        .collect();
    diesel::insert_into(access_grants::table)
        .values(grants)
        .execute(conn)
        .map(drop)
}

/// Ends what a purchase gave; what has ended keeps its time, and tells the latest reason.
pub fn end_purchase(conn: &mut PgConnection, purchase_id: Uuid, because: &str) -> QueryResult<()> {
    let given = access_grants::table.filter(access_grants::purchase_id.eq(purchase_id));
    let by_money = access_grants::ended_because.eq_any(MONEY);
    diesel::update(given.filter(by_money))
        .set(access_grants::ended_because.eq(because))
        .execute(conn)?;
    diesel::update(given.filter(access_grants::ended_at.is_null()))
        .set((
            access_grants::ended_at.eq(now),
            access_grants::ended_because.eq(because),
        ))
        .execute(conn)
        .map(drop)
}

/// Revives what a refund or a dispute of this purchase had ended.
pub fn revive_purchase(conn: &mut PgConnection, purchase_id: Uuid) -> QueryResult<()> {
    let given = access_grants::table.filter(access_grants::purchase_id.eq(purchase_id));
    diesel::update(given.filter(access_grants::ended_because.eq_any(MONEY)))
        .set((
            access_grants::ended_at.eq(None::<DateTime<Utc>>),
            access_grants::ended_because.eq(None::<String>),
        ))
        .execute(conn)
        .map(drop)
}

/// A grant and what became of it.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = access_grants)]
pub struct GrantRow {
    pub id: Uuid,
    pub course_id: Uuid,
    pub source: AccessSource,
    pub purchase_id: Option<Uuid>,
    pub reason: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_because: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Every grant that a person ever had, with the course's name; by course, oldest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<(GrantRow, String)>> {
    access_grants::table
        .inner_join(courses::table)
        .filter(access_grants::user_id.eq(user_id))
        .order((
            courses::name,
            courses::id,
            access_grants::created_at,
            access_grants::id,
        ))
        .select((GrantRow::as_select(), courses::name))
        .load(conn)
}

/// Ends everything that a person holds, and forgets what was noted about them.
pub fn end_all(conn: &mut PgConnection, user_id: Uuid, because: &str) -> QueryResult<()> {
    let grants = access_grants::table.filter(access_grants::user_id.eq(user_id));
    diesel::update(grants)
        .set(access_grants::reason.eq(None::<String>))
        .execute(conn)?;
    diesel::update(grants.filter(access_grants::ended_at.is_null()))
        .set((
            access_grants::ended_at.eq(now),
            access_grants::ended_because.eq(because),
        ))
        .execute(conn)
        .map(drop)
}

/// Whether access was given by hand and still holds. The person has to be locked.
pub fn is_granted_by_hand(
    conn: &mut PgConnection,
    user_id: Uuid,
    course_id: Uuid,
) -> QueryResult<bool> {
    let live = access_grants::table
        .filter(
            access_grants::user_id
                .eq(user_id)
                .and(access_grants::course_id.eq(course_id)),
        )
        .filter(
            access_grants::source
                .eq(AccessSource::Manual)
                .and(access_grants::ended_at.is_null()),
        );
    diesel::select(exists(live)).get_result(conn)
}

/// Gives access by hand, whatever the person bought.
pub fn grant_by_hand(
    conn: &mut PgConnection,
    user_id: Uuid,
    course_id: Uuid,
    granted_by: Uuid,
    reason: Option<String>,
) -> QueryResult<GrantRow> {
    diesel::insert_into(access_grants::table)
        .values((
            access_grants::user_id.eq(user_id),
            access_grants::course_id.eq(course_id),
            access_grants::source.eq(AccessSource::Manual),
            access_grants::granted_by.eq(granted_by),
            access_grants::reason.eq(reason),
        ))
        .returning(GrantRow::as_returning())
        .get_result(conn)
}

/// Ends a live grant that was given by hand.
pub fn end_by_hand(conn: &mut PgConnection, user_id: Uuid, grant_id: Uuid) -> QueryResult<()> {
    let live = access_grants::table
        .filter(
            access_grants::id
                .eq(grant_id)
                .and(access_grants::user_id.eq(user_id)),
        )
        .filter(
            access_grants::source
                .eq(AccessSource::Manual)
                .and(access_grants::ended_at.is_null()),
        );
    diesel::update(live)
        .set((
            access_grants::ended_at.eq(now),
            access_grants::ended_because.eq("revoked"),
        ))
        .returning(access_grants::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}
