//! Another instance of a test's store, which can be killed.

use std::time::{Duration, Instant};

use super::TestApp;
use super::program::Program;

/// A running `lectern serve` that is ready. It dies with this value.
pub struct Instance {
    program: Program,
    pub url: String,
}

impl Instance {
    /// Starts one and waits until it is ready.
    pub async fn start(app: &TestApp) -> Self {
        let program = Program::start(app, &["serve", "--no-migrate"]);
        program.ready().await;
        Self {
            url: format!("http://{}", program.address),
            program,
        }
    }

    /// SIGKILL: no destructor runs, nothing is said to anybody.
    pub fn kill(self) {
        drop(self.program);
    }
}

/// Waits for something that another process does.
pub async fn until(what: &str, is_true: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
