//! Statements that hold text of our own and are prepared all the same.

use diesel::connection::Connection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

use crate::domain::slice::SliceSize;

/// A statement whose text is the same whenever it is sent, so that a connection prepares it once and keeps it.
///
/// Diesel does so by itself for what it wrote alone. Of other text (`sql_query`, `sql`) it cannot know whether it ever
/// comes again, and prepares it at every use: one more round trip, and one more plan.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<Q>(pub Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

/// It is known by its text.
impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C: Connection> RunQueryDsl<C> for Prepared<Q> {}

/// The first rows of an ordered list that is asked for very often: as many as a page shows, and at least one more.
///
/// How many is part of the text. For a number in a parameter Postgres expects a tenth of the list, finds that dearer
/// than a plan for the number at hand, and so plans anew every time, which takes longer than the reading. There are two
/// numbers, so that few statements are kept: one more than a page usually shows, and one more than it ever does.
#[derive(Debug, Clone, Copy)]
pub struct FirstRows<Q>(pub Q, pub SliceSize);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for FirstRows<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        let is_usual = self.1.limit <= SliceSize::USUAL;
        out.push_sql(if is_usual { " LIMIT 21" } else { " LIMIT 101" });
        Ok(())
    }
}

impl<Q: Query> Query for FirstRows<Q> {
    type SqlType = Q::SqlType;
}
