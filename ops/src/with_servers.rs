//! `natter with-servers -- COMMAND`: runs a command beside private servers in a fresh directory, and ends with its exit
//! code.
//!
//! `ops/test` runs every test this way. The command finds the servers in `NATTER_TEST_DATABASE_URL` (superuser,
//! maintenance database), `NATTER_TEST_NATS` (`host:port`) with `NATTER_TEST_NATS_PASSWORD` for users `t000` to `t511`,
//! `NATTER_TEST_CQL` (`host:port`), and a directory for its files in `NATTER_TEST_DIR`. All of it is removed afterwards.
//!
//! A `NATTER_TEST_CQL` that is set already names somebody's CQL server, a ScyllaDB say: it is used and none is started.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::servers::{self, Cql, Plan, Servers};
use crate::signals::Signals;
use crate::tally::{self, Tally};

/// How long the output of a command that has ended may still be written by what it left behind.
const PATIENCE_FOR_OUTPUT: Duration = Duration::from_secs(2);
/// What of our variables the command still sees: where the programs are, and what tests are told. A person's own
/// settings are not for tests.
const PASSED_ON: [&str; 5] =
    ["NATTER_TEST_", "NATTER_POSTGRES_", "NATTER_NATS_SERVER", "NATTER_CASSANDRA_LIB", "NATTER_JAVA"];
const CQL: &str = "NATTER_TEST_CQL";

#[derive(Args, Clone, Debug)]
pub struct WithServersArgs {
    /// Keep everything in this directory afterwards [default: a new one below .natter/tests, removed]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The command is `cargo test`: end with a line of its results, summed up
    #[arg(long)]
    tally: bool,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub async fn with_servers(args: WithServersArgs) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => fresh_dir().await?,
    };
    let plan = Plan { dir_is_chosen: args.dir.is_some(), cql: cql(std::env::var(CQL).ok()), ..Plan::tests(&dir) };
    let servers = Servers::start(plan, &say).await?;
    let outcome = attend(&args, &dir, &servers, &mut signals).await;
    servers.stop(&say).await?;
    if args.dir.is_none() {
        servers::remove(&dir, &say).await?;
    }
    let (status, tally) = outcome?;
    if let Some(tally) = tally {
        tally.print(status);
    }
    Ok(exit_code(status))
}

/// The one that somebody named, or a private one; an empty variable names none.
fn cql(named: Option<String>) -> Cql {
    named.filter(|node| !node.is_empty()).map_or(Cql::Private, |node| Cql::Given(vec![node]))
}

/// A new directory beside those of earlier runs; what killed ones left is removed first.
async fn fresh_dir() -> Result<PathBuf> {
    let data_dir = std::env::var_os("NATTER_DATA_DIR")
        .filter(|dir| !dir.is_empty())
        .map_or_else(|| PathBuf::from(".natter"), PathBuf::from);
    let all = data_dir.join("tests");
    std::fs::create_dir_all(&all).with_context(|| format!("make {}", all.display()))?;
    let all = all.canonicalize().with_context(|| format!("resolve {}", all.display()))?;
    for entry in all.read_dir().with_context(|| format!("list {}", all.display()))?.flatten() {
        // Named after the run's pid. One that has just made its directory holds no lock on it yet.
        if !Path::new("/proc").join(entry.file_name()).exists() {
            servers::remove(&entry.path(), &say).await?;
        }
    }
    Ok(all.join(std::process::id().to_string()))
}

/// Runs the command to its end, passing on signals; ends it when a server dies under it.
async fn attend(
    args: &WithServersArgs,
    dir: &Path,
    servers: &Servers,
    signals: &mut Signals,
) -> Result<(ExitStatus, Option<Tally>)> {
    let mut child = spawn(args, dir, servers)?;
    let group =
        child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).context("the command has no pid")?;
    let tally = child.stdout.take().map(|output| tokio::spawn(tally::copy(output, std::io::stdout())));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for the command")?,
            signal = signals.next() => send(group, signal),
            error = servers.died() => {
                send(group, Signal::TERM);
                return Err(error);
            }
        }
    };
    // What it left behind would hold on to servers that end now.
    send(group, Signal::TERM);
    Ok((status, finish(tally).await))
}

fn spawn(args: &WithServersArgs, dir: &Path, servers: &Servers) -> Result<Child> {
    let work = dir.join("work");
    std::fs::create_dir_all(&work).with_context(|| format!("make {}", work.display()))?;
    let mut command = Command::from(servers::ends_with_us(&args.command[0])?);
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_a_setting(&variable.to_string_lossy())) {
        command.env_remove(variable);
    }
    command
        .args(&args.command[1..])
        .env("NATTER_TEST_DATABASE_URL", servers.database_url())
        .env("NATTER_TEST_NATS", servers.nats_address().unwrap_or_default())
        .env("NATTER_TEST_NATS_PASSWORD", servers.nats_password().unwrap_or_default())
        .env(CQL, servers.cql_nodes().first().map_or("", String::as_str))
        .env("NATTER_TEST_DIR", work)
        .stdout(if args.tally { Stdio::piped() } else { Stdio::inherit() })
        // A group of its own, so that a signal reaches the tests and not cargo alone; such a group cannot read the
        // terminal.
        .process_group(0)
        .stdin(Stdio::null());
    command.spawn().with_context(|| format!("start {}", args.command[0]))
}

fn is_a_setting(variable: &str) -> bool {
    variable.starts_with("NATTER_") && !PASSED_ON.iter().any(|kept| variable.starts_with(kept))
}

/// A group that has ended needs no signal.
fn send(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

async fn finish(tally: Option<JoinHandle<Tally>>) -> Option<Tally> {
    tokio::time::timeout(PATIENCE_FOR_OUTPUT, tally?).await.ok()?.ok()
}

/// As shells tell it: 128 and the signal's number for a command that was ended by one.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Beside the command's own output, which may be read by a machine.
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cql_server_that_is_named_is_used_and_none_is_started() {
        assert_eq!(cql(Some("10.0.0.1:9042".to_owned())), Cql::Given(vec!["10.0.0.1:9042".to_owned()]));
        assert_eq!(cql(Some(String::new())), Cql::Private);
        assert_eq!(cql(None), Cql::Private);
    }

    /// Tests that own a server find its program as we do; a person's own settings are not for them.
    #[test]
    fn programs_are_passed_on_and_settings_are_not() {
        for kept in ["NATTER_CASSANDRA_LIB", "NATTER_JAVA", "NATTER_NATS_SERVER", "NATTER_TEST_BINARY", "PATH"] {
            assert!(!is_a_setting(kept), "{kept}");
        }
        for removed in ["NATTER_HISTORY", "NATTER_CQL_NODES", "NATTER_DATABASE_URL", "NATTER_LISTEN"] {
            assert!(is_a_setting(removed), "{removed}");
        }
    }
}
