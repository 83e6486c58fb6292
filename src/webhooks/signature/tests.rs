use chrono::TimeDelta;
use proptest::prelude::*;
use stripe_webhook::{Webhook as StripeReference, WebhookError};

use super::*;

const STRIPE_SECRET: &str = "whsec_lectern_test";
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
/// The vector that the Standard Webhooks libraries publish with their tests.
const VECTOR_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const VECTOR_ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const VECTOR_TIME: i64 = 1_649_367_553;
const VECTOR_SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn stripe_secrets(texts: &[&str]) -> Vec<StripeSecret> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn stripe_header(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let body = std::str::from_utf8(body).unwrap();
    StripeReference::generate_test_header(body, secret, Some(timestamp))
}

fn check_stripe(header: &[u8], body: &[u8], now: i64) -> Result<(), SignatureError> {
    verify_stripe(
        &stripe_secrets(&[STRIPE_SECRET]),
        Some(header),
        body,
        at(now),
    )
}

/// Checks the vector's message with one part of it replaced.
fn check_standard(
    id: &[u8],
    time: &[u8],
    signature: &[u8],
    body: &[u8],
    now: i64,
) -> Result<(), SignatureError> {
    let secrets = [VECTOR_SECRET.parse().unwrap()];
    let headers = StandardHeaders {
        id: Some(id),
        timestamp: Some(time),
        signature: Some(signature),
    };
    verify_standard(&secrets, headers, body, at(now)).map(|_| ())
}

fn check_vector_signature(signature: &[u8]) -> Result<(), SignatureError> {
    let time = VECTOR_TIME.to_string();
    check_standard(
        VECTOR_ID.as_bytes(),
        time.as_bytes(),
        signature,
        BODY,
        VECTOR_TIME,
    )
}

/// H: A1
#[test]
fn the_published_standard_webhooks_vector_is_accepted_and_names_its_message() {
    let secrets = [VECTOR_SECRET.parse().unwrap()];
    let headers = StandardHeaders {
        id: Some(VECTOR_ID.as_bytes()),
        timestamp: Some(b"1649367553"),
        signature: Some(VECTOR_SIGNATURE.as_bytes()),
    };
    assert_eq!(
        verify_standard(&secrets, headers, BODY, at(VECTOR_TIME)),
        Ok(VECTOR_ID)
    );
    assert_eq!(
        secrets[0].sign(VECTOR_ID, VECTOR_TIME, BODY),
        VECTOR_SIGNATURE
    );
}

/// H: A1
#[test]
fn a_stripe_event_signed_by_the_reference_library_is_accepted_by_both() {
    let body = include_str!("../../../tests/fixtures/stripe/event.json");
    let header = stripe_header(STRIPE_SECRET, 1_000, body.as_bytes());
    assert_eq!(
        check_stripe(header.as_bytes(), body.as_bytes(), 1_000),
        Ok(())
    );
    let reference =
        StripeReference::construct_event_with_timestamp(body, &header, STRIPE_SECRET, 1_000);
    assert!(accepted(&reference), "{reference:?}");
}

/// The reference library verifies first and parses second: a parse error means that the signature was good.
fn accepted<T>(reference: &Result<T, WebhookError>) -> bool {
    matches!(reference, Ok(_) | Err(WebhookError::BadParse(_)))
}

/// H: A1
#[test]
fn a_changed_stripe_body_time_or_signature_is_a_mismatch() {
    let header = stripe_header(STRIPE_SECRET, 1_000, BODY);
    assert_eq!(
        check_stripe(header.as_bytes(), b"{}", 1_000),
        Err(SignatureError::Mismatch)
    );
    let later = header.replace("t=1000", "t=1001");
    assert_eq!(
        check_stripe(later.as_bytes(), BODY, 1_000),
        Err(SignatureError::Mismatch)
    );
    // The same number written otherwise is another signed text.
    let padded = header.replace("t=1000", "t=01000");
    assert_eq!(
        check_stripe(padded.as_bytes(), BODY, 1_000),
        Err(SignatureError::Mismatch)
    );
    let cut = &header[..header.len() - 2];
    assert_eq!(
        check_stripe(cut.as_bytes(), BODY, 1_000),
        Err(SignatureError::Mismatch)
    );
    let empty = "t=1000,v1=";
    assert_eq!(
        check_stripe(empty.as_bytes(), BODY, 1_000),
        Err(SignatureError::Mismatch)
    );
}

/// H: A1
#[test]
fn a_changed_standard_body_id_time_or_signature_is_a_mismatch() {
    let now = VECTOR_TIME;
    let (id, time, signature) = (
        VECTOR_ID.as_bytes(),
        b"1649367553",
        VECTOR_SIGNATURE.as_bytes(),
    );
    let mismatch = Err(SignatureError::Mismatch);
    assert_eq!(check_standard(id, time, signature, BODY, now), Ok(()));
    assert_eq!(check_standard(id, time, signature, b"{}", now), mismatch);
    assert_eq!(
        check_standard(b"msg_other", time, signature, BODY, now),
        mismatch
    );
    assert_eq!(
        check_standard(id, b"1649367554", signature, BODY, now),
        mismatch
    );
    assert_eq!(check_standard(id, time, b"v1,", BODY, now), mismatch);
    assert_eq!(
        check_standard(id, time, &signature[..20], BODY, now),
        mismatch
    );
}

/// H: A1
#[test]
fn a_missing_header_is_told_from_a_malformed_one() {
    let secrets = stripe_secrets(&[STRIPE_SECRET]);
    assert_eq!(
        verify_stripe(&secrets, None, BODY, at(0)),
        Err(SignatureError::Missing)
    );
    let standard: [StandardSecret; 1] = [VECTOR_SECRET.parse().unwrap()];
    let none = StandardHeaders::default();
    assert_eq!(
        verify_standard(&standard, none, BODY, at(0)),
        Err(SignatureError::Missing)
    );

    let overflow = format!("t={}9,v1=00", i64::MAX);
    for header in [
        "",
        "t",
        "t=,v1=00",
        "v1=00",
        "t=1",
        "t=-1,v1=00",
        "t=+1,v1=00",
        "t=1,v0=00",
        &overflow,
    ] {
        assert_eq!(
            check_stripe(header.as_bytes(), BODY, 0),
            Err(SignatureError::Malformed),
            "{header:?}"
        );
    }
    for (id, time) in [
        ("", "1"),
        ("a.b", "1"),
        ("a", ""),
        ("a", "1.0"),
        ("a", "-1"),
        ("a", "x"),
    ] {
        let result = check_standard(id.as_bytes(), time.as_bytes(), b"v1,AA==", BODY, 0);
        assert_eq!(result, Err(SignatureError::Malformed), "{id:?} {time:?}");
    }
}

/// H: A1
#[test]
fn two_times_in_a_stripe_header_are_refused_even_when_one_was_signed() {
    let header = stripe_header(STRIPE_SECRET, 1_000, BODY);
    for doubled in [
        format!("t=9,{header}"),
        format!("{header},t=9"),
        format!("{header},t=1000"),
    ] {
        let result = check_stripe(doubled.as_bytes(), BODY, 1_000);
        assert_eq!(result, Err(SignatureError::Malformed), "{doubled}");
    }
}

/// H: A1
#[test]
fn header_bytes_that_are_no_text_are_malformed_and_do_not_panic() {
    assert_eq!(
        check_stripe(b"t=1,v1=\xff\xfe", BODY, 1),
        Err(SignatureError::Malformed)
    );
    assert_eq!(
        check_vector_signature(b"v1,\xff"),
        Err(SignatureError::Malformed)
    );
    let signature = VECTOR_SIGNATURE.as_bytes();
    let result = check_standard(b"\xc3\x28", b"1649367553", signature, BODY, VECTOR_TIME);
    assert_eq!(result, Err(SignatureError::Malformed));
    // Text that is not ASCII must not split a character either.
    assert_eq!(
        check_stripe("t=1,v1=é0é0".as_bytes(), BODY, 1),
        Err(SignatureError::Mismatch)
    );
}

/// H: A1
#[test]
fn a_body_that_is_not_utf8_is_signed_and_verified_as_bytes() {
    let body = b"\xff\x00\xfe";
    let secret: StandardSecret = VECTOR_SECRET.parse().unwrap();
    let signature = secret.sign(VECTOR_ID, VECTOR_TIME, body);
    let result = check_standard(
        VECTOR_ID.as_bytes(),
        b"1649367553",
        signature.as_bytes(),
        body,
        VECTOR_TIME,
    );
    assert_eq!(result, Ok(()));
}

/// H: A3
#[test]
fn while_a_secret_is_rotated_any_signature_may_match_any_secret() {
    let old = stripe_header("whsec_old", 1_000, BODY);
    let new = stripe_header("whsec_new", 1_000, BODY);
    let both = format!("{old},v1={},v0=ignored", new.split_once("v1=").unwrap().1);
    let check = |secrets: &[&str], header: &str| {
        verify_stripe(
            &stripe_secrets(secrets),
            Some(header.as_bytes()),
            BODY,
            at(1_000),
        )
    };
    for (secrets, header) in [
        (&["whsec_old", "whsec_new"][..], &old),
        (&["whsec_old", "whsec_new"], &new),
        (&["whsec_new"], &both),
        (&["whsec_old"], &both),
    ] {
        assert_eq!(check(secrets, header), Ok(()), "{secrets:?} {header}");
    }
    assert_eq!(
        check(&["whsec_third"], &both),
        Err(SignatureError::Mismatch)
    );
    assert_eq!(check(&[], &both), Err(SignatureError::Mismatch));

    let list = format!("v1,AAAA v1a,{VECTOR_SIGNATURE} junk {VECTOR_SIGNATURE}");
    assert_eq!(check_vector_signature(list.as_bytes()), Ok(()));
    let foreign_version = VECTOR_SIGNATURE.replace("v1,", "v2,");
    assert_eq!(
        check_vector_signature(foreign_version.as_bytes()),
        Err(SignatureError::Mismatch)
    );
}

/// H: A4
#[test]
fn a_genuine_signature_is_good_for_five_minutes_in_either_direction() {
    let stripe = stripe_header(STRIPE_SECRET, 10_000, BODY);
    for (offset, expected) in [
        (-301, Err(SignatureError::Expired)),
        (-300, Ok(())),
        (300, Ok(())),
        (301, Err(SignatureError::Expired)),
    ] {
        assert_eq!(
            check_stripe(stripe.as_bytes(), BODY, 10_000 + offset),
            expected,
            "{offset}"
        );
        let standard = check_standard(
            VECTOR_ID.as_bytes(),
            b"1649367553",
            VECTOR_SIGNATURE.as_bytes(),
            BODY,
            VECTOR_TIME + offset,
        );
        assert_eq!(standard, expected, "{offset}");
    }
}

/// H: A2
#[test]
fn an_empty_or_mistyped_secret_is_refused_when_parsed() {
    for text in ["", "   ", "secret", "sk_test_1"] {
        assert_eq!(
            text.parse::<StripeSecret>().unwrap_err(),
            SecretError::Prefix
        );
        assert_eq!(
            text.parse::<StandardSecret>().unwrap_err(),
            SecretError::Prefix
        );
    }
    assert_eq!(
        "whsec_".parse::<StripeSecret>().unwrap_err(),
        SecretError::Empty
    );
    assert_eq!(
        " whsec_ ".parse::<StandardSecret>().unwrap_err(),
        SecretError::Empty
    );
    assert_eq!(
        "whsec_...".parse::<StandardSecret>().unwrap_err(),
        SecretError::Encoding
    );
}

#[test]
fn debug_output_does_not_show_a_secret() {
    let shown = format!(
        "{:?} {:?}",
        STRIPE_SECRET.parse::<StripeSecret>().unwrap(),
        VECTOR_SECRET.parse::<StandardSecret>().unwrap()
    );
    assert_eq!(shown, "StripeSecret(hidden) StandardSecret(hidden)");
}

/// H: A3
#[test]
fn the_svix_headers_are_taken_before_the_unbranded_ones_and_never_mixed_with_them() {
    let svix = StandardHeaders::find(|name| {
        Some(if name.starts_with("svix-") {
            b"svix"
        } else {
            b"hook"
        })
    });
    assert_eq!(
        [svix.id, svix.timestamp, svix.signature],
        [Some(&b"svix"[..]); 3]
    );
    let unbranded =
        StandardHeaders::find(|name| name.starts_with("webhook-").then_some(&b"hook"[..]));
    assert_eq!(
        [unbranded.id, unbranded.timestamp, unbranded.signature],
        [Some(&b"hook"[..]); 3]
    );
    let mixed = StandardHeaders::find(|name| {
        (name == "svix-id" || name == "webhook-timestamp").then_some(&b"x"[..])
    });
    assert_eq!((mixed.id, mixed.timestamp), (Some(&b"x"[..]), None));
}

proptest! {
    /// H: A1
    #[test]
    fn what_the_reference_stripe_library_signs_is_accepted_by_ours(
        body in ".*", secret in "whsec_[ -~]{1,40}[!-~]", signed_at in 0..4_000_000_000_i64, drift in -300..=300_i64,
    ) {
        let header = StripeReference::generate_test_header(&body, &secret, Some(signed_at));
        let now = at(signed_at) + TimeDelta::seconds(drift);
        let result = verify_stripe(&stripe_secrets(&[&secret]), Some(header.as_bytes()), body.as_bytes(), now);
        prop_assert_eq!(result, Ok(()));
    }

    /// H: A1
    #[test]
    fn whatever_stripe_header_ours_accepts_the_reference_library_accepts(
        body in "[a-z]{0,8}",
        parts in prop::collection::vec(prop_oneof![
            Just("good".to_owned()), "t=[0-9]{1,4}", "v1=[0-9a-f]{0,6}", "v0=[a-z]{0,4}", "[a-z=]{0,4}",
        ], 0..4),
        place in 0..4_usize,
    ) {
        let good = StripeReference::generate_test_header(&body, STRIPE_SECRET, Some(1_000));
        let mut parts = parts;
        parts.insert(place.min(parts.len()), "good".to_owned());
        let header = parts.join(",").replace("good", &good);
        let ours = check_stripe(header.as_bytes(), body.as_bytes(), 1_000);
        let reference = StripeReference::construct_event_with_timestamp(&body, &header, STRIPE_SECRET, 1_000);
        prop_assert!(ours.is_err() || accepted(&reference), "{header}: {ours:?} {reference:?}");
    }

    /// H: A1
    #[test]
    fn what_the_reference_standard_webhooks_library_signs_is_what_ours_signs_and_accepts(
        body in ".*", key in prop::collection::vec(any::<u8>(), 1..80), id in "[A-Za-z0-9_-]{1,40}",
        signed_at in 0..4_000_000_000_i64, drift in -300..=300_i64,
    ) {
        let reference = standardwebhooks::Webhook::from_bytes(key.clone()).unwrap();
        let signature = reference.sign(&id, signed_at, body.as_bytes()).unwrap();
        let secret: StandardSecret = format!("whsec_{}", BASE64_STANDARD.encode(key)).parse().unwrap();
        prop_assert_eq!(&secret.sign(&id, signed_at, body.as_bytes()), &signature);
        let time = signed_at.to_string();
        let headers = StandardHeaders {
            id: Some(id.as_bytes()), timestamp: Some(time.as_bytes()), signature: Some(signature.as_bytes()),
        };
        let now = at(signed_at) + TimeDelta::seconds(drift);
        prop_assert_eq!(verify_standard(&[secret], headers, body.as_bytes(), now), Ok(id.as_str()));
    }

    /// H: A1
    #[test]
    fn no_bytes_at_all_make_the_verifiers_panic_or_accept(
        first in any::<Vec<u8>>(), second in any::<Vec<u8>>(), third in any::<Vec<u8>>(), body in any::<Vec<u8>>(),
    ) {
        prop_assert!(check_stripe(&first, &body, 0).is_err());
        prop_assert!(check_standard(&first, &second, &third, &body, 0).is_err());
    }

    /// H: A1
    #[test]
    fn a_flipped_bit_in_the_body_is_a_mismatch(mut body in prop::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>()) {
        let secret: StandardSecret = VECTOR_SECRET.parse().unwrap();
        let signature = secret.sign("msg_1", 1_000, &body);
        *place.get_mut(&mut body) ^= 1;
        let result = check_standard(b"msg_1", b"1000", signature.as_bytes(), &body, 1_000);
        prop_assert_eq!(result, Err(SignatureError::Mismatch));
    }
}
