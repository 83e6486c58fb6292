//! A program of somebody else's that a test runs: it answers at a port, and ends with this.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// A running program.
pub struct Service {
    process: Child,
    settings: Option<PathBuf>,
}

impl Service {
    /// Starts it and waits until it answers at this port.
    pub fn start(mut command: Command, port: u16) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|_| panic!("{name} is installed: apt-get install {name}"));
        let service = Self {
            process,
            settings: None,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{name} does not answer");
            std::thread::yield_now();
        }
        service
    }

    /// The same with a file of settings, whose path is the last argument.
    pub fn start_with(mut command: Command, settings: &str, port: u16) -> Self {
        let path = std::env::temp_dir().join(format!("lectern-{}", Uuid::new_v4().simple()));
        fs::write(&path, settings).unwrap();
        command.arg(&path);
        let mut service = Self::start(command, port);
        service.settings = Some(path);
        service
    }

    /// Ends it, as if the machine were gone.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(settings) = &self.settings {
            let _ = fs::remove_file(settings);
        }
    }
}

/// A port that nobody listens at, each time another one. It is below those that systems give to whoever asks for any, so
/// that no connection takes it before the one does whom it is for.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Several runs may be at work: each begins somewhere else.
    let first = u16::try_from(std::process::id() * 97 % u32::from(COUNT)).unwrap();
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (first + next % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
