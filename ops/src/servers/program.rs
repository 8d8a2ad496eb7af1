//! Where the servers' programs are, and whether they are new enough.
//!
//! `ops/run` and `ops/test` fetch what is missing and name it in the environment. Who calls `natter` by hand gets what
//! those scripts once fetched, or what the machine has.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::user::find_on_path;

/// The oldest release that still gets its faults mended.
const POSTGRES_LEAST: [u32; 1] = [14];
/// The oldest one that the log was tried on; Debian's is years behind and lacks per-key expiry.
const NATS_LEAST: [u32; 3] = [2, 15, 1];
/// Cassandra 5.0 was tried on no other.
const JAVA: u32 = 17;
const CASSANDRA: &str = "cassandra-5.0.6";

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

/// The `java` that Cassandra runs on.
pub fn java() -> Result<PathBuf> {
    if let Some(named) = named("NATTER_JAVA") {
        return good_java(&named).map(|()| named).context("NATTER_JAVA");
    }
    let of_home = named("JAVA_HOME").map(|home| home.join("bin/java"));
    [of_home, find_on_path("java")]
        .into_iter()
        .flatten()
        .chain(javas_of_debian())
        .find(|java| good_java(java).is_ok())
        .context("no Java 17 here, on which Cassandra runs: ./ops/test and ./ops/run --history scylla fetch one, or name its `java` in NATTER_JAVA")
}

/// Directory with Cassandra's jars.
pub fn cassandra_lib() -> Result<PathBuf> {
    if let Some(named) = named("NATTER_CASSANDRA_LIB") {
        return jamm(&named).map(|_| named).context("NATTER_CASSANDRA_LIB");
    }
    let fetched = fetched_cassandra().filter(|lib| jamm(lib).is_ok());
    fetched.context("no Apache Cassandra here: ./ops/test and ./ops/run --history scylla fetch one, or name the directory of its jars in NATTER_CASSANDRA_LIB")
}

/// The jar by which Cassandra measures its memory; it is one of many, and none of them is missing where this one and
/// Cassandra's own are: `ops/fetch` checks them all before it names the directory.
pub fn jamm(lib: &Path) -> Result<PathBuf> {
    let jar = |start: &str| {
        let entries = lib.read_dir().with_context(|| format!("list {}", lib.display()))?;
        let is_it = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(start) && name.ends_with(".jar"));
        let found = entries.flatten().find(|entry| is_it(&entry.file_name())).map(|entry| entry.path());
        found.with_context(|| format!("{} has no {start}*.jar", lib.display()))
    };
    jar("cassandra-all-")?;
    jar("jamm-")
}

/// Where `ops/fetch` puts it.
fn fetched_cassandra() -> Option<PathBuf> {
    let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("natter").join(CASSANDRA))
}

fn javas_of_debian() -> Vec<PathBuf> {
    let all = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    all.map(|entry| entry.path().join("bin/java")).filter(|java| java.is_file()).collect()
}

/// Newer ones lack what Cassandra 5.0 reaches for. `java -version` speaks to the error output.
fn good_java(java: &Path) -> Result<()> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {} -version", java.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match java_release(&said) {
        Some(JAVA) => Ok(()),
        _ => bail!("{} is no Java {JAVA}: {}", java.display(), said.lines().next().unwrap_or_default()),
    }
}

/// The 17 of `openjdk version "17.0.15" 2025-04-15`, whatever stands before it.
fn java_release(said: &str) -> Option<u32> {
    let (_, version) = said.split_once(" version \"")?;
    version.split(['.', '"', '-']).next()?.parse().ok()
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

    #[test]
    fn a_javas_release_is_read_from_what_it_says() {
        assert_eq!(java_release("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_release("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njava version \"17\" 2021-09-14"), Some(17));
        assert_eq!(java_release("java version \"1.8.0_412\""), Some(1));
        assert_eq!(java_release("sh: 1: not found"), None);
    }

    #[test]
    fn what_the_scripts_fetch_is_what_is_looked_for() {
        let (script, jars) = (include_str!("../../fetch"), include_str!("../../cassandra.sha256"));
        let fetched = script.lines().find_map(|line| line.strip_prefix("cassandra_version=")).unwrap();
        assert_eq!(CASSANDRA, format!("cassandra-{fetched}"));
        assert!(jars.contains(&format!("  cassandra-all-{fetched}.jar\n")), "its jars are listed");
        assert!(script.contains(&format!("\njava_version={JAVA}\n")));
    }

    #[test]
    fn half_a_cassandra_is_refused_with_what_it_lacks() {
        let lib = std::env::temp_dir().join(format!("natter-jars-{}", std::process::id()));
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join("jamm-0.4.0.jar"), "").unwrap();
        let refusal = jamm(&lib).unwrap_err().to_string();
        assert!(refusal.contains("has no cassandra-all-*.jar"), "{refusal}");
        std::fs::write(lib.join("cassandra-all-5.0.6.jar"), "").unwrap();
        assert_eq!(jamm(&lib).unwrap(), lib.join("jamm-0.4.0.jar"));
        std::fs::remove_dir_all(&lib).unwrap();
    }
}
