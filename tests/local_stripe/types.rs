//! Stripe's own types, as `async-stripe` has them, read everything that is served; its requests are understood.

use std::fmt;

use bytes::Bytes;
use lectern::dev::stripe::{Delivery, Outcome, Verdict};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionDiscounts, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, ExpireCheckoutSession, ListCheckoutSession,
    ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::{
    CustomizedStripeRequest, StripeClient, StripeClientErr, StripeMethod, StripeRequest,
};
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_product::coupon::{CreateCoupon, DeleteCoupon, RetrieveCoupon};
use stripe_shared::event::EventType;
use stripe_shared::{
    Charge, CheckoutSession, CheckoutSessionMode, CheckoutSessionPaymentStatus,
    CheckoutSessionStatus, CheckoutSessionUiMode, Dispute, DisputeStatus, Event,
    PaymentIntentStatus, Refund,
};
use stripe_types::{Currency, Expandable, List};
use stripe_webhook::EventObject;

use crate::support::{RETURN_URL, Receiver, Stand};

/// An answer that Stripe's type does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl StripeClientErr for Unreadable {
    fn deserialize_err(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl StripeClient for Stand {
    type Err = Unreadable;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, Unreadable> {
        let (request, _) = request.into_pieces();
        let query = request.query.map(|query| format!("?{query}"));
        let path = format!("/v1{}{}", request.path, query.unwrap_or_default());
        let method = match request.method {
            StripeMethod::Get => reqwest::Method::GET,
            StripeMethod::Post => reqwest::Method::POST,
            StripeMethod::Delete => reqwest::Method::DELETE,
        };
        let sent = self
            .request(method, &path)
            .body(request.body.unwrap_or_default())
            .send();
        let response = sent.await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

async fn call<R: StripeRequest>(stand: &Stand, request: R) -> R::Output
where
    R::Output: miniserde::Deserialize,
{
    request
        .customize()
        .send(stand)
        .await
        .unwrap_or_else(|error| panic!("the answer cannot be read: {error}"))
}

/// What is served under a path, as the type reads it.
async fn read<T: miniserde::Deserialize>(stand: &Stand, path: &str) -> T {
    let text = stand.get(path).await.text;
    miniserde::json::from_str(&text).unwrap_or_else(|_| panic!("{path} cannot be read: {text}"))
}

fn new_session(ui_mode: CheckoutSessionUiMode) -> CreateCheckoutSession {
    let mut product = ProductData::new("Rust for Shopkeepers");
    product.description = Some("All of it".to_owned());
    product.images = Some(vec!["https://shop.example.com/cover.png".to_owned()]);
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(Currency::USD);
    price.unit_amount = Some(2000);
    price.product_data = Some(product);
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(1);
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .ui_mode(ui_mode.clone())
        .line_items([item]);
    match ui_mode {
        CheckoutSessionUiMode::HostedPage => request.success_url(RETURN_URL),
        _ => request.return_url(RETURN_URL),
    }
}

#[actix_web::test]
async fn a_session_can_be_read_in_every_mode_and_state() {
    let stand = Stand::start();
    let coupon = CreateCoupon::new().id("spring").percent_off(10.0);
    let coupon = call(&stand, coupon).await;
    assert_eq!(coupon.percent_off, Some(10.0));
    for ui_mode in [
        CheckoutSessionUiMode::HostedPage,
        CheckoutSessionUiMode::EmbeddedPage,
        CheckoutSessionUiMode::Elements,
    ] {
        let hosted = ui_mode == CheckoutSessionUiMode::HostedPage;
        let mut discount = CreateCheckoutSessionDiscounts::new();
        discount.coupon = Some("spring".to_owned());
        let request = new_session(ui_mode.clone()).discounts([discount]);
        let open = call(&stand, request).await;
        assert_eq!(open.status, Some(CheckoutSessionStatus::Open));
        assert_eq!(open.ui_mode, Some(ui_mode.clone()));
        assert_eq!(open.amount_total, Some(1800));
        assert_eq!(
            (open.url.is_some(), open.client_secret.is_some()),
            (hosted, !hosted)
        );

        stand.stripe.pay(open.id.as_str(), Outcome::Paid).unwrap();
        let expand = [
            "payment_intent.latest_charge",
            "line_items",
            "discounts.coupon",
        ];
        let complete = RetrieveCheckoutSession::new(open.id).expand(expand.map(str::to_owned));
        let complete = call(&stand, complete).await;
        assert_eq!(complete.status, Some(CheckoutSessionStatus::Complete));
        assert_eq!(complete.payment_status, CheckoutSessionPaymentStatus::Paid);
        assert!(matches!(
            complete.payment_intent,
            Some(Expandable::Object(_))
        ));
        assert_eq!(complete.line_items.unwrap().data.len(), 1);

        let other = call(&stand, new_session(ui_mode)).await;
        let expired = call(&stand, ExpireCheckoutSession::new(other.id)).await;
        assert_eq!(expired.status, Some(CheckoutSessionStatus::Expired));
    }
    assert_eq!(call(&stand, ListCheckoutSession::new()).await.data.len(), 6);
}

#[actix_web::test]
async fn a_payment_intent_and_its_charge_can_be_read_whatever_became_of_them() {
    let stand = Stand::start();
    let outcomes = [
        (Outcome::Paid, PaymentIntentStatus::Succeeded),
        (Outcome::Delayed, PaymentIntentStatus::Processing),
        (
            Outcome::Declined,
            PaymentIntentStatus::RequiresPaymentMethod,
        ),
    ];
    for (outcome, status) in outcomes {
        let session = stand.open().await;
        let session = stand.stripe.pay(&session, outcome).unwrap();
        let id = session["payment_intent"].as_str().unwrap();
        let plain = call(&stand, RetrievePaymentIntent::new(id)).await;
        assert!(matches!(plain.latest_charge, Some(Expandable::Id(_))));
        let request = RetrievePaymentIntent::new(id).expand(["latest_charge".to_owned()]);
        let intent = call(&stand, request).await;
        assert_eq!(intent.status, status);
        let charge = intent
            .latest_charge
            .and_then(Expandable::into_object)
            .unwrap();
        assert_eq!(charge.amount, 2000);
        let again: Charge = read(&stand, &format!("/v1/charges/{}", charge.id)).await;
        assert_eq!(again.id, charge.id);
    }
    let list: List<Charge> = read(&stand, "/v1/charges").await;
    assert_eq!(list.data.len(), 3);
}

#[actix_web::test]
async fn refunds_and_disputes_can_be_read_in_every_state() {
    let stand = Stand::start();
    stand.stripe.hold_refunds(true);
    let (_, charge) = stand.paid().await;
    let refund = |amount| {
        let refund = stand
            .stripe
            .refund_from_dashboard(&charge, Some(amount))
            .unwrap();
        refund["id"].as_str().unwrap().to_owned()
    };
    let (succeeded, failed, canceled, _pending) = (refund(1), refund(2), refund(3), refund(4));
    stand.stripe.settle_refund(&succeeded).unwrap();
    stand.stripe.fail_refund(&failed).unwrap();
    stand.stripe.cancel_refund(&canceled).unwrap();
    let list: List<Refund> = read(&stand, "/v1/refunds").await;
    let statuses: Vec<_> = list
        .data
        .into_iter()
        .map(|refund| refund.status.unwrap())
        .collect();
    assert_eq!(statuses, ["pending", "canceled", "failed", "succeeded"]);
    let one: Refund = read(&stand, &format!("/v1/refunds/{failed}?expand[]=charge")).await;
    assert!(matches!(one.charge, Some(Expandable::Object(_))));
    let whole: Charge = read(&stand, &format!("/v1/charges/{charge}?expand[]=refunds")).await;
    assert_eq!(
        (whole.amount_refunded, whole.refunds.unwrap().data.len()),
        (5, 4)
    );

    let dispute = stand.stripe.open_dispute(&charge).unwrap();
    let path = format!("/v1/disputes/{}", dispute["id"].as_str().unwrap());
    let read_dispute = async || read::<Dispute>(&stand, &path).await.status;
    assert_eq!(read_dispute().await, DisputeStatus::NeedsResponse);
    let id = dispute["id"].as_str().unwrap();
    stand.stripe.submit_evidence(id).unwrap();
    assert_eq!(read_dispute().await, DisputeStatus::UnderReview);
    stand.stripe.close_dispute(id, Verdict::Lost).unwrap();
    assert_eq!(read_dispute().await, DisputeStatus::Lost);
    stand.stripe.open_inquiry(&charge).unwrap();
    let list: List<Dispute> = read(&stand, "/v1/disputes").await;
    assert_eq!(list.data[0].status, DisputeStatus::WarningNeedsResponse);
}

#[actix_web::test]
async fn coupons_can_be_made_read_and_deleted() {
    let stand = Stand::start();
    let request = CreateCoupon::new().amount_off(500).currency(Currency::EUR);
    let made = call(&stand, request).await;
    let read = call(&stand, RetrieveCoupon::new(made.id.clone())).await;
    assert_eq!(
        (read.amount_off, read.currency),
        (Some(500), Some(Currency::EUR))
    );
    assert!(read.valid);
    let deleted = call(&stand, DeleteCoupon::new(made.id.clone())).await;
    assert_eq!(deleted.id, made.id);
    stand
        .get(&format!("/v1/coupons/{}", made.id))
        .await
        .refused(404);
}

#[actix_web::test]
async fn every_event_can_be_read_from_the_list_and_from_the_wire() {
    let mut receiver = Receiver::start();
    let stand = Stand::start_with(|options| {
        options.delivery = Delivery::Held;
        options.webhook_url = Some(receiver.url.clone());
    });
    let (declined, delayed) = (stand.open().await, stand.open().await);
    stand.stripe.pay(&declined, Outcome::Declined).unwrap();
    stand.stripe.expire(&declined).unwrap();
    stand.stripe.pay(&delayed, Outcome::Delayed).unwrap();
    stand.stripe.settle(&delayed, false).unwrap();
    let (_, charge) = stand.paid().await;
    let refund = stand.stripe.refund_from_dashboard(&charge, None).unwrap();
    stand
        .stripe
        .fail_refund(refund["id"].as_str().unwrap())
        .unwrap();
    let dispute = stand.stripe.open_dispute(&charge).unwrap();
    let dispute = dispute["id"].as_str().unwrap();
    stand.stripe.submit_evidence(dispute).unwrap();
    stand.stripe.close_dispute(dispute, Verdict::Won).unwrap();
    stand.stripe.warn_of_fraud(&charge).unwrap();

    let count = stand.stripe.events().len();
    let list: List<Event> = read(&stand, "/v1/events?limit=100").await;
    assert_eq!(list.data.len(), count);
    stand.stripe.deliver_all().await;
    for sent in stand.stripe.events() {
        let event = receiver.next().await;
        assert_eq!(event.type_.as_str(), sent["type"]);
        // The warnings' type lives in a crate of its own, which the store has no use for.
        let known = !matches!(event.data.object, EventObject::Unknown(_));
        let warning = event.type_ == EventType::RadarEarlyFraudWarningCreated;
        assert!(known || warning, "{}", event.type_.as_str());
    }
    let _: CheckoutSession = read(&stand, &format!("/v1/checkout/sessions/{declined}")).await;
}
