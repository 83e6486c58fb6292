//! The program itself, as an operator runs it on the database and the providers of a [`TestApp`].

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::instance::until;
use super::service::free_port;
use super::{Client, TestApp, log};

/// An address that nobody has.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// A running program, which ends with the test. Every line of its log is looked at for secrets.
pub struct Program {
    child: Child,
    pub address: String,
    metrics: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    pub fn start(app: &TestApp, arguments: &[&str]) -> Self {
        Self::start_with(app, arguments, &[])
    }

    /// One with some variables set differently.
    pub fn start_with(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (address, metrics) = (free_address(), free_address());
        let mut child = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(arguments)
            .env_clear()
            .envs(&app.variables)
            .envs([
                ("BIND_ADDR", address.as_str()),
                ("METRICS_ADDR", &metrics),
                ("SHUTDOWN_DELAY", "0"),
                ("RUST_LOG", "debug"),
            ])
            .envs(variables.iter().copied())
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log::inspect(&line);
                let mut text = kept.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self {
            child,
            address,
            metrics,
            log: text,
            reader: Some(reader),
        }
    }

    /// The same person at this instance.
    pub fn at(&self, client: &Client) -> Client {
        client.at(&format!("http://{}", self.address))
    }

    /// What it tells Prometheus, once it runs.
    pub async fn metrics(&self) -> String {
        let address = format!("http://{}/metrics", self.metrics);
        let http = Client::connections();
        until("a program runs", async || {
            http.get(&address).send().await.is_ok()
        })
        .await;
        let reply = http.get(&address).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.text().await.unwrap()
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let address = format!("http://{}/readyz", self.address);
        let http = Client::connections();
        until("a program is ready", async || {
            let answer = http.get(&address).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged this.
    pub async fn until_logged(&self, text: &str) {
        until(text, async || self.log().contains(text)).await;
    }

    /// Waits for its end, and returns all that it has logged.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }

    /// Tells it to end, which it has to do well, and returns all that it has logged.
    pub async fn stop(self) -> String {
        self.signal("TERM");
        let (status, log) = self.ended().await;
        assert!(status.success(), "{log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
