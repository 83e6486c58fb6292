//! What a server says about itself in its data directory.

use std::{fs, path::Path, process::Command};

/// What a server writes into `postmaster.pid`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PidFile {
    pub pid: u32,
    pub port: u16,
    pub ready: bool,
}

impl PidFile {
    /// `None` when there is no such file or it is not written to the end yet.
    pub fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: lines.first()?.parse().ok()?,
            port: lines.get(3)?.parse().ok()?,
            ready: lines.get(7).is_some_and(|status| *status == "ready"),
        })
    }

    /// Whether that process is there and is a Postgres on `data`: after a crash the number may be somebody else's.
    /// A server's working directory is its data; where the system does not show that, its name must do.
    pub fn runs_on(self, data: &Path) -> bool {
        let process = Path::new("/proc").join(self.pid.to_string());
        if Path::new("/proc/self/cwd").exists() {
            return fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data);
        }
        let name = Command::new("ps")
            .args(["-o", "comm=", "-p", &self.pid.to_string()])
            .output();
        name.is_ok_and(|name| String::from_utf8_lossy(&name.stdout).contains("postgres"))
    }
}
