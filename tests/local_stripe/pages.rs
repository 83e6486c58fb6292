//! The pages for people: paying, receipts, and the dashboard.

use futures_util::future::join_all;
use reqwest::{Method, header::ACCEPT};
use serde_json::json;

use crate::support::{NAME, Reply, Stand, client, id, send};

/// A page as a browser gets it, which loads nothing else and runs nothing.
async fn page(url: &str) -> Reply {
    let reply = send(client().get(url).header(ACCEPT, "text/html")).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(reply.text.starts_with("<!doctype html>"));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for loads in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!reply.text.contains(loads), "{loads} in {}", reply.text);
    }
    reply
}

async fn submit(url: &str, form: &[(&str, &str)]) -> Reply {
    send(client().post(url).header(ACCEPT, "text/html").form(form)).await
}

#[actix_web::test]
async fn the_pay_page_shows_the_price_and_three_ways_to_pay() {
    let stand = Stand::start();
    let session = stand.create(&[("cancel_url", "https://shop.example.com/cart?a=1&b=2")]);
    let page = page(session.await.ok()["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200);
    for part in [
        "Rust for Shopkeepers",
        "20.00 USD",
        "value=\"paid\"",
        "value=\"delayed\"",
        "value=\"declined\"",
        "href=\"https://shop.example.com/cart?a=1&amp;b=2\"",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
}

#[actix_web::test]
async fn what_the_store_sent_is_text_on_every_page() {
    let stand = Stand::start();
    let description = "line_items[0][price_data][product_data][description]";
    let evil = "\"><script>alert('1')</script>";
    let session = stand
        .create(&[(NAME, evil), (description, evil)])
        .await
        .ok();
    let page_text = page(session["url"].as_str().unwrap()).await.text;
    let safe = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;";
    assert_eq!(page_text.matches(safe).count(), 2, "{page_text}");
    let dashboard = page(&format!("{}/", stand.url)).await.text;
    assert_eq!(dashboard.matches(safe).count(), 1, "{dashboard}");
    let missing = page(&format!("{}/pay/%3Cscript%3E", stand.url)).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("&lt;script&gt;"), "{}", missing.text);
}

#[actix_web::test]
async fn a_buyer_who_pays_is_sent_back_to_the_store() {
    let stand = Stand::start();
    let return_url = "https://shop.example.com/back/{CHECKOUT_SESSION_ID}?s={CHECKOUT_SESSION_ID}";
    for ui_mode in ["hosted_page", "embedded_page", "elements"] {
        let changes: &[_] = if ui_mode == "hosted_page" {
            &[("success_url", return_url)]
        } else {
            &[
                ("ui_mode", ui_mode),
                ("success_url", ""),
                ("return_url", return_url),
            ]
        };
        let session = id(&stand.create(changes).await.ok());
        let url = format!("{}/pay/{session}", stand.url);
        let reply = submit(&url, &[("outcome", "paid")]).await;
        assert_eq!(reply.status, 303);
        let back = format!("https://shop.example.com/back/{session}?s={session}");
        assert_eq!(reply.header("location"), Some(back.as_str()));
        assert!(page(&url).await.text.contains("<p>Paid.</p>"));
        let again = submit(&url, &[("outcome", "paid")]).await;
        assert_eq!(again.status, 400);
        assert!(again.text.contains("cannot be paid"), "{}", again.text);
    }
}

#[actix_web::test]
async fn a_script_gets_json_in_place_of_pages() {
    let stand = Stand::start();
    let session = stand.open().await;
    let json = |path: String| {
        stand
            .request(Method::POST, &path)
            .header(ACCEPT, "application/json")
    };
    let pay = json(format!("/pay/{session}"));
    let paid = send(pay.form(&[("outcome", "paid"), ("country", "FR")]))
        .await
        .ok();
    assert_eq!(paid["payment_status"], "paid");
    let charge = stand
        .stripe
        .object(&stand.stripe.charge_of(&session).unwrap())
        .unwrap();
    assert_eq!(charge["payment_method_details"]["card"]["country"], "FR");
    let again = send(json(format!("/pay/{session}")).form(&[("outcome", "paid")])).await;
    assert_eq!(again.refused(400)["type"], "invalid_request_error");
    let missing = json("/pay/cs_test_none/expire".to_owned());
    assert_eq!(send(missing).await.refused(404)["code"], "resource_missing");
}

#[actix_web::test]
async fn a_declined_buyer_stays_on_the_page_and_reads_why() {
    let stand = Stand::start();
    let url = format!("{}/pay/{}", stand.url, stand.open().await);
    let reply = submit(&url, &[("outcome", "declined")]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, Some(url.as_str()))
    );
    let text = page(&url).await.text;
    assert!(
        text.contains("Your card was declined.") && text.contains("value=\"paid\""),
        "{text}"
    );
}

#[actix_web::test]
async fn a_bank_debit_is_settled_on_the_same_page() {
    let stand = Stand::start();
    for (outcome, payment_status, said) in [
        ("succeeded", "paid", "<p>Paid.</p>"),
        ("failed", "unpaid", "The bank refused the debit."),
    ] {
        let session = stand.open().await;
        let url = format!("{}/pay/{session}", stand.url);
        let reply = submit(&url, &[("outcome", "delayed")]).await;
        let back = format!("https://shop.example.com/return?id={session}");
        assert_eq!(reply.header("location"), Some(back.as_str()));
        assert!(page(&url).await.text.contains("on its way"));
        let settle = format!("{url}/settle");
        let reply = submit(&settle, &[("outcome", outcome)]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (303, Some(url.as_str()))
        );
        let session = stand.stripe.object(&session).unwrap();
        assert_eq!(session["payment_status"], payment_status);
        let text = page(&url).await.text;
        assert!(
            !text.contains("on its way") && text.contains(said),
            "{text}"
        );
        assert_eq!(submit(&settle, &[("outcome", outcome)]).await.status, 400);
    }
}

#[actix_web::test]
async fn a_buyer_can_let_the_session_expire() {
    let stand = Stand::start();
    let session = stand.open().await;
    let url = format!("{}/pay/{session}", stand.url);
    assert_eq!(submit(&format!("{url}/expire"), &[]).await.status, 303);
    assert_eq!(stand.stripe.object(&session).unwrap()["status"], "expired");
    assert!(page(&url).await.text.contains("expired"));
}

#[actix_web::test]
async fn a_receipt_says_what_was_paid_and_refunded() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    stand
        .stripe
        .refund_from_dashboard(&charge, Some(505))
        .unwrap();
    let charge = stand.stripe.object(&charge).unwrap();
    let text = page(charge["receipt_url"].as_str().unwrap()).await.text;
    assert!(
        text.contains("20.00 USD") && text.contains("5.05 USD"),
        "{text}"
    );
}

#[actix_web::test]
async fn the_dashboard_shows_everything_and_its_buttons_work() {
    let stand = Stand::start();
    assert!(page(&stand.url).await.text.contains("None yet."));
    let (session, charge) = stand.paid().await;
    let home = format!("{}/", stand.url);
    let act = async |path: &str, form: &[(&str, &str)]| {
        let reply = submit(&format!("{}/dashboard/{path}", stand.url), form).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (303, Some(home.as_str()))
        );
    };
    act(&format!("charges/{charge}/refund"), &[("amount", "500")]).await;
    act(&format!("charges/{charge}/refund"), &[("amount", "")]).await;
    let refund = id(&stand.object("/v1/refunds").await["data"][0]);
    act(&format!("refunds/{refund}/fail"), &[]).await;
    act(&format!("charges/{charge}/dispute"), &[]).await;
    let dispute = id(&stand.object("/v1/disputes").await["data"][0]);
    act(&format!("disputes/{dispute}/evidence"), &[]).await;
    act(&format!("disputes/{dispute}/win"), &[]).await;
    act(
        "network/events/set",
        &[("duplicate", "true"), ("delay", "3")],
    )
    .await;

    let text = page(&home).await.text;
    for part in [&session, &charge, &refund, &dispute] {
        assert!(text.contains(part.as_str()), "{part} in {text}");
    }
    for part in [
        "5.00 USD refunded",
        "failed",
        "won",
        "checkout.session.completed",
        "value=\"3\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let charge = stand.object(&format!("/v1/charges/{charge}")).await;
    assert_eq!(charge["amount_refunded"], json!(500));
    let unknown = submit(&format!("{}/dashboard/charges/x/eat", stand.url), &[]).await;
    assert_eq!(unknown.status, 404);
}

#[actix_web::test]
async fn of_many_who_pay_one_session_at_once_one_does() {
    let stand = Stand::start();
    let url = format!("{}/pay/{}", stand.url, stand.open().await);
    let replies = join_all((0..20).map(|_| submit(&url, &[("outcome", "paid")]))).await;
    let statuses = replies.iter().map(|reply| reply.status.as_u16());
    assert_eq!(statuses.clone().filter(|status| *status == 303).count(), 1);
    assert_eq!(statuses.filter(|status| *status == 400).count(), 19);
    assert_eq!(stand.event_types(0).len(), 3);
}

#[actix_web::test]
async fn a_session_that_costs_nothing_is_completed_with_one_button() {
    let stand = Stand::start();
    let free = ("line_items[0][price_data][unit_amount]", "0");
    let session = stand.create(&[free]).await.ok();
    let url = session["url"].as_str().unwrap();
    let text = page(url).await.text;
    assert!(
        text.contains("Complete the order") && !text.contains("declined"),
        "{text}"
    );
    assert_eq!(submit(url, &[("outcome", "paid")]).await.status, 303);
    assert!(page(url).await.text.contains("nothing was due"));
}
