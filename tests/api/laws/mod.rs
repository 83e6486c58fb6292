//! What is true of the whole: the document, the rights, the migrations, the errors, the configuration.

mod bounds;
mod config;
mod cost;
mod deployment;
mod documents;
mod hazards;
mod migrations;
mod problems;
mod provoked;
mod routes;
mod serve;
mod spec;
mod visibility;

use std::path::Path;

use serde_json::Value;

use crate::support::TestApp;

/// A file of the repository.
pub fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The methods that a path of the document may have.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The document that a store serves.
pub async fn document(app: &TestApp) -> Value {
    app.anon().get("/openapi.json").await.expect(200)
}

/// Every operation of the document: its path, its method in capitals, and itself.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let operations = METHODS.into_iter().filter_map(|method| {
            let operation = item.get(method)?;
            Some((path.clone(), method.to_uppercase(), operation.clone()))
        });
        operations.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}
