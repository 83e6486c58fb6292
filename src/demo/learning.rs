//! Writes what the learners bought or claimed, the access that it gave, and how far they have come.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    PaidPurchase, SeedError, ago,
    store::{Person, Product, Store},
};
use crate::domain::enums::{AccessSource, CheckoutStatus, CheckoutUiMode};
use crate::schema::{access_grants, checkouts, purchases, user_lesson_complete};

/// Writes every purchase as the store would have: with its checkout (`None`: a free product, claimed without
/// one) and with the grants from which the database derives the access.
pub(super) fn write_purchases(
    conn: &mut PgConnection,
    store: &Store,
    currency: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Option<PaidPurchase>>, SeedError> {
    let mut written = vec![];
    for person in &store.people {
        for purchase in &person.purchases {
            let product = store.product(&purchase.product)?;
            let course_ids = store.course_ids(product)?;
            let bought_at = ago(now, purchase.days_ago);
            let paid = paid_purchase(person, product, currency, bought_at);
            let checkout_id = match &paid {
                Some(paid) => Some(write_checkout(conn, person, product, &course_ids, paid)?),
                None => None,
            };
            let purchase_id: Uuid = diesel::insert_into(purchases::table)
                .values((
                    purchases::user_id.eq(person.id),
                    purchases::product_id.eq(product.id),
                    purchases::product_details.eq(product_details(product)),
                    purchases::subtotal_in_cents.eq(product.price_in_cents),
                    purchases::discount_in_cents.eq(0),
                    purchases::price_paid_in_cents.eq(product.price_in_cents),
                    purchases::currency.eq(currency),
                    purchases::checkout_id.eq(checkout_id),
                    purchases::stripe_session_id.eq(paid.as_ref().map(|p| &p.stripe_session_id)),
                    purchases::stripe_payment_intent_id
                        .eq(paid.as_ref().map(|p| &p.stripe_payment_intent_id)),
                    purchases::created_at.eq(bought_at),
                ))
                .returning(purchases::id)
                .get_result(conn)?;
            let grant = |course_id: Uuid| {
                (
                    access_grants::user_id.eq(person.id),
                    access_grants::course_id.eq(course_id),
                    access_grants::source.eq(AccessSource::Purchase),
                    access_grants::purchase_id.eq(purchase_id),
                    access_grants::created_at.eq(bought_at),
                )
            };
            diesel::insert_into(access_grants::table)
                .values(course_ids.into_iter().map(grant).collect::<Vec<_>>())
                .execute(conn)?;
            written.push(paid);
        }
    }
    Ok(written)
}

/// `None` when there was nothing to pay.
fn paid_purchase(
    person: &Person,
    product: &Product,
    currency: &str,
    paid_at: DateTime<Utc>,
) -> Option<PaidPurchase> {
    let label = format!("{}_{}", person.name, product.key).replace('-', "_");
    (product.price_in_cents > 0).then(|| PaidPurchase {
        stripe_session_id: format!("cs_test_demo_{label}"),
        stripe_payment_intent_id: format!("pi_demo_{label}"),
        product_name: product.name.clone(),
        amount_in_cents: product.price_in_cents,
        currency: currency.to_owned(),
        paid_at,
    })
}

fn write_checkout(
    conn: &mut PgConnection,
    person: &Person,
    product: &Product,
    course_ids: &[Uuid],
    paid: &PaidPurchase,
) -> QueryResult<Uuid> {
    diesel::insert_into(checkouts::table)
        .values((
            checkouts::user_id.eq(person.id),
            checkouts::product_id.eq(product.id),
            checkouts::status.eq(CheckoutStatus::Fulfilled),
            checkouts::ui_mode.eq(CheckoutUiMode::Hosted),
            checkouts::return_url.eq("https://store.example.com/checkout/return"),
            checkouts::product_details.eq(product_details(product)),
            checkouts::course_ids.eq(course_ids),
            checkouts::subtotal_in_cents.eq(paid.amount_in_cents),
            checkouts::percent_off.eq(0),
            checkouts::discount_in_cents.eq(0),
            checkouts::total_in_cents.eq(paid.amount_in_cents),
            checkouts::currency.eq(&paid.currency),
            checkouts::customer_email.eq(&person.email),
            checkouts::expires_at.eq(paid.paid_at + TimeDelta::minutes(30)),
            checkouts::stripe_session_id.eq(&paid.stripe_session_id),
            checkouts::created_at.eq(paid.paid_at - TimeDelta::minutes(2)),
        ))
        .returning(checkouts::id)
        .get_result(conn)
}

/// The product as it was sold.
fn product_details(product: &Product) -> Value {
    json!({ "name": product.name, "description": product.description, "imageUrl": product.image_url })
}

/// Ticks lessons off, a quarter of an hour apart, and returns how many.
pub(super) fn write_progress(
    conn: &mut PgConnection,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<usize, SeedError> {
    let mut ticks = vec![];
    for person in &store.people {
        for progress in &person.progress {
            let evening = ago(now, progress.days_ago);
            let lessons = store.course(&progress.course)?.counted_lessons();
            ticks.extend(
                (0..)
                    .zip(lessons.take(progress.lessons))
                    .map(|(order, lesson)| {
                        (
                            user_lesson_complete::user_id.eq(person.id),
                            user_lesson_complete::lesson_id.eq(lesson.id),
                            user_lesson_complete::created_at
                                .eq(evening + TimeDelta::minutes(15 * order)),
                        )
                    }),
            );
        }
    }
    Ok(diesel::insert_into(user_lesson_complete::table)
        .values(ticks)
        .execute(conn)?)
}
