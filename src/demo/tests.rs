//! The promises that `store.json` keeps; the values are held to the API's own rules.

use std::collections::BTreeSet;

use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::store::{Purchase, Store};
use crate::domain::{
    enums::{CourseSectionStatus, LessonStatus, ProductStatus, UserRole},
    image_url::ImageUrl,
    text::{Description, Name},
    video_id::YoutubeVideoId,
};

fn store() -> Store {
    Store::embedded().expect("store.json has the expected shape")
}

fn check<T: DeserializeOwned + Validate<Context = ()>>(text: &str) {
    let value: T = serde_json::from_value(Value::from(text)).expect("a string");
    value
        .validate()
        .unwrap_or_else(|report| panic!("{text:?}: {report}"));
}

fn distinct<T: Ord>(items: impl ExactSizeIterator<Item = T>) -> bool {
    let count = items.len();
    items.collect::<BTreeSet<T>>().len() == count
}

#[test]
fn the_store_has_something_of_everything() {
    let Store {
        products, courses, ..
    } = store();
    let sections: Vec<_> = courses.iter().flat_map(|course| &course.sections).collect();
    let lessons: Vec<_> = sections
        .iter()
        .flat_map(|section| &section.lessons)
        .collect();
    assert!(products.len() >= 5 && courses.len() >= 6 && lessons.len() >= 50);
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
    assert!(
        lessons
            .iter()
            .any(|lesson| lesson.status == LessonStatus::Private)
    );
    assert!(lessons.iter().any(|lesson| lesson.description.is_none()));
    for course in &courses {
        assert!((2..=4).contains(&course.sections.len()), "{}", course.key);
        for status in [LessonStatus::Public, LessonStatus::Preview] {
            let any = course
                .counted_lessons()
                .any(|lesson| lesson.status == status);
            assert!(any, "{} has no {status:?} lesson", course.key);
        }
    }
}

#[test]
fn every_value_is_one_that_the_api_accepts() {
    let Store {
        products, courses, ..
    } = store();
    for product in &products {
        check::<Name>(&product.name);
        check::<Description>(&product.description);
        check::<ImageUrl>(&product.image_url);
        assert!(
            (0..=19_900).contains(&product.price_in_cents),
            "{}",
            product.key
        );
    }
    for course in &courses {
        check::<Name>(&course.name);
        check::<Description>(&course.description);
        course
            .sections
            .iter()
            .for_each(|section| check::<Name>(&section.name));
        for lesson in course.sections.iter().flat_map(|section| &section.lessons) {
            check::<Name>(&lesson.name);
            lesson
                .description
                .as_deref()
                .into_iter()
                .for_each(check::<Description>);
            check::<YoutubeVideoId>(&lesson.video);
            assert_eq!(
                lesson.video.len(),
                11,
                "the table takes no URL: {}",
                lesson.video
            );
        }
    }
}

#[test]
fn keys_lead_somewhere_and_ages_decide_the_order() {
    let store = store();
    assert!(distinct(store.products.iter().map(|product| &product.key)));
    assert!(distinct(store.courses.iter().map(|course| &course.key)));
    assert!(distinct(
        store.products.iter().map(|product| product.days_ago)
    ));
    assert!(distinct(store.courses.iter().map(|course| course.days_ago)));
    for product in &store.products {
        let course_ids = store.course_ids(product).expect("known courses");
        assert!(!course_ids.is_empty(), "{} holds no course", product.key);
    }
}

#[test]
fn people_learn_only_what_they_hold_and_after_they_got_it() {
    let store = store();
    let roles: Vec<_> = store
        .people
        .iter()
        .map(|p| (p.name.as_str(), p.role))
        .collect();
    let (admin, user) = (UserRole::Admin, UserRole::User);
    assert_eq!(
        roles,
        [("admin", admin), ("learner-1", user), ("learner-2", user)]
    );
    let product = |purchase: &Purchase| store.product(&purchase.product).expect("a known product");
    for person in &store.people {
        assert_eq!(person.email, format!("{}@example.com", person.name));
        for purchase in &person.purchases {
            let oldest = person.days_ago.min(product(purchase).days_ago);
            assert!(
                (1..oldest).contains(&purchase.days_ago),
                "{}",
                purchase.product
            );
        }
        for progress in &person.progress {
            let gives = |p: &&Purchase| product(p).courses.contains(&progress.course);
            let purchase = person
                .purchases
                .iter()
                .find(gives)
                .expect("access to the course");
            assert!(
                (1..purchase.days_ago).contains(&progress.days_ago),
                "{}",
                progress.course
            );
            let course = store.course(&progress.course).expect("a known course");
            assert!((1..=course.counted_lessons().count()).contains(&progress.lessons));
        }
    }
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
