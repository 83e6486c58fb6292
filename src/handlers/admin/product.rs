//! Products, for the owner.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use diesel::PgConnection;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::each_once;
use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::deleted::Deleted;
use crate::domain::enums::ProductStatus;
use crate::domain::image_url::ImageUrl;
use crate::domain::money::PriceInCents;
use crate::domain::text::{Description, Name, SearchText};
use crate::domain::time::Timestamp;
use crate::handlers::product::{Product, ProductSort};
use crate::handlers::{no_content, private};
use crate::http::answer::Answer;
use crate::http::json::{Json, MergePatch};
use crate::http::page::{Listing, Page, PageQuery};
use crate::http::patch;
use crate::problem::{Code, Problem};
use crate::repositories::product::{self, AdminProduct, NewProduct, ProductChanges, ProductFilter};
use crate::repositories::{course, course_product};

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

/// Which products, in which order.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductsQuery {
    /// Words, or their beginnings, in name or description; a single word may be mistyped.
    #[garde(dive)]
    #[param(inline)]
    q: Option<SearchText>,
    /// Only those with this status.
    #[garde(skip)]
    #[param(inline)]
    status: Option<ProductStatus>,
    /// Only products that hold this course.
    #[garde(skip)]
    course_id: Option<Uuid>,
    /// `only`: what was deleted, instead of what was not.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    deleted: Deleted,
    /// `-createdAt`, the newest first, unless said otherwise.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    sort: ProductSort,
}

/// List products
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminListProducts", params(ProductsQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of products, newest first unless another order is asked for.", body = Page<OwnedProduct>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/products")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<ProductsQuery>,
) -> Result<HttpResponse, Problem> {
    const LIST: &str = "admin/products";
    let order = query.sort.after(LIST, asked.cursor.as_deref())?;
    let filter = ProductFilter {
        search: query.q.map(Into::into),
        course_id: query.course_id,
    };
    let (deleted, status) = (query.deleted, query.status);
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| {
            Ok(product::admin_page(
                conn, deleted, status, &filter, order, size,
            )?)
        })
        .await?;
    let currency = state.config.currency.as_str();
    let present = |row| OwnedProduct::new(row, currency);
    let page = query
        .sort
        .page(LIST, found, |row: &AdminProduct| &row.product, present)?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Create a product
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminCreateProduct", security(("session" = [])), request_body = CreateProduct,
    responses((status = 201, description = "The new product.", body = OwnedProduct, headers(("Location" = String, description = "Its address."))))
)]
#[post("/v1/admin/products")]
pub async fn create(
    admin: Admin,
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
    let currency = state.config.currency.clone();
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            check_courses(conn, &input.course_ids)?;
            let id = product::insert(conn, &new)?;
            course_product::replace(conn, id, &input.course_ids)?;
            let product = OwnedProduct::new(product::admin_find(conn, id)?, currency.as_str());
            Answer::created(&format!("/v1/admin/products/{id}"), &product)
        })
        .await?;
    Ok(answer.into())
}

/// Show a product to its owner
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminGetProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    responses((status = 200, description = "The product, also a deleted one.", body = OwnedProduct))
)]
#[get("/v1/admin/products/{id}")]
pub async fn show(
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
pub async fn update(
    admin: Admin,
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
        .change(admin.actor, move |conn| {
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
pub async fn delete(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    state
        .db
        .change(admin.actor, move |conn| {
            Ok(product::soft_delete(conn, *id)?)
        })
        .await?;
    Ok(no_content())
}

/// Restore a product
///
/// Refused while a course of it is deleted: its buyers would pay for nothing.
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminRestoreProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    responses((status = 200, description = "The product, restored now or never deleted.", body = OwnedProduct), (status = 409, description = "parent-deleted"))
)]
#[post("/v1/admin/products/{id}/restore")]
pub async fn restore(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let currency = state.config.currency.clone();
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            product::restore(conn, *id)?;
            let held = course_product::all_course_ids(conn, *id)?;
            if course::lock_live(conn, &held)?.len() < held.len() {
                return Err(Problem::new(Code::ParentDeleted)
                    .detail("A course of the product is deleted. Restore it first."));
            }
            let found = product::admin_find(conn, *id)?;
            Answer::ok(&OwnedProduct::new(found, currency.as_str()))
        })
        .await?;
    Ok(answer.into())
}

/// Every course once, there, and not deleted before the transaction ends.
fn check_courses(conn: &mut PgConnection, course_ids: &[Uuid]) -> Result<(), Problem> {
    let live = course::lock_live(conn, course_ids)?;
    let errors = each_once("/courseIds", course_ids, &live, "unknown-course");
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(errors))
    }
}
