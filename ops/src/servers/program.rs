//! Where the servers' programs are, and whether they are new enough.
//!
//! `ops/run` and `ops/test` fetch what is missing and name it in the environment. Who calls `natter` by hand gets what
//! those scripts once fetched, or what the machine has.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::user::find_on_path;

/// The oldest release that still gets its faults mended.
const POSTGRES_LEAST: [u32; 1] = [14];
/// The oldest one that the log was tried on; Debian's is years behind and lacks per-key expiry.
const NATS_LEAST: [u32; 3] = [2, 15, 1];

/// Directory with `initdb` and `postgres`.
pub fn postgres_bin() -> Result<PathBuf> {
    if let Some(named) = named("NATTER_POSTGRES_BIN") {
        return good_postgres(&named).map(|()| named).context("NATTER_POSTGRES_BIN");
    }
    let mut candidates: Vec<PathBuf> = bindir_of_pg_config().into_iter().collect();
    candidates.extend(newest_of_debian());
    candidates
        .into_iter()
        .find(|bin| good_postgres(bin).is_ok())
        .context("no PostgreSQL 14 or newer here: ./ops/run fetches one, or name its directory of programs in NATTER_POSTGRES_BIN")
}

pub fn nats_server() -> Result<PathBuf> {
    if let Some(named) = named("NATTER_NATS_SERVER") {
        return good_nats(&named).map(|()| named).context("NATTER_NATS_SERVER");
    }
    let fetched = Some(PathBuf::from(".natter/tools/nats-server")).and_then(|path| path.canonicalize().ok());
    [find_on_path("nats-server"), fetched]
        .into_iter()
        .flatten()
        .find(|path| good_nats(path).is_ok())
        .context("no nats-server 2.15.1 or newer here: ./ops/run fetches one, or name it in NATTER_NATS_SERVER")
}

/// Libraries of a PostgreSQL that was unpacked rather than installed; for its programs only.
pub fn with_libraries(command: &mut Command) {
    if let Some(path) = named("NATTER_POSTGRES_LIB") {
        command.env("LD_LIBRARY_PATH", path);
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn bindir_of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn newest_of_debian() -> Option<PathBuf> {
    let releases = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let newest = releases.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}

fn good_postgres(bin: &Path) -> Result<()> {
    for program in ["initdb", "postgres"] {
        check_version(&bin.join(program), &POSTGRES_LEAST)?;
    }
    Ok(())
}

fn good_nats(path: &Path) -> Result<()> {
    check_version(path, &NATS_LEAST)
}

fn check_version(program: &Path, least: &[u32]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("--version");
    with_libraries(&mut command);
    let output = command.output().with_context(|| format!("run {} --version", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match version(&said) {
        Some(found) if found.as_slice() >= least => Ok(()),
        _ => bail!("{} is too old or unknown: {}", program.display(), said.trim()),
    }
}

/// The first number with dots in what a program says of itself: `nats-server: v2.15.1`, `postgres (PostgreSQL) 15.18
/// (Debian …)`.
fn version(said: &str) -> Option<Vec<u32>> {
    let word = said
        .split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let numbers = word.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    numbers.map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(version("nats-server: v2.15.1"), Some(vec![2, 15, 1]));
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(vec![15, 18]));
        assert_eq!(version("initdb (PostgreSQL) 19beta1"), Some(vec![19]));
        assert_eq!(version("nats-server: unknown"), None);
        assert!(version("v2.9.10").unwrap().as_slice() < &NATS_LEAST[..], "as text it would be newer");
    }
}
