//! What fuzzers feed: everything that reads what strangers send. Each target states what has to hold for any bytes.
#![expect(
    clippy::unwrap_used,
    reason = "a target that meets the unexpected has to fail on the spot"
)]

use actix_web::FromRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use lectern::dev::stripe::Form;
use lectern::domain::cursor::{Cursor, SortKey};
use lectern::handlers::admin::lesson::UpdateLesson;
use lectern::handlers::admin::product::UpdateProduct;
use lectern::handlers::admin::purchase::SalesQuery;
use lectern::handlers::product::CatalogueQuery;
use lectern::http::json::MergePatch;
use lectern::http::page::Listing;
use lectern::problem::Problem;
use lectern::webhooks::receive::{listed_stripe_event, signed_clerk_event, signed_stripe_event};
use lectern::webhooks::signature::{
    StandardHeaders, StandardSecret, StripeSecret, verify_standard, verify_stripe,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A target with the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("cursor", cursor),
    ("form", form),
    ("merge_patch", merge_patch),
    ("query", query),
    ("standard_signature", standard_signature),
    ("stripe_signature", stripe_signature),
    ("webhook_event", webhook_event),
];

/// A cursor that is accepted names the place that it names when it is made again. So that any is, what comes is taken
/// with its digest as well.
pub fn cursor(data: &[u8]) {
    fn same<K: SortKey + PartialEq + std::fmt::Debug>(text: &str, sort: &str) {
        if let Some(cursor) = Cursor::<K>::decode(text, sort) {
            let again = Cursor::<K>::decode(&cursor.encode().unwrap(), sort).unwrap();
            assert_eq!((again.key, again.id), (cursor.key, cursor.id));
            assert_eq!(cursor.sort, sort);
        }
    }
    let text = String::from_utf8_lossy(data);
    let json = URL_SAFE_NO_PAD.decode(&*text).unwrap_or_default();
    let digest = Sha256::digest(&json);
    let digest = digest.first_chunk::<4>().unwrap();
    let whole = URL_SAFE_NO_PAD.encode([&digest[..], &json].concat());
    for text in [&*text, &whole] {
        same::<String>(text, "name");
        same::<i32>(text, "priceInCents");
        same::<DateTime<Utc>>(text, "-createdAt");
    }
}

/// Nothing that somebody makes up is believed, and what is signed is, for this body alone.
pub fn stripe_signature(data: &[u8]) {
    let secrets: [StripeSecret; 2] = ["whsec_one".parse().unwrap(), "whsec_two".parse().unwrap()];
    let (header, body) = halves(data);
    assert!(verify_stripe(&secrets, Some(header), body, Utc::now()).is_err());
    assert!(verify_stripe(&secrets, None, body, Utc::now()).is_err());
}

/// The same for Standard Webhooks.
pub fn standard_signature(data: &[u8]) {
    let secret: StandardSecret = "whsec_dGhlIGhhcm5lc3MncyBDbGVyayBzZWNyZXQ="
        .parse()
        .unwrap();
    let secrets = [secret];
    let (headers, body) = halves(data);
    let mut headers = headers.split(|byte| *byte == b'\n');
    let headers = StandardHeaders {
        id: headers.next(),
        timestamp: headers.next(),
        signature: headers.next(),
    };
    let now = Utc::now();
    assert!(verify_standard(&secrets, headers, body, now).is_err());
    // What we sign ourselves, whatever it is, is believed, and nothing else under that signature.
    let id = "msg_1";
    let signature = secrets[0].sign(id, now.timestamp(), body);
    let timestamp = now.timestamp().to_string();
    let signed = StandardHeaders {
        id: Some(id.as_bytes()),
        timestamp: Some(timestamp.as_bytes()),
        signature: Some(signature.as_bytes()),
    };
    assert_eq!(verify_standard(&secrets, signed, body, now), Ok(id));
    let more = [body, b"."].concat();
    assert!(verify_standard(&secrets, signed, &more, now).is_err());
}

/// Up to the first NUL, and behind it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == 0);
    match end.map(|end| data.split_at(end)) {
        Some((head, rest)) => (head, rest.get(1..).unwrap_or_default()),
        None => (data, &[]),
    }
}

/// A change is taken or refused as the caller's mistake.
pub fn merge_patch(data: &[u8]) {
    let request = || {
        let request = TestRequest::patch().insert_header((CONTENT_TYPE, "application/json"));
        request.set_payload(data.to_vec())
    };
    taken_or_refused::<MergePatch<UpdateProduct>>(request());
    taken_or_refused::<MergePatch<UpdateLesson>>(request());
}

/// The same of a query.
pub fn query(data: &[u8]) {
    let written = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    let text: String = data
        .iter()
        .copied()
        .filter(written)
        .map(char::from)
        .collect();
    let request = || TestRequest::get().uri(&format!("/v1/products?{text}"));
    if format!("/v1/products?{text}")
        .parse::<actix_web::http::Uri>()
        .is_ok()
    {
        taken_or_refused::<Listing<CatalogueQuery>>(request());
        taken_or_refused::<Listing<SalesQuery>>(request());
    }
}

fn taken_or_refused<T: FromRequest<Error = Problem>>(request: TestRequest) {
    let (request, mut payload) = request.to_http_parts();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let taken = runtime
        .unwrap()
        .block_on(T::from_request(&request, &mut payload));
    if let Err(problem) = taken {
        assert!((400..500).contains(&problem.code().status()), "{problem:?}");
    }
}

/// A form reads the same whatever the order of its fields, and every field can be got.
pub fn form(data: &[u8]) {
    let form = Form::parse(data);
    let mut parts: Vec<_> = data.split(|byte| *byte == b'&').collect();
    parts.reverse();
    assert_eq!(Form::parse(&parts.join(&b'&')), form);
    for field in ["mode", "line_items[0][quantity]", "metadata[checkout_id]"] {
        if form.get(field).is_some() {
            assert!(form.has(field.split('[').next().unwrap()));
        }
    }
}

/// A signed body is an event or refused as the sender's mistake. What is kept of it can be kept: there is no NUL in it,
/// and nothing more is taken away a second time.
pub fn webhook_event(data: &[u8]) {
    let id = "msg_1".to_owned();
    for event in [signed_stripe_event(data), signed_clerk_event(id, data)] {
        match event {
            Ok(event) => assert!(!has_nul(&event.payload), "{:?}", event.payload),
            Err(problem) => assert_eq!(problem.code().status(), 400, "{problem:?}"),
        }
    }
    let Ok(payload) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let Some(event) = listed_stripe_event(payload) {
        let again = listed_stripe_event(event.payload.clone()).unwrap();
        assert_eq!(again.payload, event.payload);
        assert_eq!(again.event_id, event.event_id);
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}
