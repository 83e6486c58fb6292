//! The versions of what several people may change at once: entity tags are made from them.

use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use uuid::Uuid;

/// Something that has a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioned {
    /// With the order of its sections.
    Course(Uuid),
    /// With the order of its lessons.
    Section(Uuid),
    Lesson(Uuid),
    /// With its list of courses.
    Product(Uuid),
    User(Uuid),
    /// All of them together.
    PricingTiers,
}

/// The row and, where it has a list of its own, the list: counts of what others do are no part of the version.
const COURSE: &str = r#"SELECT md5(concat_ws(' ', c.id, extract(epoch FROM c.updated_at), (
        SELECT string_agg(s.id::text, ' ' ORDER BY s."order")
        FROM course_sections s WHERE s.course_id = c.id AND s.deleted_at IS NULL
    ))) AS version FROM courses c WHERE c.id = $1"#;
const SECTION: &str = r#"SELECT md5(concat_ws(' ', s.id, extract(epoch FROM s.updated_at), (
        SELECT string_agg(l.id::text, ' ' ORDER BY l."order")
        FROM lessons l WHERE l.section_id = s.id AND l.deleted_at IS NULL
    ))) AS version FROM course_sections s WHERE s.id = $1"#;
const LESSON: &str = "SELECT md5(concat_ws(' ', id, extract(epoch FROM updated_at))) AS version FROM lessons WHERE id = $1";
const PRODUCT: &str = "SELECT md5(concat_ws(' ', p.id, extract(epoch FROM p.updated_at), (
        SELECT string_agg(cp.course_id::text, ' ' ORDER BY cp.course_id)
        FROM course_products cp WHERE cp.product_id = p.id
    ))) AS version FROM products p WHERE p.id = $1";
const USER: &str = "SELECT md5(concat_ws(' ', id, extract(epoch FROM updated_at))) AS version FROM users WHERE id = $1";
const PRICING_TIERS: &str = "SELECT md5(concat_ws(' ', 'tiers', string_agg(country || percent_off, ' ' ORDER BY country))) AS version
    FROM country_discounts WHERE $1 IS NOT NULL";

/// Locks in the order in which handlers lock: parents first, admins by id.
const LOCK_COURSE: &[&str] = &["SELECT FROM courses WHERE id = $1 FOR NO KEY UPDATE"];
const LOCK_SECTION: &[&str] = &[
    "SELECT FROM courses WHERE id = (SELECT course_id FROM course_sections WHERE id = $1) FOR NO KEY UPDATE",
    "SELECT FROM course_sections WHERE id = $1 FOR NO KEY UPDATE",
];
const LOCK_LESSON: &[&str] = &[
    "SELECT FROM course_sections WHERE id = (SELECT section_id FROM lessons WHERE id = $1) FOR NO KEY UPDATE",
    "SELECT FROM lessons WHERE id = $1 FOR NO KEY UPDATE",
];
const LOCK_PRODUCT: &[&str] = &["SELECT FROM products WHERE id = $1 FOR NO KEY UPDATE"];
const LOCK_USER: &[&str] = &[
    "SELECT FROM users WHERE (role = 'admin' AND deleted_at IS NULL) OR id = $1 ORDER BY id FOR NO KEY UPDATE",
];
const LOCK_PRICING_TIERS: &[&str] = &["LOCK TABLE country_discounts IN SHARE ROW EXCLUSIVE MODE"];

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

impl Versioned {
    /// What the admin's address, perhaps that of an action on the resource, is about.
    pub fn at(path: &str) -> Option<Self> {
        let segments: Vec<_> = path.strip_prefix("/v1/admin/")?.split('/').collect();
        let (kind, id) = match segments.as_slice() {
            ["pricing", "tiers"] => return Some(Self::PricingTiers),
            [kind, id]
            | [kind, id, "restore"]
            | [kind @ "courses", id, "sections", "order"]
            | [kind @ "sections", id, "lessons", "order"] => (*kind, id.parse().ok()?),
            _ => return None,
        };
        match kind {
            "courses" => Some(Self::Course(id)),
            "sections" => Some(Self::Section(id)),
            "lessons" => Some(Self::Lesson(id)),
            "products" => Some(Self::Product(id)),
            "users" => Some(Self::User(id)),
            _ => None,
        }
    }

    /// The version, 32 letters and digits; `None` where nothing is. Reads one statement's view of it.
    pub fn version(self, conn: &mut PgConnection) -> QueryResult<Option<String>> {
        let (statement, _, id) = self.statements();
        diesel::sql_query(statement)
            .bind::<SqlUuid, _>(id)
            .get_result::<Version>(conn)
            .map(|found| found.version)
            .optional()
    }

    /// Holds the version still until the transaction ends.
    pub fn lock(self, conn: &mut PgConnection) -> QueryResult<()> {
        let (_, locks, id) = self.statements();
        for lock in locks {
            if lock.contains("$1") {
                diesel::sql_query(*lock)
                    .bind::<SqlUuid, _>(id)
                    .execute(conn)?;
            } else {
                diesel::sql_query(*lock).execute(conn)?;
            }
        }
        Ok(())
    }

    const fn statements(self) -> (&'static str, &'static [&'static str], Uuid) {
        match self {
            Self::Course(id) => (COURSE, LOCK_COURSE, id),
            Self::Section(id) => (SECTION, LOCK_SECTION, id),
            Self::Lesson(id) => (LESSON, LOCK_LESSON, id),
            Self::Product(id) => (PRODUCT, LOCK_PRODUCT, id),
            Self::User(id) => (USER, LOCK_USER, id),
            Self::PricingTiers => (PRICING_TIERS, LOCK_PRICING_TIERS, Uuid::nil()),
        }
    }
}
