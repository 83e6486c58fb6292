//! The folder that a cluster lives in: where it is, what is in it, and whose it may be.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{PostgresError, Progress, account::Account};

/// Where `cargo run` keeps its Postgres: `.lectern/postgres` in the folder it was started in, so that each checkout has
/// state of its own. As root, when the user that runs the server cannot get there, a folder below `/var/lib/lectern`
/// that is named after the one it was started in; `progress` is told.
///
/// # Errors
/// [`PostgresError::NoAccount`] when we are root and nobody else is there to run the server.
pub fn default_data_dir(
    started_in: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, PostgresError> {
    let here = started_in.join(".lectern/postgres");
    let account = Account::for_server(Some(&here.join("data")))?;
    let Some(blocked) = account.and_then(|account| account.blocked_at(&here)) else {
        return Ok(here);
    };
    let hash = Sha256::digest(started_in.as_os_str().as_bytes());
    let name: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let elsewhere = Path::new("/var/lib/lectern").join(name);
    progress(&format!(
        "The user that runs Postgres for root cannot pass through {}: the data is in {}",
        blocked.display(),
        elsewhere.display()
    ));
    Ok(elsewhere)
}

/// A name, used by nobody yet, for the folder of an ephemeral cluster: in `TMPDIR`, or in `/var/tmp` when the user that
/// runs the server cannot get there.
///
/// # Errors
/// As for [`default_data_dir`].
pub fn ephemeral_data_dir() -> Result<PathBuf, PostgresError> {
    let usual = std::env::temp_dir();
    let blocked = Account::for_server(None)?.and_then(|account| account.blocked_at(&usual));
    let parent = blocked.map_or(usual, |_| PathBuf::from("/var/tmp"));
    Ok(parent.join(format!("lectern-{}", Uuid::new_v4().simple())))
}

/// Creates what is missing of `path`. The new folders can be passed through by all, whatever the umask (what is private
/// is so by itself); those that exist stay as they are.
pub(super) fn create(path: &Path) -> Result<(), PostgresError> {
    let missing: Vec<_> = path.ancestors().take_while(|at| !at.exists()).collect();
    for &folder in missing.iter().rev() {
        // An empty name is the end of a relative path: the current folder.
        if folder.as_os_str().is_empty() {
            continue;
        }
        match fs::create_dir(folder) {
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(PostgresError::folder("create", folder))?;
    }
    Ok(())
}

/// A cluster's folder, locked while somebody decides what to do with it.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    pub account: Option<Account>,
    lock: File,
}

const LOCK: &str = "lectern.lock";
const OWNER: &str = "owner.lock";

impl Folder {
    /// Creates the folder when it is missing, refuses one with other people's files in it, and waits until no other
    /// process is busy with it.
    pub fn open(root: &Path, progress: Progress<'_>) -> Result<Self, PostgresError> {
        let root = std::path::absolute(root).map_err(PostgresError::folder("find", root))?;
        let account = Account::for_server(Some(&root.join("data")))?;
        reachable(&root, account.as_ref())?;
        create(&root)?;
        let root = fs::canonicalize(&root).map_err(PostgresError::folder("find", root))?;
        // Once more where symbolic links lead.
        reachable(&root, account.as_ref())?;
        let lock = root.join(LOCK);
        let mut entries = fs::read_dir(&root).map_err(PostgresError::folder("read", &root))?;
        // In this order: the lock is the first file that anybody makes here, perhaps just now.
        if entries.next().is_some() && !lock.exists() {
            return Err(PostgresError::NotOurs { path: root });
        }
        let lock = private(&lock).map_err(PostgresError::folder("write in", &root))?;
        let locked = match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                progress("Waiting for another process that starts Postgres in this folder");
                lock.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        locked.map_err(PostgresError::folder("lock", &root))?;
        Ok(Self {
            root,
            account,
            lock,
        })
    }

    /// The folder itself, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What Postgres calls the data directory.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where `initdb` works, renamed to [`data`](Self::data) when done: a killed one leaves no half cluster there.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }

    /// What `initdb` is given for the password; gone when it is done.
    pub fn verifier(&self) -> PathBuf {
        self.root.join("verifier")
    }

    /// The superuser's password.
    pub fn password(&self) -> PathBuf {
        self.root.join("password")
    }

    /// What the server says; begun anew at each start.
    pub fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// A handle for a child process: as long as it runs, the folder stays locked.
    pub fn until_closed(&self) -> Result<Stdio, PostgresError> {
        let copy = self.lock.try_clone();
        let copy = copy.map_err(PostgresError::folder("lock", &self.root))?;
        Ok(copy.into())
    }

    /// What the process that starts a server holds as long as it lives; the kernel lets go of it for the dead.
    pub fn claim(&self) -> Result<File, PostgresError> {
        let path = self.root.join(OWNER);
        private(&path)
            .and_then(|file| file.lock_shared().map(|()| file))
            .map_err(PostgresError::folder("lock", path))
    }

    /// Whether somebody holds the claim. If nobody does, a server that still runs is about to stop.
    pub fn is_claimed(&self) -> Result<bool, PostgresError> {
        let path = self.root.join(OWNER);
        let file = private(&path).map_err(PostgresError::folder("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(PostgresError::folder("lock", path)(error)),
        }
    }

    /// Everything that we ever put there: what may be removed with an ephemeral cluster.
    pub fn contents(&self) -> [PathBuf; 7] {
        [
            self.data(),
            self.unfinished(),
            self.verifier(),
            self.password(),
            self.log(),
            self.root.join(OWNER),
            self.root.join(LOCK),
        ]
    }
}

fn reachable(path: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
    match account.and_then(|account| Some((account, account.blocked_at(path)?))) {
        None => Ok(()),
        Some((account, blocked)) => Err(PostgresError::Unreachable {
            user: account.name.clone(),
            blocked,
        }),
    }
}

/// Opens a file that only its owner may read, creating or emptying it.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}
