//! Another instance of a test's store: the program itself, in a process that can be killed.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::TestApp;

/// A running `lectern serve` on the database and the providers of a [`TestApp`]. It dies with this value.
pub struct Instance {
    process: Child,
    pub url: String,
}

impl Instance {
    /// Starts one and waits until it is ready.
    pub async fn start(app: &TestApp) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let process = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(["serve", "--no-migrate"])
            .env_clear()
            .envs(&app.variables)
            .env("BIND_ADDR", address.to_string())
            .env("RUST_LOG", "warn")
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let instance = Self {
            process,
            url: format!("http://{address}"),
        };
        let ready = format!("{}/readyz", instance.url);
        until("an instance is ready", async || {
            let answer = reqwest::get(&ready).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        instance
    }

    /// SIGKILL: no destructor runs, nothing is said to anybody.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
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
