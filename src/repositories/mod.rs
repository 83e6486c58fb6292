//! Statements, one file for each table: typed rows in and out, `&mut PgConnection` in, Diesel's own error out.

/// Orders a boxed query by a column and the id, and starts it behind a cursor. "At the key or behind it, and really
/// behind": written so that the index is entered at the key.
macro_rules! after {
    ($query:expr, $table:ident::$column:ident, $cursor:expr, asc) => {
        after!(@ $query, $table::$column, $cursor, ge, gt, asc)
    };
    ($query:expr, $table:ident::$column:ident, $cursor:expr, desc) => {
        after!(@ $query, $table::$column, $cursor, le, lt, desc)
    };
    (@ $query:expr, $table:ident::$column:ident, $cursor:expr, $reaches:ident, $passes:ident, $way:ident) => {{
        let query = match $cursor {
            Some(Cursor { key, id, .. }) => {
                let behind = $table::$column.$passes(key.clone()).or($table::id.$passes(id));
                $query.filter($table::$column.$reaches(key).and(behind))
            }
            None => $query,
        };
        query.order(($table::$column.$way(), $table::id.$way()))
    }};
}

/// Narrows a boxed query to a stretch of time: from a filter's `from` on and before its `to`, where it has them.
macro_rules! within {
    ($query:expr, $column:expr, $filter:expr) => {{
        let mut query = $query;
        if let Some(from) = $filter.from {
            query = query.filter($column.ge(from));
        }
        if let Some(to) = $filter.to {
            query = query.filter($column.lt(to));
        }
        query
    }};
}

pub mod access_grant;
pub mod audit_log;
pub mod backlog;
pub mod checkout;
pub mod country_discount;
pub mod course;
pub mod course_product;
pub mod course_section;
pub mod dispute;
pub mod idempotency_key;
pub mod job;
pub mod lesson;
pub mod outline;
pub mod prepared;
pub mod product;
pub mod purchase;
pub mod purge;
pub mod reconciler;
pub mod refund;
pub mod sibling_order;
pub mod statistics;
pub mod user;
pub mod user_course_access;
pub mod user_lesson_complete;
pub mod version;
pub mod webhook_event;
pub mod webhook_source;
