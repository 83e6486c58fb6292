//! The dashboard: what the local Stripe holds, and what a seller or a bank can do about it.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        ApiError, LocalStripe, Verdict, Weather,
        books::{Books, Kind},
        listing,
        objects::{number, text},
        sessions,
    },
    done,
    html::{button, escape, money, page},
};

/// How many of the newest of each kind are shown.
const SHOWN: usize = 50;

/// GET /
pub(super) async fn show(stripe: Data<LocalStripe>) -> HttpResponse {
    let weather = stripe.lock().weather;
    let tables = stripe.books(|books| {
        [
            table(
                books,
                Kind::Session,
                ("Checkout sessions", ["What", "Amount", "Status"]),
                session,
            ),
            table(
                books,
                Kind::Charge,
                ("Payments", ["Amount", "Status", "What can happen"]),
                charge,
            ),
            table(
                books,
                Kind::Refund,
                ("Refunds", ["Amount", "Status", "What can happen"]),
                refund,
            ),
            table(
                books,
                Kind::Dispute,
                ("Disputes", ["Amount", "Status", "What can happen"]),
                dispute,
            ),
            network(books, weather),
            table(
                books,
                Kind::Event,
                ("Events", ["Type", "Answers", ""]),
                event,
            ),
        ]
        .concat()
    });
    page(StatusCode::OK, "Dashboard", &tables)
}

/// Newest first; `row` makes the cells after the id, which `columns` name.
fn table<const N: usize>(
    books: &Books,
    kind: Kind,
    (title, columns): (&str, [&str; N]),
    row: fn(&Books, &Value) -> [String; N],
) -> String {
    let rows: String = books
        .all(kind)
        .iter()
        .rev()
        .take(SHOWN)
        .map(|object| {
            let cells: String = row(books, object)
                .iter()
                .map(|cell| format!("<td>{cell}</td>"))
                .collect();
            format!(
                "<tr><td><code>{}</code></td>{cells}</tr>",
                escape(text(object, "id"))
            )
        })
        .collect();
    if rows.is_empty() {
        return format!(
            "<div class=\"card\"><h2>{title}</h2><p class=\"note\">None yet.</p></div>"
        );
    }
    let heads = columns.map(|column| format!("<th>{column}</th>")).concat();
    format!(
        "<div class=\"card\"><h2>{title}</h2><table><tr><th>Id</th>{heads}</tr>{rows}</table></div>"
    )
}

fn act_url(books: &Books, what: &str, object: &Value, action: &str) -> String {
    format!(
        "{}/dashboard/{what}/{}/{action}",
        books.base_url,
        text(object, "id")
    )
}

fn amount(object: &Value, name: &str) -> String {
    money(number(object, name), text(object, "currency"))
}

fn session(books: &Books, session: &Value) -> [String; 3] {
    let id = text(session, "id");
    let link = sessions::pay_url(books, id);
    let items = listing::line_item_list(books, id);
    let name = items
        .pointer("/data/0/description")
        .and_then(Value::as_str)
        .unwrap_or("Pay");
    [
        format!("<a href=\"{}\">{}</a>", escape(&link), escape(name)),
        amount(session, "amount_total"),
        format!(
            "{}, {}",
            text(session, "status"),
            text(session, "payment_status")
        ),
    ]
}

fn charge(books: &Books, charge: &Value) -> [String; 3] {
    let action =
        |action: &str, label| button(&act_url(books, "charges", charge, action), &[], "", label);
    let actions = if text(charge, "status") == "succeeded" {
        let part = format!(
            "<form method=\"post\" action=\"{}\"><input name=\"amount\" type=\"number\" min=\"1\" \
             placeholder=\"all\" aria-label=\"amount in the smallest unit\"> <button>Refund</button></form> ",
            escape(&act_url(books, "charges", charge, "refund"))
        );
        [
            part,
            action("dispute", "Dispute"),
            action("inquiry", "Inquiry"),
            action("fraud", "Fraud warning"),
        ]
        .concat()
    } else {
        String::new()
    };
    [
        amount(charge, "amount"),
        format!(
            "{}, {} refunded",
            text(charge, "status"),
            amount(charge, "amount_refunded")
        ),
        actions,
    ]
}

fn refund(books: &Books, refund: &Value) -> [String; 3] {
    let action =
        |action: &str, label| button(&act_url(books, "refunds", refund, action), &[], "", label);
    let actions = match text(refund, "status") {
        "pending" => [
            action("settle", "Succeeds"),
            action("fail", "Fails"),
            action("cancel", "Cancel"),
        ]
        .concat(),
        "succeeded" => action("fail", "Fails after all"),
        _ => String::new(),
    };
    [
        amount(refund, "amount"),
        text(refund, "status").to_owned(),
        actions,
    ]
}

fn dispute(books: &Books, dispute: &Value) -> [String; 3] {
    let action =
        |action: &str, label| button(&act_url(books, "disputes", dispute, action), &[], "", label);
    let status = text(dispute, "status");
    let actions = match status {
        "won" | "lost" | "warning_closed" => String::new(),
        _ if status.starts_with("warning_") => action("close", "Close"),
        _ => [
            action("evidence", "Hand in evidence"),
            action("win", "Win"),
            action("lose", "Lose"),
        ]
        .concat(),
    };
    [amount(dispute, "amount"), status.to_owned(), actions]
}

fn event(books: &Books, event: &Value) -> [String; 3] {
    let id = text(event, "id");
    let answers: Vec<_> = books
        .data
        .attempts
        .get(id)
        .into_iter()
        .flatten()
        .map(|attempt| {
            attempt
                .status
                .map_or_else(|| "no answer".to_owned(), |status| status.to_string())
        })
        .collect();
    let waits = books.data.pending.iter().any(|pending| pending.event == id);
    let state = if waits { "waiting" } else { "" };
    [
        text(event, "type").to_owned(),
        format!("{} {state}", answers.join(", ")),
        button(
            &act_url(books, "events", event, "resend"),
            &[],
            "",
            "Resend",
        ),
    ]
}

fn network(books: &Books, weather: Weather) -> String {
    let check = |name, on, label| {
        let checked = if on { " checked" } else { "" };
        format!(
            "<label><input type=\"checkbox\" name=\"{name}\" value=\"true\"{checked}> {label}</label> "
        )
    };
    let boxes = [
        check("duplicate", weather.duplicate, "twice"),
        check("reorder", weather.reorder, "newest first"),
        check("lose", weather.lose, "never"),
    ];
    format!(
        "<div class=\"card\"><h2>How events arrive</h2><form method=\"post\" action=\"{}\">{} after \
         <input type=\"number\" name=\"delay\" min=\"0\" value=\"{}\" aria-label=\"delay in seconds\"> seconds \
         <button>Set</button></form></div>",
        escape(&format!("{}/dashboard/network/events/set", books.base_url)),
        boxes.concat(),
        weather.delay.as_secs()
    )
}

/// The fields of all forms of the dashboard.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    amount: String,
    duplicate: bool,
    reorder: bool,
    lose: bool,
    delay: u64,
}

/// POST /dashboard/{what}/{id}/{action}
pub(super) async fn act(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    fields: Form<Fields>,
) -> HttpResponse {
    let (what, id, action) = path.into_inner();
    let home = stripe.books(|books| format!("{}/", books.base_url));
    done(
        &request,
        apply(&stripe, (&what, &id, &action), &fields),
        &home,
    )
}

fn apply(
    stripe: &LocalStripe,
    (what, id, action): (&str, &str, &str),
    fields: &Fields,
) -> Result<Value, ApiError> {
    match (what, action) {
        ("charges", "refund") => {
            let amount = match fields.amount.as_str() {
                "" => None,
                text => Some(
                    text.parse()
                        .map_err(|_| ApiError::invalid("The amount is not a whole number."))?,
                ),
            };
            stripe.refund_from_dashboard(id, amount)
        }
        ("charges", "dispute") => stripe.open_dispute(id),
        ("charges", "inquiry") => stripe.open_inquiry(id),
        ("charges", "fraud") => stripe.warn_of_fraud(id),
        ("refunds", "settle") => stripe.settle_refund(id),
        ("refunds", "fail") => stripe.fail_refund(id),
        ("refunds", "cancel") => stripe.cancel_refund(id),
        ("disputes", "evidence") => stripe.submit_evidence(id),
        ("disputes", "win") => stripe.close_dispute(id, Verdict::Won),
        ("disputes", "lose") => stripe.close_dispute(id, Verdict::Lost),
        ("disputes", "close") => stripe.close_dispute(id, Verdict::InquiryClosed),
        ("events", "resend") => stripe.resend(id),
        ("network", "set") => {
            let Fields {
                duplicate,
                reorder,
                lose,
                delay,
                ..
            } = *fields;
            stripe.set_weather(Weather {
                duplicate,
                reorder,
                lose,
                delay: Duration::from_secs(delay),
            });
            Ok(json!({ "duplicate": duplicate, "reorder": reorder, "lose": lose, "delay": delay }))
        }
        _ => Err(ApiError::unknown_path(
            "POST",
            &format!("/dashboard/{what}/{id}/{action}"),
        )),
    }
}
