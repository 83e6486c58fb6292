use std::{net::TcpListener, sync::mpsc};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, test, web};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use super::*;
use crate::webhooks::signature::{SignatureError, StandardHeaders, verify_standard};

const SECRET: &str = "whsec_bG9jYWwgdGVzdA==";

fn options() -> Options {
    Options {
        base_url: "http://clerk.test".to_owned(),
        webhook_secret: SECRET.parse().unwrap(),
        webhook_url: None,
        announce: false,
        key_file: None,
        people_file: None,
    }
}

/// Sends one request to the local Clerk's routes; returns the status and the JSON body.
async fn call(clerk: &LocalClerk, request: test::TestRequest) -> (StatusCode, Value) {
    let app = App::new()
        .configure(|cfg| clerk.configure(cfg))
        .configure(|cfg| clerk.configure_tokens(&mut ServiceConfig::new(cfg)));
    let app = test::init_service(app).await;
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status();
    let body = test::read_body(response).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn backend(clerk: &LocalClerk, request: test::TestRequest) -> (StatusCode, Value) {
    call(
        clerk,
        request.insert_header(("authorization", "Bearer sk_test_local")),
    )
    .await
}

async fn ask_token(clerk: &LocalClerk, body: &str) -> (StatusCode, Value) {
    let request = test::TestRequest::post()
        .uri("/dev/tokens")
        .set_payload(body.to_owned());
    call(clerk, request).await
}

#[actix_web::test]
async fn asking_for_a_token_makes_the_person_once_and_says_when_it_ends() {
    let clerk = LocalClerk::new(options()).unwrap();
    let (status, first) = ask_token(&clerk, r#"{"user":"learner-1"}"#).await;
    let (_, second) = ask_token(&clerk, r#"{"user":"learner-1"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(first["user"], "learner-1");
    assert_eq!(first["clerkUserId"], user_id("learner-1"));
    assert_eq!(first["clerkUserId"], second["clerkUserId"]);
    assert_eq!(clerk.people().len(), 1);
    let ends: chrono::DateTime<Utc> = first["expiresAt"].as_str().unwrap().parse().unwrap();
    assert!(ends > Utc::now() + TimeDelta::hours(11));
}

#[actix_web::test]
async fn a_token_request_that_makes_no_sense_is_answered_with_a_sentence() {
    let clerk = LocalClerk::new(options()).unwrap();
    for body in ["", "{", "[]", "{}", r#"{"user":7}"#, "\u{feff}"] {
        let (status, problem) = ask_token(&clerk, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            problem["detail"].as_str().unwrap().contains("learner-1"),
            "{problem}"
        );
    }
    for name in ["", "Learner", "a b", "é", "../etc", &"x".repeat(41)] {
        let (status, problem) = ask_token(&clerk, &json!({ "user": name }).to_string()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(
            problem["detail"].as_str().unwrap().contains("1 to 40"),
            "{problem}"
        );
    }
    assert!(clerk.people().is_empty());
}

#[actix_web::test]
async fn users_are_listed_in_pages_and_found_by_id() {
    let clerk = LocalClerk::new(options()).unwrap();
    for number in 1..=3 {
        clerk.add_person(&format!("learner-{number}")).unwrap();
    }
    let get = |uri: &str| test::TestRequest::get().uri(uri);
    let (_, everybody) = backend(&clerk, get("/v1/users")).await;
    let (_, page) = backend(&clerk, get("/v1/users?limit=1&offset=1")).await;
    assert_eq!(everybody.as_array().unwrap().len(), 3);
    assert_eq!(
        page.as_array().unwrap()[..],
        everybody.as_array().unwrap()[1..2]
    );

    let id = user_id("learner-2");
    let (status, user) = backend(&clerk, get(&format!("/v1/users/{id}"))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(user["id"], id);
    assert_eq!(user["first_name"], "Learner");
    assert_eq!(
        user["email_addresses"][0]["email_address"],
        "learner-2@example.com"
    );
    assert_eq!(
        user["primary_email_address_id"],
        user["email_addresses"][0]["id"]
    );

    let (status, error) = backend(&clerk, get("/v1/users/user_2nobody")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(error["errors"][0]["code"], "resource_not_found");
    let (status, _) = call(&clerk, get("/v1/users")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn metadata_is_merged_and_null_removes_a_field() {
    let clerk = LocalClerk::new(options()).unwrap();
    let (person, _) = clerk.add_person("learner-1").unwrap();
    let uri = format!("/v1/users/{}/metadata", person.clerk_user_id);
    let patch = |metadata: Value| {
        let body = json!({ "public_metadata": metadata });
        test::TestRequest::patch().uri(&uri).set_json(body)
    };
    backend(
        &clerk,
        patch(json!({ "dbId": "1", "role": "user", "deep": { "a": 1 } })),
    )
    .await;
    let (_, user) = backend(&clerk, patch(json!({ "role": null, "deep": { "b": 2 } }))).await;
    assert_eq!(
        user["public_metadata"],
        json!({ "dbId": "1", "deep": { "a": 1, "b": 2 } })
    );
    assert!(user["updated_at"].as_i64().unwrap() >= person.updated_at + 2);
}

#[actix_web::test]
async fn whoever_takes_the_name_of_a_deleted_person_is_somebody_new() {
    let clerk = LocalClerk::new(options()).unwrap();
    let (person, _) = clerk.add_person("learner-1").unwrap();
    let uri = format!("/v1/users/{}", person.clerk_user_id);
    let (status, answer) = backend(&clerk, test::TestRequest::delete().uri(&uri)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({ "id": person.clerk_user_id, "object": "user", "deleted": true })
    );
    let (status, _) = backend(&clerk, test::TestRequest::delete().uri(&uri)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (next, is_new) = clerk.add_person("learner-1").unwrap();
    assert!(is_new);
    assert_ne!(next.clerk_user_id, person.clerk_user_id);
}

#[actix_web::test]
async fn events_look_like_the_recorded_ones() {
    let clerk = LocalClerk::new(options()).unwrap();
    let (person, _) = clerk.add_person("learner-1").unwrap();
    let recorded = [
        (
            UserEvent::Created,
            include_str!("../../../tests/fixtures/clerk/user.created.json"),
        ),
        (
            UserEvent::Updated,
            include_str!("../../../tests/fixtures/clerk/user.updated.null-name.json"),
        ),
        (
            UserEvent::Deleted,
            include_str!("../../../tests/fixtures/clerk/user.deleted.json"),
        ),
    ];
    let fields = |object: &Value| {
        object
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    for (kind, text) in recorded {
        let recorded: Value = serde_json::from_str(text).unwrap();
        let event = clerk.user_event(kind, &person);
        assert_eq!(event["type"], recorded["type"]);
        assert_eq!(event["data"]["id"], person.clerk_user_id);
        assert_eq!(event["instance_id"], INSTANCE_ID);
        assert_eq!(fields(&event), fields(&recorded));
        assert_eq!(fields(&event["data"]), fields(&recorded["data"]));
    }
}

type Delivery = (Vec<(String, Vec<u8>)>, Vec<u8>);

/// A receiver of webhooks that hands on what it got.
fn start_receiver() -> (String, mpsc::Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel::<Delivery>();
    let app = move || {
        let sender = sender.clone();
        let receive = move |request: HttpRequest, body: web::Bytes| {
            let headers = request.headers().iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            sender.send((headers.collect(), body.to_vec())).unwrap();
            async { HttpResponse::Accepted().finish() }
        };
        App::new().route("/hook", web::post().to(receive))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap();
    actix_web::rt::spawn(server.run());
    (url, received)
}

fn verify((headers, body): &Delivery) -> Result<String, SignatureError> {
    let get = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_slice())
    };
    let secrets = [SECRET.parse().unwrap()];
    verify_standard(&secrets, StandardHeaders::find(get), body, Utc::now()).map(str::to_owned)
}

/// H: A1, A4
#[actix_web::test]
async fn a_delivered_event_carries_a_signature_that_the_store_accepts() {
    let clerk = LocalClerk::new(options()).unwrap();
    let (person, _) = clerk.add_person("learner-1").unwrap();
    let event = clerk.user_event(UserEvent::Created, &person);
    assert!(matches!(
        clerk.deliver(&event).await,
        Err(LocalClerkError::NoWebhookUrl)
    ));

    let (url, received) = start_receiver();
    clerk.set_webhook_url(Some(url));
    assert_eq!(clerk.deliver(&event).await.unwrap().as_u16(), 202);
    let delivery = received.try_recv().unwrap();
    assert!(verify(&delivery).unwrap().starts_with("msg_"));
    assert_eq!(serde_json::from_slice::<Value>(&delivery.1).unwrap(), event);

    let long_ago = Utc::now() - TimeDelta::minutes(6);
    clerk
        .deliver_as("msg_replayed", long_ago, &event)
        .await
        .unwrap();
    assert_eq!(
        verify(&received.try_recv().unwrap()),
        Err(SignatureError::Expired)
    );
    clerk
        .deliver_as("msg_again", Utc::now(), &event)
        .await
        .unwrap();
    assert_eq!(verify(&received.try_recv().unwrap()).unwrap(), "msg_again");
}

#[actix_web::test]
async fn a_new_person_is_announced_before_the_token_is_given_out() {
    let (url, received) = start_receiver();
    let clerk = LocalClerk::new(Options {
        webhook_url: Some(url),
        announce: true,
        ..options()
    })
    .unwrap();
    ask_token(&clerk, r#"{"user":"learner-1"}"#).await;
    let event: Value = serde_json::from_slice(&received.try_recv().unwrap().1).unwrap();
    assert_eq!(event["type"], "user.created");
    ask_token(&clerk, r#"{"user":"learner-1"}"#).await;
    assert!(received.try_recv().is_err(), "once is enough");
}

#[::core::prelude::v1::test]
fn the_key_and_the_people_survive_a_restart() {
    let folder = std::env::temp_dir().join(format!("lectern-{}", uuid::Uuid::new_v4()));
    let (key_file, people_file) = (folder.join("clerk.der"), folder.join("people.json"));
    let start = || {
        let (key_file, people_file) = (Some(key_file.clone()), Some(people_file.clone()));
        LocalClerk::new(Options {
            key_file,
            people_file,
            ..options()
        })
    };
    let first = start().unwrap();
    first.add_person("learner-1").unwrap();
    let second = start().unwrap();
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(first.people(), second.people());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&key_file, "damaged").unwrap();
    assert!(matches!(start(), Err(LocalClerkError::Damaged { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}
