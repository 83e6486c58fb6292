//! Who runs the server: ourselves, or, because Postgres refuses root, another user when we are root.

use std::{
    fs::{self, Metadata},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use super::PostgresError;

/// The user that the server's programs run as when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// `None` when we are an ordinary user and run the server as ourselves. As root: whoever owns the data already,
    /// else `postgres`, else `nobody`.
    pub fn for_server(data: Option<&Path>) -> Result<Option<Self>, PostgresError> {
        if !is_root() {
            return Ok(None);
        }
        let owner = data
            .and_then(|data| fs::metadata(data).ok())
            .filter(|found| found.uid() != 0)
            .map(|found| Self {
                name: format!("number {}", found.uid()),
                uid: found.uid(),
                gid: found.gid(),
            });
        owner
            .or_else(|| Self::named("postgres"))
            .or_else(|| Self::named("nobody"))
            .map(Some)
            .ok_or(PostgresError::NoAccount)
    }

    fn named(name: &str) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            uid: id(&["-u", name])?,
            gid: id(&["-g", name])?,
        })
    }

    /// The first folder on the way to `path` (itself included) that this user may not pass through. What does not
    /// exist yet is no obstacle: it will be created open.
    pub fn blocked_at(&self, path: &Path) -> Option<PathBuf> {
        let blocked =
            |folder: &&Path| fs::metadata(folder).is_ok_and(|at| at.is_dir() && !self.passes(&at));
        path.ancestors().filter(blocked).last().map(Path::to_owned)
    }

    fn passes(&self, found: &Metadata) -> bool {
        let bit = match found {
            owned if owned.uid() == self.uid => 0o100,
            shared if shared.gid() == self.gid => 0o010,
            _ => 0o001,
        };
        found.mode() & bit != 0
    }

    /// Gives a file or folder that we have just made to this user.
    pub fn own(&self, path: &Path) -> Result<(), PostgresError> {
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(PostgresError::folder("hand over", path))
    }
}

/// A command that runs as the server's user, in a folder it can be in, and without the libpq variables (`PGDATA`,
/// `PGPORT`, ...) that would lead it to another server.
pub(super) fn command(program: impl AsRef<Path>, account: Option<&Account>, at: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .current_dir(at)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("LANGUAGE");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// `id` asks the system without `unsafe`. A machine without it is treated as one where we are an ordinary user.
fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn id(arguments: &[&str]) -> Option<u32> {
    let found = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(found.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_folder_above_blocks_a_user_who_does_not_own_it() {
        let top = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        let below = top.join("a/b");
        fs::create_dir_all(&below).unwrap();
        let stranger = Account {
            name: "stranger".to_owned(),
            uid: 4_000_000,
            gid: 4_000_000,
        };
        assert_eq!(stranger.blocked_at(&below.join("not/yet/there")), None);

        let a = top.join("a");
        fs::set_permissions(&a, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(stranger.blocked_at(&below), Some(a.clone()));
        let owner = Account {
            uid: fs::metadata(&a).unwrap().uid(),
            ..stranger
        };
        assert_eq!(owner.blocked_at(&below), None);
        fs::remove_dir_all(top).unwrap();
    }
}
