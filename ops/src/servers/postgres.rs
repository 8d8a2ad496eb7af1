//! The private PostgreSQL: made once, started as our child in the foreground, ended with a fast shutdown.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::port::Ports;
use super::process::{Process, tail};
use super::user::RunAs;
use super::{Say, Shape, leftover, place, program, secret, show};

const USUAL_PORT: u16 = 15_432;
/// It may have a crash to recover from, on a slow disk: minutes are normal then, and it says so in its log.
const PATIENCE_TO_START: Duration = Duration::from_secs(300);
const PATIENCE_TO_STOP: Duration = Duration::from_secs(60);
const PROGRAMS: [&str; 2] = ["postgres", "initdb"];

/// Settings that differ from PostgreSQL's own defaults, with the reason. What makes a commit durable (`fsync`,
/// `full_page_writes`, `synchronous_commit`) is never touched, for tests and benchmarks neither.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    // One door, with a password. A socket's path would also be too long in a deep data directory.
    ("unix_socket_directories", ""),
    // The log is appended to all day: fewer checkpoints, fewer full page images after each.
    ("max_wal_size", "4GB"),
    // Those images compress well, and processors are faster than disks here.
    ("wal_compression", "on"),
    // Our statements take microseconds; compiling one takes longer than running it.
    ("jit", "off"),
    ("log_timezone", "UTC"),
];
/// A node and its tools, several nodes in a demo: pools of a few dozen each.
const NODE_SETTINGS: &[(&str, &str)] = &[("max_connections", "200"), ("shared_buffers", "256MB")];
/// Many tests side by side, each with pools of its own on a small database.
const TEST_SETTINGS: &[(&str, &str)] = &[("max_connections", "400"), ("shared_buffers", "128MB")];

pub struct Postgres {
    pub url: String,
    pub process: Process,
    port: u16,
}

/// Everything about one private PostgreSQL that does not change while it runs.
struct Home {
    dir: PathBuf,
    run_as: RunAs,
    bin: PathBuf,
    shape: Shape,
}

pub async fn start(dir: &Path, dir_is_chosen: bool, shape: Shape, say: &Say) -> Result<Postgres> {
    end_leftovers(dir, say).await?;
    let (home, run_as) = place::postgres_home(dir, dir_is_chosen)?;
    if !home.starts_with(dir) {
        say(&format!(
            "postgresql   keeps its data in {}: it refuses to run as root, and its user cannot reach {}",
            home.display(),
            show(dir)
        ));
    }
    let home = Home { dir: home, run_as, bin: program::postgres_bin()?, shape };
    home.make_cluster(say).await?;
    let (process, port) = home.start(say).await?;
    let postgres = Postgres { url: home.url(port)?, process, port };
    if shape == Shape::Node {
        make_database(&home.maintenance_url(port)?).await?;
    }
    Ok(postgres)
}

impl Postgres {
    pub async fn stop(&self, say: &Say) -> Result<()> {
        say(&format!("postgresql   stopping (127.0.0.1:{})", self.port));
        // QUIT is PostgreSQL's immediate shutdown: it recovers at the next start.
        self.process.stop(PATIENCE_TO_STOP, &[Signal::QUIT, Signal::KILL]).await
    }
}

/// Ends what a killed run left in either place, and the pid file with it: PostgreSQL does not start while the number in
/// it is anybody's, and after a reboot it is.
pub async fn end_leftovers(dir: &Path, say: &Say) -> Result<()> {
    for home in place::postgres_homes(dir) {
        let found = leftover::find(&home, &PROGRAMS);
        let pid_file = home.join("data/postmaster.pid");
        let postmaster =
            std::fs::read_to_string(&pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<i32>().ok());
        if !found.is_empty() {
            let pids: Vec<String> = found.iter().map(|process| process.pid.to_string()).collect();
            say(&format!("postgresql   an earlier run left it running (pid {}): ending it", pids.join(", ")));
        } else if let Some(pid) = postmaster {
            say(&format!(
                "postgresql   an earlier run left a stale pid file (pid {pid} is no server of ours now): removed"
            ));
        }
        // INT is a fast shutdown for the postmaster, and no more than "cancel your query" for its children.
        leftover::end(&home, &PROGRAMS, |pid| if Some(pid) == postmaster { Signal::INT } else { Signal::TERM }).await?;
        if postmaster.is_some() {
            let _ = std::fs::remove_file(&pid_file);
        }
    }
    Ok(())
}

impl Home {
    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// `initdb` into a directory that gets its name when all is done: one that was killed half-way is made anew.
    async fn make_cluster(&self, say: &Say) -> Result<()> {
        if self.data().exists() {
            return Ok(());
        }
        say(&format!("postgresql   making a new cluster in {}", show(&self.dir)));
        let unfinished = self.dir.join("data.new");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)
                .with_context(|| format!("remove unfinished {}", unfinished.display()))?;
        }
        self.write_password()?;
        std::fs::create_dir(&unfinished).with_context(|| format!("make {}", unfinished.display()))?;
        self.run_as.own(&unfinished)?;
        self.initdb(&unfinished).await?;
        std::fs::rename(&unfinished, self.data()).context("name the finished cluster")
    }

    async fn initdb(&self, unfinished: &Path) -> Result<()> {
        let mut command = self.command("initdb", "KILL")?;
        command.arg("-D").arg(unfinished).args([
            "-U",
            "natter",
            "--no-locale",
            "-E",
            "UTF8",
            "-A",
            "scram-sha-256",
            "--pwfile",
        ]);
        command.arg(self.password_file());
        Process::start("initdb", command, &self.dir.join("log"), Signal::TERM).await?.finished().await
    }

    fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    fn write_password(&self) -> Result<()> {
        let path = self.password_file();
        let _ = std::fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("make {}", path.display()))?;
        file.write_all(secret().as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("write {}", path.display()))?;
        self.run_as.own(&path)
    }

    /// On the first port that can be had.
    async fn start(&self, say: &Say) -> Result<(Process, u16)> {
        let ports = Ports::new(USUAL_PORT, &self.dir);
        for port in ports.free() {
            say(&format!("postgresql   starting on 127.0.0.1:{port} (data in {})", show(&self.data())));
            let process = Process::start("postgresql", self.server(port)?, &self.dir.join("log"), Signal::INT).await?;
            if self.is_ready(&process, port, say).await? {
                ports.remember(port);
                return Ok((process, port));
            }
            say(&format!("postgresql   port {port} was taken meanwhile: trying another"));
        }
        bail!("no free port between {USUAL_PORT} and {}", USUAL_PORT + 1000)
    }

    fn server(&self, port: u16) -> Result<Command> {
        // INT: a fast shutdown also when we are killed.
        let mut command = self.command("postgres", "INT")?;
        command.arg("-D").arg(self.data()).arg("-c").arg(format!("port={port}"));
        let more = match self.shape {
            Shape::Node => NODE_SETTINGS,
            Shape::Tests => TEST_SETTINGS,
        };
        for (name, value) in SETTINGS.iter().chain(more) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        Ok(command)
    }

    fn command(&self, program: &str, on_our_death: &str) -> Result<Command> {
        let mut command = self.run_as.command(self.bin.join(program), on_our_death)?;
        // Messages are read by us too (a taken port); and its user may not be able to stand where we do.
        command.env("LC_ALL", "C").current_dir(&self.dir);
        program::with_libraries(&mut command);
        Ok(command)
    }

    /// `false`: the port was taken. PostgreSQL itself writes down that it is ready, with pid and port: a stranger's
    /// server that answers on our port cannot be taken for ours.
    async fn is_ready(&self, process: &Process, port: u16, say: &Say) -> Result<bool> {
        let begin = Instant::now();
        let mut next_word = Duration::from_secs(10);
        while begin.elapsed() < PATIENCE_TO_START {
            let pid_file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if says_ready(&pid_file, process.pid(), port) {
                return Ok(true);
            }
            if process.has_ended() {
                let output = process.output();
                if output.contains("could not bind") {
                    return Ok(false);
                }
                bail!(
                    "postgresql ended at once; the last it wrote to {}:\n{}",
                    self.dir.join("log").display(),
                    tail(&output)
                );
            }
            if begin.elapsed() > next_word {
                next_word += Duration::from_secs(10);
                say("postgresql   still starting (it recovers after an unclean end)");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("postgresql is not ready after {} s; see {}", PATIENCE_TO_START.as_secs(), self.dir.join("log").display())
    }

    fn url(&self, port: u16) -> Result<String> {
        match self.shape {
            Shape::Node => url(&self.dir, port, "natter"),
            Shape::Tests => self.maintenance_url(port),
        }
    }

    fn maintenance_url(&self, port: u16) -> Result<String> {
        url(&self.dir, port, "postgres")
    }
}

/// Of the database of a node in data directory `dir`, wherever it is kept.
pub fn url_of_last_start(dir: &Path) -> Option<String> {
    let home = place::postgres_homes(dir).into_iter().find(|home| home.join("data").exists())?;
    url(&home, Ports::new(USUAL_PORT, &home).remembered()?, "natter").ok()
}

fn url(home: &Path, port: u16, database: &str) -> Result<String> {
    let path = home.join("password");
    let password = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(format!("postgres://natter:{}@127.0.0.1:{port}/{database}", password.trim()))
}

/// Lines of `postmaster.pid`: pid, data directory, start time, port, socket directory, address, shared memory, state.
fn says_ready(pid_file: &str, pid: u32, port: u16) -> bool {
    let lines: Vec<&str> = pid_file.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str())
        && lines.get(3) == Some(&port.to_string().as_str())
        && lines.get(7) == Some(&"ready")
}

async fn make_database(maintenance_url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(maintenance_url).await.context("connect to private postgresql")?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'natter')")
        .fetch_one(&mut connection)
        .await
        .context("look for database natter")?;
    if !there {
        sqlx::query("CREATE DATABASE natter").execute(&mut connection).await.context("create database natter")?;
    }
    connection.close().await.context("leave the maintenance database")
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "4711\n/x/data\n1700000000\n15432\n\n127.0.0.1\n  1 2\nready   \n";

    #[test]
    fn ready_is_believed_of_our_process_on_our_port_only() {
        assert!(says_ready(READY, 4711, 15_432));
        assert!(!says_ready(READY, 4712, 15_432), "another process's file, left behind");
        assert!(!says_ready(READY, 4711, 15_433));
        assert!(!says_ready(&READY.replace("ready", "starting"), 4711, 15_432));
        assert!(!says_ready("", 4711, 15_432));
    }

    #[test]
    fn nothing_that_makes_commits_durable_is_switched() {
        for (name, _) in SETTINGS.iter().chain(NODE_SETTINGS).chain(TEST_SETTINGS) {
            assert!(!["fsync", "full_page_writes", "synchronous_commit", "wal_sync_method"].contains(name), "{name}");
        }
    }
}
