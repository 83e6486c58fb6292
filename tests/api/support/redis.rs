//! A Redis of its own for a test.

use std::process::Command;

use super::service::{Service, free_port};

/// A running `redis-server` that keeps nothing on disk.
pub struct Redis {
    port: u16,
    service: Service,
}

impl Redis {
    /// On a free port.
    pub fn start() -> Self {
        Self::start_at(free_port())
    }

    fn start_at(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", ""]);
        let service = Service::start(command, port);
        Self { port, service }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends it, as if the machine were gone.
    pub fn stop(&mut self) {
        self.service.kill();
    }

    /// Brings it back where it was, empty.
    pub fn restart(&mut self) {
        *self = Self::start_at(self.port);
    }
}
