use std::collections::BTreeSet;

use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::store::{Lesson, Person, Store};
use crate::domain::{
    enums::{CourseSectionStatus, LessonStatus, ProductStatus, UserRole},
    image_url::ImageUrl,
    text::{Description, Name},
    video_id::YoutubeVideoId,
};

fn store() -> Store {
    Store::embedded().expect("store.json has the expected shape")
}

/// Holds a text to the rule that the API has for it.
fn check<T: DeserializeOwned + Validate<Context = ()>>(text: &str) {
    let value: T = serde_json::from_value(Value::from(text)).expect("a string");
    if let Err(report) = value.validate() {
        panic!("{text:?}: {report}");
    }
}

fn all_distinct<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

#[test]
fn the_store_has_something_of_everything() {
    let store = store();
    let products = &store.products;
    let sections: Vec<_> = store
        .courses
        .iter()
        .flat_map(|course| &course.sections)
        .collect();
    let lessons: Vec<&Lesson> = sections
        .iter()
        .flat_map(|section| &section.lessons)
        .collect();
    assert!(products.len() >= 5 && store.courses.len() >= 6 && lessons.len() >= 50);
    assert!(products.iter().any(|product| product.price_in_cents == 0));
    assert!(products.iter().any(|product| product.courses.len() > 1));
    assert!(
        products
            .iter()
            .any(|product| product.status == ProductStatus::Private)
    );
    assert!(
        sections
            .iter()
            .any(|section| section.status == CourseSectionStatus::Private)
    );
    for status in [
        LessonStatus::Public,
        LessonStatus::Private,
        LessonStatus::Preview,
    ] {
        assert!(
            lessons.iter().any(|lesson| lesson.status == status),
            "{status:?}"
        );
    }
    assert!(lessons.iter().any(|lesson| lesson.description.is_none()));
    assert!(
        store
            .courses
            .iter()
            .all(|course| (2..=4).contains(&course.sections.len()))
    );
    let previews = store.courses.iter().filter(|course| {
        course
            .counted_lessons()
            .any(|lesson| lesson.status == LessonStatus::Preview)
    });
    assert_eq!(
        previews.count(),
        store.courses.len(),
        "every course has an appetizer"
    );
}

#[test]
fn every_value_is_one_that_the_api_accepts() {
    let store = store();
    for product in &store.products {
        check::<Name>(&product.name);
        check::<Description>(&product.description);
        check::<ImageUrl>(&product.image_url);
        assert!(
            (0..=19_900).contains(&product.price_in_cents),
            "{}",
            product.key
        );
    }
    for course in &store.courses {
        check::<Name>(&course.name);
        check::<Description>(&course.description);
        for section in &course.sections {
            check::<Name>(&section.name);
            for lesson in &section.lessons {
                check::<Name>(&lesson.name);
                lesson
                    .description
                    .as_deref()
                    .into_iter()
                    .for_each(check::<Description>);
                check::<YoutubeVideoId>(&lesson.video);
                // The API also takes a URL; the table does not.
                assert_eq!(lesson.video.len(), 11, "{}", lesson.name);
            }
        }
    }
}

#[test]
fn keys_lead_somewhere_and_ages_set_the_order() {
    let store = store();
    assert!(all_distinct(
        store.products.iter().map(|product| &product.key)
    ));
    assert!(all_distinct(store.courses.iter().map(|course| &course.key)));
    assert!(all_distinct(
        store.products.iter().map(|product| product.days_ago)
    ));
    assert!(all_distinct(
        store.courses.iter().map(|course| course.days_ago)
    ));
    for product in &store.products {
        assert!(
            !store.course_ids(product).expect("known courses").is_empty(),
            "{}",
            product.key
        );
    }
}

#[test]
fn people_learn_only_what_they_hold_and_only_after_they_got_it() {
    let store = store();
    let roles: Vec<_> = store
        .people
        .iter()
        .map(|person| (person.name.as_str(), person.role))
        .collect();
    let (admin, user) = (UserRole::Admin, UserRole::User);
    assert_eq!(
        roles,
        [("admin", admin), ("learner-1", user), ("learner-2", user)]
    );
    for person in &store.people {
        assert_eq!(person.email, format!("{}@example.com", person.name));
        for purchase in &person.purchases {
            let product = store.product(&purchase.product).expect("a known product");
            assert_eq!(product.status, ProductStatus::Public, "{}", product.key);
            assert!(
                purchase.days_ago < person.days_ago.min(product.days_ago) && purchase.days_ago > 0
            );
        }
        for progress in &person.progress {
            let holds = person.purchases.iter().any(|purchase| {
                let product = store.product(&purchase.product).expect("a known product");
                product.courses.contains(&progress.course) && progress.days_ago < purchase.days_ago
            });
            assert!(holds, "{} has no {}", person.name, progress.course);
            let counted = store
                .course(&progress.course)
                .expect("a known course")
                .counted_lessons()
                .count();
            assert!((1..=counted).contains(&progress.lessons) && progress.days_ago > 0);
        }
    }
    let bought = |person: &Person| {
        json!(
            person
                .purchases
                .iter()
                .map(|p| &p.product)
                .collect::<Vec<_>>()
        )
    };
    let bought: Vec<Value> = store.people.iter().map(bought).collect();
    assert_eq!(
        json!(bought),
        json!([[], ["backend-bundle"], ["git", "sourdough"]])
    );
}

#[cfg(feature = "dev")]
#[test]
fn the_local_clerk_gives_the_same_ids() {
    for person in super::people().expect("store.json has the expected shape") {
        assert_eq!(
            person.clerk_user_id,
            crate::dev::clerk::user_id(&person.name)
        );
    }
}
