//! `products`: what is sold.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, now, sql};
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::prepared::{FirstRows, Prepared};
use crate::domain::cursor::Cursor;
use crate::domain::deleted::Deleted;
use crate::domain::enums::ProductStatus;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::{course_products, products};

/// A product.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = products)]
pub struct ProductRow {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub image_url: String,
    pub price_in_cents: i32,
    pub status: ProductStatus,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A product to be.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = products)]
pub struct NewProduct {
    pub name: String,
    pub description: String,
    pub image_url: String,
    pub price_in_cents: i32,
    pub status: ProductStatus,
}

/// Changes; `None` keeps.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = products)]
pub struct ProductChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub image_url: Option<String>,
    pub price_in_cents: Option<i32>,
    pub status: Option<ProductStatus>,
}

impl ProductChanges {
    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.description.is_none()
            && self.image_url.is_none()
            && self.price_in_cents.is_none()
            && self.status.is_none()
    }
}

/// The order of a list, with the place after which a page starts.
#[derive(Debug, Clone)]
pub enum ProductOrder {
    Name(Option<Cursor<String>>),
    NameDescending(Option<Cursor<String>>),
    CreatedAt(Option<Cursor<DateTime<Utc>>>),
    CreatedAtDescending(Option<Cursor<DateTime<Utc>>>),
    Price(Option<Cursor<i32>>),
    PriceDescending(Option<Cursor<i32>>),
}

type BoxedProducts<'a> =
    products::BoxedQuery<'a, Pg, diesel::dsl::SqlTypeOf<diesel::dsl::AsSelect<ProductRow, Pg>>>;

/// The status is written out, so that a plan that is kept may use the indexes of these products.
fn on_sale<'a>() -> BoxedProducts<'a> {
    products::table
        .select(ProductRow::as_select())
        .filter(sql::<Bool>("products.status = 'public'"))
        .filter(products::deleted_at.is_null())
        .into_boxed()
}

/// Which products; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    pub search: Option<String>,
    /// With this course.
    pub course_id: Option<Uuid>,
}

/// Narrows a boxed query.
macro_rules! narrowed {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        if let Some(text) = &$filter.search {
            let found =
                sql::<Bool>("products.id IN (SELECT search_products(").bind::<Text, _>(text);
            query = query.filter(found.sql("))"));
        }
        if let Some(course_id) = $filter.course_id {
            let holds = course_products::table
                .filter(course_products::product_id.eq(products::id))
                .filter(course_products::course_id.eq(course_id));
            query = query.filter(exists(holds));
        }
        query
    }};
}

/// Orders a boxed query, and starts it where the page starts.
macro_rules! ordered {
    ($query:expr, $order:expr) => {{
        let query = $query;
        match $order {
            ProductOrder::Name(cursor) => after!(query, products::name, cursor, asc),
            ProductOrder::NameDescending(cursor) => after!(query, products::name, cursor, desc),
            ProductOrder::CreatedAt(cursor) => after!(query, products::created_at, cursor, asc),
            ProductOrder::CreatedAtDescending(cursor) => {
                after!(query, products::created_at, cursor, desc)
            }
            ProductOrder::Price(cursor) => after!(query, products::price_in_cents, cursor, asc),
            ProductOrder::PriceDescending(cursor) => {
                after!(query, products::price_in_cents, cursor, desc)
            }
        }
    }};
}

/// A page of the public catalogue.
pub fn catalogue(
    conn: &mut PgConnection,
    filter: &ProductFilter,
    order: ProductOrder,
    size: SliceSize,
) -> QueryResult<Slice<ProductRow>> {
    let matching = || narrowed!(on_sale(), filter);
    let rows = FirstRows(ordered!(matching(), order), size);
    let rows = Prepared(rows).load(conn)?;
    Slice::cut(rows, size, || Prepared(matching().count()).get_result(conn))
}

/// A product that anybody may see and buy.
pub fn find_on_sale(conn: &mut PgConnection, id: Uuid) -> QueryResult<ProductRow> {
    Prepared(on_sale().filter(products::id.eq(id))).get_result(conn)
}

/// A product that anybody may see, and its courses by name, deleted ones among them.
pub fn find_with_courses(
    conn: &mut PgConnection,
    id: Uuid,
) -> QueryResult<(ProductRow, Vec<Uuid>)> {
    let product = products::table
        .filter(
            products::id
                .eq(id)
                .and(products::status.eq(ProductStatus::Public))
                .and(products::deleted_at.is_null()),
        )
        .select((
            ProductRow::as_select(),
            sql::<Array<SqlUuid>>(
                "ARRAY(SELECT c.id FROM course_products cp JOIN courses c ON c.id = cp.course_id \
                 WHERE cp.product_id = products.id ORDER BY c.name, c.id)",
            ),
        ));
    Prepared(product).get_result(conn)
}

/// A product that anybody may buy, as it stays until the transaction ends.
pub fn lock_on_sale(conn: &mut PgConnection, id: Uuid) -> QueryResult<ProductRow> {
    ProductRow::query()
        .filter(
            products::id
                .eq(id)
                .and(products::status.eq(ProductStatus::Public)),
        )
        .filter(products::deleted_at.is_null())
        .for_share()
        .first(conn)
}

/// A product as the owner sees it: deleted ones too, with its live courses and its distinct customers.
#[derive(Debug, Clone, Queryable)]
pub struct AdminProduct {
    pub product: ProductRow,
    pub course_ids: Vec<Uuid>,
    pub customer_count: i64,
}

type AdminColumns = (
    diesel::dsl::AsSelect<ProductRow, Pg>,
    SqlLiteral<Array<SqlUuid>>,
    SqlLiteral<BigInt>,
);

fn admin_columns() -> AdminColumns {
    (
        ProductRow::as_select(),
        sql(
            "ARRAY(SELECT c.id FROM course_products cp JOIN courses c ON c.id = cp.course_id \
             WHERE cp.product_id = products.id AND c.deleted_at IS NULL ORDER BY c.name, c.id)",
        ),
        sql(
            "(SELECT count(*) FROM (SELECT FROM purchases WHERE product_id = products.id GROUP BY user_id) AS customer)",
        ),
    )
}

/// A page for the owner, perhaps only of one status.
pub fn admin_page(
    conn: &mut PgConnection,
    deleted: Deleted,
    status: Option<ProductStatus>,
    filter: &ProductFilter,
    order: ProductOrder,
    size: SliceSize,
) -> QueryResult<Slice<AdminProduct>> {
    let matching = || {
        let mut query = products::table.select(admin_columns()).into_boxed();
        query = match deleted {
            Deleted::No => query.filter(products::deleted_at.is_null()),
            Deleted::Only => query.filter(products::deleted_at.is_not_null()),
            Deleted::Include => query,
        };
        if let Some(status) = status {
            query = query.filter(products::status.eq(status));
        }
        narrowed!(query, filter)
    };
    let rows = ordered!(matching(), order)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}

/// Any product, for the owner.
pub fn admin_find(conn: &mut PgConnection, id: Uuid) -> QueryResult<AdminProduct> {
    products::table.find(id).select(admin_columns()).first(conn)
}

/// Writes a new product, without its courses.
pub fn insert(conn: &mut PgConnection, new: &NewProduct) -> QueryResult<Uuid> {
    diesel::insert_into(products::table)
        .values(new)
        .returning(products::id)
        .get_result(conn)
}

/// Changes a product that is not deleted. An empty change only checks that it is there.
pub fn update(conn: &mut PgConnection, id: Uuid, changes: &ProductChanges) -> QueryResult<()> {
    let live = products::table.filter(products::id.eq(id).and(products::deleted_at.is_null()));
    if changes.is_empty() {
        return live
            .select(products::id)
            .for_update()
            .first::<Uuid>(conn)
            .map(drop);
    }
    diesel::update(live)
        .set(changes)
        .returning(products::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Takes a product out of sight and of sale; buyers keep what they bought.
pub fn soft_delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    let live = products::table.filter(products::id.eq(id).and(products::deleted_at.is_null()));
    diesel::update(live)
        .set(products::deleted_at.eq(now))
        .returning(products::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Takes a deletion back.
pub fn restore(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::update(products::table.find(id))
        .set(products::deleted_at.eq(None::<DateTime<Utc>>))
        .returning(products::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}
