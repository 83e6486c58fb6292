//! Links from an answer to what can be done with the things in it, which people and machines can follow.

use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem, RefOr};

/// Where the addresses do not tell: an operation, a place in its answer, an operation on it and its parameter.
const ALSO: [(&str, &str, &str, &str); 7] = [
    ("claimProduct", "/id", "getMyPurchase", "id"),
    ("listMyCourses", "/data/0/id", "getCourse", "id"),
    ("getProduct", "/courses/0/id", "getCourse", "id"),
    ("getLesson", "/id", "completeLesson", "lessonId"),
    ("getLesson", "/id", "uncompleteLesson", "lessonId"),
    ("adminListCourses", "/data/0/id", "getCourse", "id"),
    ("getCheckoutSession", "/purchaseId", "getMyPurchase", "id"),
];

/// An operation on one thing of a collection.
struct Target {
    collection: String,
    parameter: String,
    id: String,
}

/// Adds the links to each list and each creation.
pub fn describe(document: &mut OpenApi) {
    let targets: Vec<_> = document
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| targets(path, item))
        .collect();
    for (path, item) in &mut document.paths.paths {
        let sources = [
            (&mut item.get, "200", "/data/0/id"),
            (&mut item.post, "201", "/id"),
        ];
        for (operation, status, place) in sources {
            if let Some(operation) = operation
                && !path.ends_with('}')
            {
                let same = |target: &&Target| is_collection_of(path, &target.collection);
                for target in targets.iter().filter(same) {
                    link(operation, status, place, &target.id, &target.parameter);
                }
            }
        }
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let id = operation.operation_id.clone().unwrap_or_default();
            for (_, place, target, parameter) in ALSO.iter().filter(|(from, ..)| *from == id) {
                link(operation, "200", place, target, parameter);
                link(operation, "201", place, target, parameter);
            }
        }
    }
}

/// What can be done at an address with one parameter.
fn targets(path: &str, item: &PathItem) -> Vec<Target> {
    let Some((collection, rest)) = path.split_once("/{") else {
        return Vec::new();
    };
    let Some((parameter, rest)) = rest.split_once('}') else {
        return Vec::new();
    };
    if rest.contains('{') {
        return Vec::new();
    }
    let operations = [&item.get, &item.put, &item.post, &item.patch, &item.delete];
    let ids = operations
        .into_iter()
        .flatten()
        .filter_map(|operation| operation.operation_id.clone());
    ids.map(|id| Target {
        collection: collection.to_owned(),
        parameter: parameter.to_owned(),
        id,
    })
    .collect()
}

/// Whether things that are made or listed at a path are found in a collection: `/v1/admin/courses/{id}/sections` makes
/// what `/v1/admin/sections/{id}` shows.
fn is_collection_of(path: &str, collection: &str) -> bool {
    let admins = path
        .strip_prefix("/v1/admin/")
        .and_then(|rest| rest.rsplit('/').next())
        .map(|name| format!("/v1/admin/{name}"));
    path == collection || admins.as_deref() == Some(collection)
}

fn link(operation: &mut Operation, status: &str, place: &str, target: &str, parameter: &str) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status)
        && response.content.contains_key("application/json")
    {
        let link = LinkBuilder::new()
            .operation_id(target)
            .parameter(parameter, format!("$response.body#{place}"));
        response
            .links
            .insert(target.to_owned(), RefOr::T(link.build()));
    }
}
