//! Lists walked as a client walks them, and what is read off their rows.

use serde_json::{Value, json};

use super::{Client, Reply};

impl Client {
    /// Every row of a list, page after page.
    pub async fn walk(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).await;
            next = next_page(&page);
            rows.extend(rows_of(page));
        }
        rows
    }

    /// Takes a free product, and with it the access to its courses.
    pub async fn claim(&self, product: &str) -> Value {
        let path = format!("/v1/products/{product}/claim");
        self.call(&path).await.expect(201)
    }

    /// Changes a resource and returns it.
    pub async fn change(&self, path: &str, change: Value) -> Value {
        self.patch(path, change).await.expect(200)
    }
}

/// The address of the page after this one, from its `Link` header, with which `nextCursor` has to agree.
pub fn next_page(page: &Reply) -> Option<String> {
    let link = page.headers.get("link").map(|link| {
        let link = link.to_str().unwrap().strip_prefix('<').unwrap();
        link.strip_suffix(">; rel=\"next\"").unwrap().to_owned()
    });
    match (&link, &page.body["nextCursor"]) {
        (Some(link), Value::String(cursor)) => assert!(link.contains(&format!("cursor={cursor}"))),
        (link, cursor) => assert_eq!((link, cursor), (&None, &Value::Null)),
    }
    link
}

/// The rows of a page.
#[track_caller]
pub fn rows_of(page: Reply) -> Vec<Value> {
    page.expect(200)["data"]
        .as_array()
        .expect("a list has data")
        .clone()
}

/// A field of each row, in order.
#[track_caller]
pub fn each(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows.as_array().expect("rows");
    rows.iter()
        .map(|row| row[field].as_str().expect("a text").to_owned())
        .collect()
}

/// The names of rows, in order.
#[track_caller]
pub fn names(rows: &Value) -> Vec<String> {
    each(rows, "name")
}

/// The names of a course's sections with the names of their lessons, as any outline of the API shows them.
#[track_caller]
pub fn outline(course: &Value) -> Value {
    let sections = course["sections"].as_array().expect("sections");
    sections
        .iter()
        .map(|section| json!([section["name"], names(&section["lessons"])]))
        .collect()
}

/// An id that nothing has.
pub const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
