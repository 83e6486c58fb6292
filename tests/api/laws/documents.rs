//! What is written about the API for people: each snippet is part of a file that is run, each list is the program's.

use lectern::openapi::webhooks::{CLERK_EVENTS, STRIPE_EVENTS};

use super::read;

/// A text's lines without what surrounds them, so that a snippet may be moved to the margin.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn every_snippet_of_the_guide_is_taken_from_a_file_that_is_run() {
    let guide = read("docs/integrators.md");
    let mut blocks = guide.split("\n```");
    let mut before = blocks.next().unwrap();
    let mut seen = 0;
    while let (Some(block), Some(after)) = (blocks.next(), blocks.next()) {
        let (_, snippet) = block.split_once('\n').unwrap();
        let source = before.trim_end().lines().last().unwrap_or_default();
        let source = source
            .strip_prefix("<!-- from ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let source = source.unwrap_or_else(|| panic!("say where this is from:\n{snippet}"));
        let (whole, part) = (read(source), lines(snippet));
        let is_part = lines(&whole)
            .windows(part.len())
            .any(|window| window == part);
        assert!(is_part, "{source} does not have:\n{snippet}");
        before = after;
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_dashboards_are_told_to_send_the_events_that_are_used() {
    for (file, events) in [
        ("README.md", STRIPE_EVENTS),
        ("README.md", CLERK_EVENTS),
        ("docs/integrators.md", STRIPE_EVENTS),
        ("docs/integrators.md", CLERK_EVENTS),
    ] {
        let text = read(file);
        for event in events {
            assert!(text.contains(&format!("`{event}`")), "{file} lacks {event}");
        }
    }
}

/// Follows the words of the modules that work on events, as far as a text can tell.
#[test]
fn the_events_that_are_used_are_the_documented_ones() {
    for (source, documented) in [
        ("src/webhooks/stripe.rs", STRIPE_EVENTS),
        ("src/webhooks/clerk.rs", CLERK_EVENTS),
    ] {
        let source = read(source);
        for event in documented {
            assert!(
                source.contains(&format!("\"{event}\"")),
                "{event} is documented, but not worked on"
            );
        }
        let families = [
            "checkout.session.",
            "charge.",
            "refund.",
            "payment_intent.",
            "radar.",
            "user.",
        ];
        let words = source.split('"').skip(1).step_by(2);
        let is_event = |word: &&str| {
            families.iter().any(|family| {
                word.strip_prefix(family)
                    .is_some_and(|kind| !kind.is_empty())
            })
        };
        for event in words.filter(is_event) {
            assert!(
                documented.contains(&event),
                "{event} is worked on, but not documented in openapi/webhooks.rs"
            );
        }
    }
}
