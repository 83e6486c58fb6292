//! Products: the public catalogue, and the owner's side of it.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{created, no_content, private, public};
use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::{LessonStatus, ProductStatus};
use crate::domain::image_url::ImageUrl;
use crate::domain::money::PriceInCents;
use crate::domain::text::{Description, Name};
use crate::domain::time::Timestamp;
use crate::http::json::{Json, MergePatch};
use crate::http::page::{Page, PageQuery, default_limit, place};
use crate::http::patch;
use crate::http::query::Query;
use crate::problem::{FieldError, Problem};
use crate::repositories::product::{
    self, AdminProduct, CatalogueOrder, NewProduct, OutlineLine, ProductChanges, ProductRow,
};
use crate::repositories::{course, course_product};

/// A product as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    pub id: Uuid,
    #[schema(example = "Rust for the Web")]
    pub name: String,
    pub description: String,
    /// An https URL, or a path from the frontend's root.
    #[schema(example = "/images/rust.png")]
    pub image_url: String,
    /// In the currency's smallest unit; 0 is free.
    #[schema(minimum = 0, maximum = 99_999_999, example = 4900)]
    pub price_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    pub status: ProductStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Product {
    fn new(row: ProductRow, currency: &str) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            image_url: row.image_url,
            price_in_cents: row.price_in_cents,
            currency: currency.to_owned(),
            status: row.status,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// A product with what it holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductDetail {
    #[serde(flatten)]
    pub product: Product,
    pub courses: Vec<OutlineCourse>,
}

/// A course, as far as everybody may know it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlineCourse {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub section_count: usize,
    pub lesson_count: usize,
    pub sections: Vec<OutlineSection>,
}

/// A public section.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlineSection {
    pub id: Uuid,
    pub name: String,
    pub lessons: Vec<OutlineLesson>,
}

/// A public lesson, or a preview that everybody may watch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlineLesson {
    pub id: Uuid,
    pub name: String,
    pub status: LessonStatus,
}

/// Nests the lines of an outline, which come in order.
fn nest(lines: Vec<OutlineLine>) -> Vec<OutlineCourse> {
    let mut courses: Vec<OutlineCourse> = Vec::new();
    for OutlineLine {
        course: (id, name, description),
        section,
        lesson,
    } in lines
    {
        if courses.last().is_none_or(|last| last.id != id) {
            courses.push(OutlineCourse {
                id,
                name,
                description,
                section_count: 0,
                lesson_count: 0,
                sections: Vec::new(),
            });
        }
        let (Some(course), Some((id, name))) = (courses.last_mut(), section) else {
            continue;
        };
        if course.sections.last().is_none_or(|last| last.id != id) {
            course.section_count += 1;
            course.sections.push(OutlineSection {
                id,
                name,
                lessons: Vec::new(),
            });
        }
        let (Some(section), Some((id, name, status))) = (course.sections.last_mut(), lesson) else {
            continue;
        };
        course.lesson_count += 1;
        section.lessons.push(OutlineLesson { id, name, status });
    }
    courses
}

/// The order of the catalogue; a minus sign turns it round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub enum CatalogueSort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    #[serde(rename = "createdAt")]
    CreatedAt,
    #[default]
    #[serde(rename = "-createdAt")]
    CreatedAtDescending,
    #[serde(rename = "priceInCents")]
    Price,
    #[serde(rename = "-priceInCents")]
    PriceDescending,
}

impl CatalogueSort {
    /// The list and its order, as cursors name it.
    const fn place(self) -> &'static str {
        match self {
            Self::Name => "products name",
            Self::NameDescending => "products -name",
            Self::CreatedAt => "products createdAt",
            Self::CreatedAtDescending => "products -createdAt",
            Self::Price => "products priceInCents",
            Self::PriceDescending => "products -priceInCents",
        }
    }

    fn after(self, cursor: Option<&str>) -> Result<CatalogueOrder, Problem> {
        let sort = self.place();
        Ok(match self {
            Self::Name => CatalogueOrder::Name(place(cursor, sort)?),
            Self::NameDescending => CatalogueOrder::NameDescending(place(cursor, sort)?),
            Self::CreatedAt => CatalogueOrder::CreatedAt(place(cursor, sort)?),
            Self::CreatedAtDescending => CatalogueOrder::CreatedAtDescending(place(cursor, sort)?),
            Self::Price => CatalogueOrder::Price(place(cursor, sort)?),
            Self::PriceDescending => CatalogueOrder::PriceDescending(place(cursor, sort)?),
        })
    }

    fn page(
        self,
        rows: Vec<ProductRow>,
        limit: u8,
        currency: &str,
    ) -> Result<Page<Product>, Problem> {
        let present = |row| Product::new(row, currency);
        match self {
            Self::Name | Self::NameDescending => Page::new(
                rows,
                limit,
                self.place(),
                |row| (row.name.clone(), row.id),
                present,
            ),
            Self::CreatedAt | Self::CreatedAtDescending => Page::new(
                rows,
                limit,
                self.place(),
                |row| (row.created_at, row.id),
                present,
            ),
            Self::Price | Self::PriceDescending => Page::new(
                rows,
                limit,
                self.place(),
                |row| (row.price_in_cents, row.id),
                present,
            ),
        }
    }
}

/// Which products, in which order.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CatalogueQuery {
    /// Only products that hold this course.
    #[garde(skip)]
    course_id: Option<Uuid>,
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "-createdAt")]
    sort: CatalogueSort,
    /// How many rows at most.
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: u8,
    /// `nextCursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
}

/// Browse the catalogue
///
/// Public products, newest first unless another order is asked for.
#[utoipa::path(
    tag = "Shop", operation_id = "listProducts", params(CatalogueQuery),
    responses((status = 200, description = "A page of the catalogue.", body = Page<Product>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/products")]
pub async fn catalogue(
    request: HttpRequest,
    state: web::Data<AppState>,
    Query(query): Query<CatalogueQuery>,
) -> Result<HttpResponse, Problem> {
    let order = query.sort.after(query.cursor.as_deref())?;
    let rows = state
        .db
        .read(move |conn| {
            Ok(product::catalogue(
                conn,
                order,
                query.course_id,
                i64::from(query.limit) + 1,
            )?)
        })
        .await?;
    let page = query
        .sort
        .page(rows, query.limit, state.config.currency.as_str())?;
    Ok(page.to_response(&request, super::PUBLIC_CACHE))
}

/// Show a product
///
/// With its courses and their public outline: public sections, public and preview lessons, names only.
#[utoipa::path(
    tag = "Shop", operation_id = "getProduct", params(("id" = Uuid, Path, description = "The product.")),
    responses((status = 200, description = "The product.", body = ProductDetail))
)]
#[get("/v1/products/{id}")]
pub async fn show(
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let (row, lines) = state
        .db
        .read(move |conn| {
            let row = product::find_on_sale(conn, *id)?;
            let lines = product::public_outline(conn, row.id)?;
            Ok((row, lines))
        })
        .await?;
    Ok(public(&ProductDetail {
        product: Product::new(row, state.config.currency.as_str()),
        courses: nest(lines),
    }))
}

/// A product as the owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedProduct {
    #[serde(flatten)]
    pub product: Product,
    /// Its courses, those that are not deleted.
    pub course_ids: Vec<Uuid>,
    pub course_count: usize,
    /// Distinct people who bought or claimed it.
    pub customer_count: i64,
    /// When it was deleted; null while it is not.
    #[schema(required = true)]
    pub deleted_at: Option<Timestamp>,
}

impl OwnedProduct {
    fn new(found: AdminProduct, currency: &str) -> Self {
        Self {
            course_count: found.course_ids.len(),
            course_ids: found.course_ids,
            customer_count: found.customer_count,
            deleted_at: found.product.deleted_at.map(Timestamp),
            product: Product::new(found.product, currency),
        }
    }
}

/// A product to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProduct {
    #[garde(dive)]
    name: Name,
    #[garde(dive)]
    description: Description,
    #[garde(dive)]
    image_url: ImageUrl,
    #[garde(dive)]
    price_in_cents: PriceInCents,
    /// `private` unless said otherwise.
    #[garde(skip)]
    #[serde(default = "private_status")]
    #[schema(default = "private")]
    status: ProductStatus,
    /// At least one course, each once.
    #[garde(length(min = 1, max = 100))]
    #[schema(min_items = 1, max_items = 100)]
    course_ids: Vec<Uuid>,
}

const fn private_status() -> ProductStatus {
    ProductStatus::Private
}

/// A change of a product: an absent field keeps its value; none can be null.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateProduct {
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    description: Option<Description>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    image_url: Option<ImageUrl>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    price_in_cents: Option<PriceInCents>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    status: Option<ProductStatus>,
    /// The whole new list. Buyers keep the courses that they bought.
    #[garde(inner(length(min = 1, max = 100)))]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    course_ids: Option<Vec<Uuid>>,
}

/// List products
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminListProducts", params(PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of the products that are not deleted, newest first.", body = Page<OwnedProduct>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/products")]
pub async fn admin_list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/products -createdAt";
    let after = place::<DateTime<Utc>>(query.cursor.as_deref(), SORT)?;
    let rows = state
        .db
        .read(move |conn| {
            Ok(product::admin_page(
                conn,
                after,
                i64::from(query.limit) + 1,
            )?)
        })
        .await?;
    let key = |row: &AdminProduct| (row.product.created_at, row.product.id);
    let currency = state.config.currency.as_str();
    let page = Page::new(rows, query.limit, SORT, key, |row| {
        OwnedProduct::new(row, currency)
    })?;
    Ok(page.to_response(&request, super::PRIVATE_CACHE))
}

/// Create a product
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminCreateProduct", security(("session" = [])), request_body = CreateProduct,
    responses((status = 201, description = "The new product.", body = OwnedProduct, headers(("Location" = String, description = "Its address."))))
)]
#[post("/v1/admin/products")]
pub async fn admin_create(
    _: Admin,
    state: web::Data<AppState>,
    Json(input): Json<CreateProduct>,
) -> Result<HttpResponse, Problem> {
    let new = NewProduct {
        name: input.name.into(),
        description: input.description.into(),
        image_url: input.image_url.into(),
        price_in_cents: input.price_in_cents.into(),
        status: input.status,
    };
    let found = state
        .db
        .transaction(move |conn| {
            check_courses(conn, &input.course_ids)?;
            let id = product::insert(conn, &new)?;
            course_product::replace(conn, id, &input.course_ids)?;
            Ok(product::admin_find(conn, id)?)
        })
        .await?;
    let location = format!("/v1/admin/products/{}", found.product.id);
    Ok(created(
        &location,
        &OwnedProduct::new(found, state.config.currency.as_str()),
    ))
}

/// Show a product to its owner
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminGetProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    responses((status = 200, description = "The product, also a deleted one.", body = OwnedProduct))
)]
#[get("/v1/admin/products/{id}")]
pub async fn admin_show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let found = state
        .db
        .read(move |conn| Ok(product::admin_find(conn, *id)?))
        .await?;
    Ok(private(&OwnedProduct::new(
        found,
        state.config.currency.as_str(),
    )))
}

/// Change a product
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminUpdateProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    request_body(content((UpdateProduct = "application/merge-patch+json"), (UpdateProduct = "application/json"))),
    responses((status = 200, description = "The product as it is now.", body = OwnedProduct))
)]
#[patch("/v1/admin/products/{id}")]
pub async fn admin_update(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    MergePatch(input): MergePatch<UpdateProduct>,
) -> Result<HttpResponse, Problem> {
    let changes = ProductChanges {
        name: input.name.map(Into::into),
        description: input.description.map(Into::into),
        image_url: input.image_url.map(Into::into),
        price_in_cents: input.price_in_cents.map(Into::into),
        status: input.status,
    };
    let found = state
        .db
        .transaction(move |conn| {
            product::update(conn, *id, &changes)?;
            if let Some(course_ids) = &input.course_ids {
                check_courses(conn, course_ids)?;
                course_product::replace(conn, *id, course_ids)?;
            }
            Ok(product::admin_find(conn, *id)?)
        })
        .await?;
    Ok(private(&OwnedProduct::new(
        found,
        state.config.currency.as_str(),
    )))
}

/// Delete a product
///
/// It leaves the catalogue; open checkouts are still fulfilled, buyers keep what they bought.
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminDeleteProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    responses((status = 204, description = "It is deleted."))
)]
#[delete("/v1/admin/products/{id}")]
pub async fn admin_delete(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    state
        .db
        .read(move |conn| Ok(product::soft_delete(conn, *id)?))
        .await?;
    Ok(no_content())
}

/// Every course once, there, and not deleted before the transaction ends.
fn check_courses(conn: &mut PgConnection, course_ids: &[Uuid]) -> Result<(), Problem> {
    let live = course::lock_live(conn, course_ids)?;
    let errors: Vec<_> = course_ids
        .iter()
        .enumerate()
        .filter_map(|(index, id)| {
            let pointer = format!("/courseIds/{index}");
            if !live.contains(id) {
                Some(FieldError::at(
                    pointer,
                    "unknown-course",
                    "there is no such course",
                ))
            } else if course_ids.iter().take(index).any(|earlier| earlier == id) {
                Some(FieldError::at(
                    pointer,
                    "repeated",
                    "is in the list already",
                ))
            } else {
                None
            }
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(errors))
    }
}
