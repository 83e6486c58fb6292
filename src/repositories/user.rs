//! `users`: people, as far as the store needs to know them.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::cursor::Cursor;
use crate::domain::enums::UserRole;
use crate::domain::slice::{Slice, SliceSize};
use crate::domain::text::{Holding, holding};
use crate::schema::users;

/// A person, or the tombstone of one.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: Uuid,
    pub clerk_user_id: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub image_url: Option<String>,
    pub role: UserRole,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What Clerk says about a person, and as of when.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true)]
pub struct ClerkFacts {
    pub clerk_user_id: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub image_url: Option<String>,
    pub clerk_updated_at: Option<DateTime<Utc>>,
}

impl ClerkFacts {
    /// Whether the row says the same of the person.
    pub fn are_of(&self, row: &UserRow) -> bool {
        (&self.email, &self.name, &self.image_url) == (&row.email, &row.name, &row.image_url)
    }
}

/// The person whom Clerk knows by this id, or their tombstone.
pub fn find_by_clerk_id(
    conn: &mut PgConnection,
    clerk_user_id: &str,
) -> QueryResult<Option<UserRow>> {
    UserRow::query()
        .filter(users::clerk_user_id.eq(clerk_user_id))
        .first(conn)
        .optional()
}

/// A person with what they may open.
#[derive(Debug, Clone, Queryable)]
pub struct Person {
    pub row: UserRow,
    /// Ids of courses in their order, deleted ones among them.
    pub courses: Vec<Uuid>,
}

impl Person {
    /// Whether they hold this course.
    pub fn may_open(&self, course_id: Uuid) -> bool {
        self.courses.binary_search(&course_id).is_ok()
    }

    /// Whether they may do all that this one may: the same person, a while ago.
    pub fn may_all_that(&self, before: &Self) -> bool {
        let is_admin = |person: &Self| person.row.role == UserRole::Admin;
        self.row.deleted_at.is_none()
            && (is_admin(self) || !is_admin(before))
            && before.courses.iter().all(|course| self.may_open(*course))
    }
}

/// Somebody new, who holds nothing.
impl From<UserRow> for Person {
    fn from(row: UserRow) -> Self {
        let courses = Vec::new();
        Self { row, courses }
    }
}

/// The person behind a token; a deleted one is returned too, so that the caller can refuse.
pub fn find_person(conn: &mut PgConnection, clerk_user_id: &str) -> QueryResult<Option<Person>> {
    let courses = sql::<Array<SqlUuid>>(
        "ARRAY(SELECT course_id FROM user_course_access WHERE user_id = users.id ORDER BY course_id)",
    );
    let person = users::table
        .filter(users::clerk_user_id.eq(clerk_user_id))
        .select((UserRow::as_select(), courses));
    Prepared(person).get_result(conn).optional()
}

/// The person behind a valid token that was never seen before. Two requests at once provision one row.
pub fn provision(conn: &mut PgConnection, clerk_user_id: &str) -> QueryResult<UserRow> {
    diesel::insert_into(users::table)
        .values(users::clerk_user_id.eq(clerk_user_id))
        .on_conflict(users::clerk_user_id)
        .do_nothing()
        .execute(conn)?;
    UserRow::query()
        .filter(users::clerk_user_id.eq(clerk_user_id))
        .first(conn)
}

/// Takes over what Clerk says, unless something newer is known or the person was deleted.
/// Returns whether it was news.
pub fn upsert_from_clerk(conn: &mut PgConnection, facts: &ClerkFacts) -> QueryResult<bool> {
    use diesel::query_dsl::methods::FilterDsl;
    use diesel::upsert::excluded;
    let is_newer = users::clerk_updated_at
        .is_null()
        .or(users::clerk_updated_at.lt(excluded(users::clerk_updated_at)));
    diesel::insert_into(users::table)
        .values(facts)
        .on_conflict(users::clerk_user_id)
        .do_update()
        .set(facts)
        .filter(users::deleted_at.is_null().and(is_newer))
        .execute(conn)
        .map(|changed| changed > 0)
}

/// Everybody who is not deleted and was there before that time, as Clerk knows them.
pub fn clerk_ids(conn: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<Vec<String>> {
    users::table
        .filter(users::deleted_at.is_null())
        .filter(users::created_at.lt(before))
        .select(users::clerk_user_id)
        .load(conn)
}

/// Leaves a tombstone, also of somebody who was never seen: a creation that comes late must not revive them.
/// Returns the person's id, and whether they lived until now.
pub fn bury(
    conn: &mut PgConnection,
    clerk_user_id: &str,
    at: DateTime<Utc>,
) -> QueryResult<(Uuid, bool)> {
    let user = provision(conn, clerk_user_id)?;
    let buried = diesel::update(users::table.find(user.id))
        .filter(users::deleted_at.is_null())
        .set((
            users::email.eq(None::<String>),
            users::name.eq(None::<String>),
            users::image_url.eq(None::<String>),
            users::role.eq(UserRole::User),
            users::deleted_at.eq(at),
        ))
        .execute(conn)?;
    Ok((user.id, buried > 0))
}

/// Gives a role; provisions the row when it is not there yet.
pub fn set_role(
    conn: &mut PgConnection,
    clerk_user_id: &str,
    role: UserRole,
) -> QueryResult<UserRow> {
    let user = provision(conn, clerk_user_id)?;
    diesel::update(users::table.find(user.id))
        .filter(users::deleted_at.is_null())
        .set(users::role.eq(role))
        .returning(UserRow::as_returning())
        .get_result(conn)
}

/// Locks a person for the length of the transaction: whatever gives or takes access does it first, in one order.
pub fn lock(conn: &mut PgConnection, id: Uuid) -> QueryResult<UserRow> {
    UserRow::query()
        .filter(users::id.eq(id))
        .for_no_key_update()
        .first(conn)
}

/// Any person, tombstones too.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<UserRow> {
    UserRow::query().filter(users::id.eq(id)).first(conn)
}

/// A page of people, newest first; perhaps of one role, perhaps of those whose name or address holds a text.
pub fn page(
    conn: &mut PgConnection,
    role: Option<UserRole>,
    holds: Option<&str>,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<UserRow>> {
    let matching = || {
        let mut query = UserRow::query().into_boxed();
        if let Some(role) = role {
            query = query.filter(users::role.eq(role));
        }
        if let Some(text) = holds {
            query = match holding(text) {
                Holding::Anywhere(pattern) => query.filter(
                    users::name
                        .ilike(pattern.clone())
                        .or(users::email.ilike(pattern)),
                ),
                Holding::AtStart { text, word } => query.filter(
                    users::name
                        .ilike(text.clone())
                        .or(users::name.ilike(word))
                        .or(users::email.ilike(text)),
                ),
            };
        }
        query
    };
    let rows = after!(matching(), users::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}

/// Locks every admin and somebody whose role is to change, and says whether they are the only admin: the last one cannot
/// go by two requests at once.
pub fn lock_as_last_admin(conn: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    let is_admin = || {
        users::role
            .eq(UserRole::Admin)
            .and(users::deleted_at.is_null())
    };
    let locked: Vec<(Uuid, bool)> = users::table
        .filter(is_admin().or(users::id.eq(id)))
        .order(users::id)
        .select((users::id, is_admin()))
        .for_no_key_update()
        .load(conn)?;
    let mut admins = locked.iter().filter(|(_, is_admin)| *is_admin);
    Ok(admins.next().is_some_and(|(admin, _)| *admin == id) && admins.next().is_none())
}

/// Gives a role to somebody who was not deleted.
pub fn update_role(conn: &mut PgConnection, id: Uuid, role: UserRole) -> QueryResult<UserRow> {
    diesel::update(users::table.filter(users::id.eq(id).and(users::deleted_at.is_null())))
        .set(users::role.eq(role))
        .returning(UserRow::as_returning())
        .get_result(conn)
}
