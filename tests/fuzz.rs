//! The fuzz targets on a stable compiler: their corpus, and changes of it, each target for `FUZZ_SECONDS` (one unless set).
#![cfg(feature = "dev")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected has to fail on the spot"
)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use targets::{TARGETS, Target};

/// Every input of a target that is worth keeping.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("fuzz/corpus").join(name)).unwrap();
    let corpus: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    /// The rest comes from another input.
    Splice(Index, Vec<u8>),
}

fn change(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let words: [&[u8]; 8] = [
        b"\"",
        b"\\u0000",
        b"\xff",
        b"null",
        b"9223372036854775808",
        b"[[[[",
        b"%00",
        b"=",
    ];
    let words = words.map(<[u8]>::to_vec).to_vec();
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), select(words)).prop_map(|(at, word)| Change::Insert(at, word)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Remove(from, to)),
        (any::<Index>(), select(corpus)).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn apply(mut data: Vec<u8>, change: &Change) -> Vec<u8> {
    let place = |index: &Index, data: &[u8]| index.index(data.len() + 1);
    match change {
        Change::Set(at, byte) => {
            let at = place(at, &data);
            if let Some(old) = data.get_mut(at) {
                *old = *byte;
            }
        }
        Change::Insert(at, word) => {
            let at = place(at, &data);
            data.splice(at..at, word.iter().copied());
        }
        Change::Remove(from, to) => {
            let (from, to) = (place(from, &data), place(to, &data));
            data.drain(from.min(to)..from.max(to));
        }
        Change::Splice(at, other) => {
            let kept = place(at, &data);
            data.truncate(kept);
            data.extend(&other[at.index(other.len() + 1)..]);
        }
    }
    data
}

fn fuzz((name, target): Target) {
    let corpus = corpus(name);
    corpus.iter().for_each(|data| target(data));
    let seconds = std::env::var("FUZZ_SECONDS").map_or(1, |text| text.parse().unwrap());
    let begun = Instant::now();
    let inputs = (
        select(corpus.clone()),
        prop::collection::vec(change(corpus), 0..12),
    );
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let mut tried = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        // A new one each time: a runner that has done its cases does no more.
        let done = TestRunner::new(config.clone()).run(&inputs, |(data, changes)| {
            target(&changes.iter().fold(data, apply));
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
        tried += config.cases;
    }
    println!("{name}: {tried} inputs in {:?}", begun.elapsed());
}

#[test]
fn no_bytes_break_what_reads_them() {
    let threads = TARGETS.map(|target| (target.0, std::thread::spawn(move || fuzz(target))));
    for (name, thread) in threads {
        assert!(
            thread.join().is_ok(),
            "{name} is broken; its input is above"
        );
    }
}
