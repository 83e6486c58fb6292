//! Every line that the program logs while it is tested, at the level `debug`, in this process and in those that it
//! starts. None may hold a secret or say who somebody is.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, Once};

use lectern::config::LogFormat;
use lectern::telemetry;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What gives a secret away, whatever comes behind it. The tests plant all of them.
const MARKS: [(&str, &str); 8] = [
    ("sk_test_", "a provider's key"),
    ("whsec_", "a webhook's signing secret"),
    ("eyJ", "a session token"),
    ("Bearer ", "a session token"),
    ("_secret_", "a client secret of Stripe's"),
    ("@example.com", "an e-mail address"),
    ("hunter2", "something that a test has planted"),
    ("\"payload\"", "a body"),
];

/// What a line gives away, if anything.
pub fn secret_in(line: &str) -> Option<&'static str> {
    let mut marks = MARKS.iter();
    marks.find_map(|(mark, what)| line.contains(mark).then_some(*what))
}

/// Ends the whole run at a line that gives something away: whichever test it belongs to, nobody can miss it.
pub fn inspect(line: &str) {
    if let Some(what) = secret_in(line) {
        eprintln!("\nThe log holds {what}: {line}");
        std::process::exit(101);
    }
}

/// The lines of this process that were looked at, as far as a test asks for them: by a request id of its own.
static ASKED: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());

/// Counts from now on the lines that hold this text.
pub fn count(text: &'static str) {
    ASKED.lock().unwrap().insert(text, 0);
}

/// How many there were so far.
pub fn counted(text: &str) -> usize {
    ASKED.lock().unwrap()[text]
}

struct Inspector;

impl Write for Inspector {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        for (asked, count) in ASKED.lock().unwrap().iter_mut() {
            *count += usize::from(text.contains(asked));
        }
        inspect(&text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks at every line of this process from now on.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let log = telemetry::log(LogFormat::Json, false, || Inspector);
        tracing_subscriber::registry()
            .with(log.with_filter(LevelFilter::DEBUG))
            .init();
    });
}
