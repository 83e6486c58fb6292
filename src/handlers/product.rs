//! Products: the public catalogue, and the owner's side of it.

use actix_web::{HttpRequest, HttpResponse, get, web};
use diesel::PgConnection;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::domain::enums::{LessonStatus, ProductStatus};
use crate::domain::outline::{Outline, Section, Sight};
use crate::domain::slice::Slice;
use crate::domain::text::SearchText;
use crate::domain::time::Timestamp;
use crate::freshness::{Basis, Tag};
use crate::http::finished::Finished;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::problem::Problem;
use crate::repositories::product::{self, ProductFilter, ProductOrder, ProductRow};

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
    /// A row with the currency of its price.
    pub fn new(row: ProductRow, currency: &str) -> Self {
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

impl From<&Outline> for OutlineCourse {
    fn from(course: &Outline) -> Self {
        let sections = course.sections(Sight::Public).map(OutlineSection::from);
        let sections: Vec<_> = sections.collect();
        Self {
            id: course.id,
            name: course.name.to_string(),
            description: course.description.to_string(),
            section_count: sections.len(),
            lesson_count: course.lessons(Sight::Public).count(),
            sections,
        }
    }
}

impl From<&Section> for OutlineSection {
    fn from(section: &Section) -> Self {
        let lessons = section.lessons(Sight::Public).map(|lesson| OutlineLesson {
            id: lesson.id,
            name: lesson.name.to_string(),
            status: lesson.status,
        });
        Self {
            id: section.id,
            name: section.name.to_string(),
            lessons: lessons.collect(),
        }
    }
}

/// The order of products; a minus sign turns it round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub enum ProductSort {
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

impl ProductSort {
    /// A list and its order, as cursors name them.
    fn place(self, list: &str) -> String {
        let order = match self {
            Self::Name => "name",
            Self::NameDescending => "-name",
            Self::CreatedAt => "createdAt",
            Self::CreatedAtDescending => "-createdAt",
            Self::Price => "priceInCents",
            Self::PriceDescending => "-priceInCents",
        };
        format!("{list} {order}")
    }

    /// The order, from the place on that a cursor of this list names.
    ///
    /// # Errors
    /// 400 `invalid-cursor`
    pub fn after(self, list: &str, cursor: Option<&str>) -> Result<ProductOrder, Problem> {
        let sort = &self.place(list);
        Ok(match self {
            Self::Name => ProductOrder::Name(place(cursor, sort)?),
            Self::NameDescending => ProductOrder::NameDescending(place(cursor, sort)?),
            Self::CreatedAt => ProductOrder::CreatedAt(place(cursor, sort)?),
            Self::CreatedAtDescending => ProductOrder::CreatedAtDescending(place(cursor, sort)?),
            Self::Price => ProductOrder::Price(place(cursor, sort)?),
            Self::PriceDescending => ProductOrder::PriceDescending(place(cursor, sort)?),
        })
    }

    /// A page of this list.
    ///
    /// # Errors
    /// When a sort key cannot be written as JSON.
    pub fn page<R, T: Serialize>(
        self,
        list: &str,
        found: Slice<R>,
        product: impl Fn(&R) -> &ProductRow,
        present: impl Fn(R) -> T,
    ) -> Result<Page<T>, Problem> {
        let sort = &self.place(list);
        match self {
            Self::Name | Self::NameDescending => {
                let key = |row: &R| (product(row).name.clone(), product(row).id);
                Page::new(found, sort, key, present)
            }
            Self::CreatedAt | Self::CreatedAtDescending => {
                let key = |row: &R| (product(row).created_at, product(row).id);
                Page::new(found, sort, key, present)
            }
            Self::Price | Self::PriceDescending => {
                let key = |row: &R| (product(row).price_in_cents, product(row).id);
                Page::new(found, sort, key, present)
            }
        }
    }
}

/// Which products, in which order.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CatalogueQuery {
    /// Words, or their beginnings, in name or description; a single word may be mistyped.
    #[garde(dive)]
    #[param(inline)]
    q: Option<SearchText>,
    /// Only products that hold this course.
    #[garde(skip)]
    course_id: Option<Uuid>,
    /// `-createdAt`, the newest first, unless said otherwise.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    sort: ProductSort,
}

/// Browse the catalogue
///
/// Public products, newest first unless another order is asked for.
#[utoipa::path(
    tag = "Shop", operation_id = "listProducts", params(CatalogueQuery, PageQuery),
    responses((status = 200, description = "A page of the catalogue.", body = Page<Product>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/products")]
pub async fn catalogue(
    request: HttpRequest,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<CatalogueQuery>,
) -> Result<HttpResponse, Problem> {
    const LIST: &str = "products";
    let make = async || {
        let order = query.sort.after(LIST, asked.cursor.as_deref())?;
        let filter = ProductFilter {
            search: query.q.map(Into::into),
            course_id: query.course_id,
        };
        let size = asked.size();
        let read = move |conn: &mut PgConnection, _: &mut Basis| {
            Ok(product::catalogue(conn, &filter, order.clone(), size)?)
        };
        let (found, basis) = state.db.read_anywhere(vec![Tag::Catalogue], read).await?;
        let currency = state.config.currency.as_str();
        let present = |row| Product::new(row, currency);
        let page = query.sort.page(LIST, found, |row| row, present)?;
        Finished::new(&page, page.link(&request), basis)
    };
    state.cache.page(&request, make).await
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
    request: HttpRequest,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let make = async || {
        let cache = state.cache.clone();
        let product_id = *id;
        let read = move |conn: &mut PgConnection, basis: &mut Basis| {
            let (row, course_ids) = product::find_with_courses(conn, product_id)?;
            basis
                .tags
                .extend(course_ids.iter().copied().map(Tag::Course));
            let courses = cache.read_outlines(conn, &course_ids, basis.read_at)?;
            Ok((row, courses))
        };
        let tags = vec![Tag::Product(product_id)];
        let ((row, courses), basis) = state.db.read_anywhere(tags, read).await?;
        let detail = ProductDetail {
            product: Product::new(row, state.config.currency.as_str()),
            courses: courses.iter().map(|course| (&**course).into()).collect(),
        };
        Finished::new(&detail, None, basis)
    };
    state.cache.page(&request, make).await
}
