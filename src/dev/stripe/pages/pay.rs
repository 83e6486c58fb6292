//! The page where a person pays a session, waits for a bank, is declined, or lets it expire.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        ApiError, LocalStripe, Outcome,
        books::{Books, Kind},
        listing,
        objects::{number, text},
        payments, sessions,
    },
    done,
    html::{button, escape, money, page},
    refuse,
};

/// GET /pay/{session}
pub(super) async fn show(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let body = stripe.books(|books| body(books, &id));
    match body {
        Ok(body) => page(StatusCode::OK, "Pay", &body),
        Err(error) => refuse(&request, error),
    }
}

fn body(books: &Books, id: &str) -> Result<String, ApiError> {
    let session = books.find(Kind::Session, id)?;
    Ok(format!(
        "<div class=\"card narrow wide\">{}{}{}{}{}<p class=\"note\"><code>{}</code></p></div>",
        goods(books, id),
        price(session),
        failure(books, session),
        actions(books, session),
        way_back(books, session),
        escape(id)
    ))
}

fn price(session: &Value) -> String {
    let currency = text(session, "currency");
    let total = money(number(session, "amount_total"), currency);
    let was = match session
        .pointer("/total_details/amount_discount")
        .and_then(Value::as_i64)
    {
        None | Some(0) => String::new(),
        Some(discount) => format!(
            "<p class=\"note\">{} less a discount of {}</p>",
            money(number(session, "amount_subtotal"), currency),
            money(discount, currency)
        ),
    };
    format!("<p class=\"price\">{total}</p>{was}")
}

/// What can be done about the session now, or what became of it.
fn actions(books: &Books, session: &Value) -> String {
    let url = sessions::pay_url(books, text(session, "id"));
    let settle_url = format!("{url}/settle");
    let pay = |outcome, class, label| button(&url, &[("outcome", outcome)], class, label);
    let settle = |outcome, label| button(&settle_url, &[("outcome", outcome)], "", label);
    let expire = || button(&format!("{url}/expire"), &[], "", "Let the session expire");
    let free = number(session, "amount_total") == 0;
    match (text(session, "status"), text(session, "payment_status")) {
        ("open", _) if free => pay("paid", "main", "Complete the order") + &expire(),
        ("open", _) => [
            pay("paid", "main", "Pay by card"),
            pay("delayed", "", "Pay by bank debit, which takes days"),
            pay("declined", "", "Pay with a card that is declined"),
            expire(),
        ]
        .concat(),
        ("complete", "unpaid") if payments::is_on_its_way(books, session) => [
            "<p>The bank debit is on its way.</p>".to_owned(),
            settle("succeeded", "The debit arrives"),
            settle("failed", "The debit fails"),
        ]
        .concat(),
        ("complete", "unpaid") => "<p>Nothing was paid.</p>".to_owned(),
        ("complete", "no_payment_required") => "<p>Complete; nothing was due.</p>".to_owned(),
        ("complete", _) => "<p>Paid.</p>".to_owned(),
        _ => "<p>This session has expired and can no longer be paid.</p>".to_owned(),
    }
}

fn way_back(books: &Books, session: &Value) -> String {
    let url = match text(session, "status") {
        "complete" => next_page(books, session),
        _ => text(session, "cancel_url").to_owned(),
    };
    if url.is_empty() {
        return url;
    }
    format!("<p><a href=\"{}\">Back to the store</a></p>", escape(&url))
}

/// What is sold, in the words that the store sent.
fn goods(books: &Books, session_id: &str) -> String {
    let items = listing::line_item_list(books, session_id);
    let items = items
        .get("data")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    items.iter().map(|item| one_item(books, item)).collect()
}

fn one_item(books: &Books, item: &Value) -> String {
    let product = books.find(
        Kind::Product,
        item.pointer("/price/product")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    let product = product.unwrap_or(&Value::Null);
    let times = match number(item, "quantity") {
        1 => String::new(),
        quantity => format!(" × {quantity}"),
    };
    let description = match text(product, "description") {
        "" => String::new(),
        description => format!("<p>{}</p>", escape(description)),
    };
    let name = escape(text(item, "description"));
    format!("<h2>{name}{times}</h2>{description}")
}

/// Why the last try to pay failed, if it did.
fn failure(books: &Books, session: &Value) -> String {
    let intent = books.find(Kind::PaymentIntent, text(session, "payment_intent"));
    match intent.map(|intent| {
        intent
            .pointer("/last_payment_error/message")
            .and_then(Value::as_str)
    }) {
        Ok(Some(message)) => format!("<p class=\"bad\">{}</p>", escape(message)),
        _ => String::new(),
    }
}

#[derive(Deserialize)]
pub(super) struct Payment {
    outcome: Outcome,
    country: Option<String>,
}

/// POST /pay/{session} with `outcome=paid|delayed|declined` and, if wanted, `country=DE`.
pub(super) async fn pay(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    id: Path<String>,
    form: Form<Payment>,
) -> HttpResponse {
    let country = form.country.as_deref().unwrap_or("US");
    let result = stripe.change(|books| {
        let session = payments::pay(books, &id, form.outcome, country)?;
        let next = next_page(books, &session);
        Ok((session, next))
    });
    match result {
        Ok((session, next)) => done(&request, Ok(session), &next),
        Err(error) => refuse(&request, error),
    }
}

/// Where Stripe sends the buyer: to the store when the session is complete, otherwise back to the page.
fn next_page(books: &Books, session: &Value) -> String {
    let id = text(session, "id");
    let url = [text(session, "success_url"), text(session, "return_url")]
        .into_iter()
        .find(|url| !url.is_empty());
    match url {
        Some(url) if text(session, "status") == "complete" => {
            url.replace("{CHECKOUT_SESSION_ID}", id)
        }
        _ => sessions::pay_url(books, id),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Arrival {
    Succeeded,
    Failed,
}

#[derive(Deserialize)]
pub(super) struct Settlement {
    outcome: Arrival,
}

/// POST /pay/{session}/settle with `outcome=succeeded|failed`
pub(super) async fn settle(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    id: Path<String>,
    form: Form<Settlement>,
) -> HttpResponse {
    let succeeded = matches!(form.outcome, Arrival::Succeeded);
    let back = stripe.books(|books| sessions::pay_url(books, &id));
    done(&request, stripe.settle(&id, succeeded), &back)
}

/// POST /pay/{session}/expire
pub(super) async fn expire(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let back = stripe.books(|books| sessions::pay_url(books, &id));
    done(&request, stripe.expire(&id), &back)
}

/// GET /receipts/{charge}
pub(super) async fn receipt(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    id: Path<String>,
) -> HttpResponse {
    let charge = stripe.books(|books| books.find(Kind::Charge, &id).cloned());
    let charge = match charge {
        Ok(charge) => charge,
        Err(error) => return refuse(&request, error),
    };
    let amount = |name| money(number(&charge, name), text(&charge, "currency"));
    let body = format!(
        "<div class=\"card narrow\"><p class=\"price\">{}</p><p>Refunded: {}</p><p class=\"note\"><code>{}</code></p></div>",
        amount("amount"),
        amount("amount_refunded"),
        escape(&id)
    );
    page(StatusCode::OK, "Receipt", &body)
}
