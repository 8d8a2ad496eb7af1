//! The private nats-server, with JetStream. Its configuration is `ops/nats.conf`, carried in the binary; passwords and
//! accounts are written beside a copy of it at every start.
//!
//! It runs as whoever runs us, also as root: its program and its store lie where another user may have no way in.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::port::Ports;
use super::process::{Process, tail};
use super::user::RunAs;
use super::{Say, Shape, leftover, place, program, secret, show};

const CONFIGURATION: &str = include_str!("../../nats.conf");
const USUAL_PORT: u16 = 14_222;
/// A large store is read through at the start.
const PATIENCE_TO_START: Duration = Duration::from_secs(120);
const PATIENCE_TO_STOP: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 1] = ["nats-server"];
/// The user of a node.
const NODE: &str = "natter";
/// How many tests of one run can have an account of their own.
pub const TEST_ACCOUNTS: usize = 2048;

pub struct Nats {
    pub url: String,
    pub address: String,
    pub password: String,
    pub process: Process,
}

struct Home {
    dir: PathBuf,
    program: PathBuf,
}

pub async fn start(dir: &Path, shape: Shape, say: &Say) -> Result<Nats> {
    end_leftovers(dir, say).await?;
    let home = Home { dir: place::own_home(dir, "nats")?, program: program::nats_server()? };
    let password = home.password()?;
    home.write("nats.conf", CONFIGURATION)?;
    home.write("accounts.conf", &accounts(shape, &password))?;
    let (process, port) = home.start(say).await?;
    let address = format!("127.0.0.1:{port}");
    let user = match shape {
        Shape::Node => NODE,
        Shape::Tests => "t000",
    };
    Ok(Nats { url: url(user, &password, port), address, password, process })
}

/// Of a node in data directory `dir`.
pub fn url_of_last_start(dir: &Path) -> Option<String> {
    let home = dir.join("nats");
    let password = std::fs::read_to_string(home.join("password")).ok()?;
    Some(url(NODE, password.trim(), Ports::new(USUAL_PORT, &home).remembered()?))
}

fn url(user: &str, password: &str, port: u16) -> String {
    format!("nats://{user}:{password}@127.0.0.1:{port}")
}

impl Nats {
    pub async fn stop(&self, say: &Say) -> Result<()> {
        say(&format!("nats         stopping ({})", self.address));
        self.process.stop(PATIENCE_TO_STOP, &[Signal::KILL]).await
    }
}

/// Ends what a killed run left.
pub async fn end_leftovers(dir: &Path, say: &Say) -> Result<()> {
    let home = dir.join("nats");
    for process in leftover::find(&home, &PROGRAMS) {
        say(&format!("nats         an earlier run left it running (pid {}): ending it", process.pid));
    }
    leftover::end(&home, &PROGRAMS, |_| Signal::TERM).await
}

impl Home {
    async fn start(&self, say: &Say) -> Result<(Process, u16)> {
        let ports = Ports::new(USUAL_PORT, &self.dir);
        for port in ports.free() {
            say(&format!("nats         starting on 127.0.0.1:{port} (data in {})", show(&self.store())));
            let process =
                Process::start("nats-server", self.server(port)?, &self.dir.join("log"), Signal::TERM).await?;
            if self.is_ready(&process).await? {
                ports.remember(port);
                return Ok((process, port));
            }
            say(&format!("nats         port {port} was taken meanwhile: trying another"));
        }
        bail!("no free port between {USUAL_PORT} and {}", USUAL_PORT + 1000)
    }

    fn server(&self, port: u16) -> Result<Command> {
        self.forget_ports_files();
        let mut command = RunAs::Ourselves.command(&self.program, "TERM")?;
        command.arg("-c").arg(self.dir.join("nats.conf")).arg("--ports_file_dir").arg(&self.dir);
        // Quoted: the server reads a variable's value as a piece of configuration.
        command.env("NATTER_NATS_LISTEN", format!("\"127.0.0.1:{port}\""));
        command.env("NATTER_NATS_STORE", format!("\"{}\"", self.store().display()));
        command.current_dir(&self.dir);
        Ok(command)
    }

    /// `false`: the port was taken. The server writes its ports down once it listens, in a file named after its pid: a
    /// stranger's server that answers on our port cannot be taken for ours.
    async fn is_ready(&self, process: &Process) -> Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE_TO_START {
            if self
                .ports_files()
                .iter()
                .any(|path| path.to_string_lossy().ends_with(&format!("_{}.ports", process.pid())))
            {
                return Ok(true);
            }
            if process.has_ended() {
                let output = process.output();
                if output.contains("address already in use") {
                    return Ok(false);
                }
                bail!(
                    "nats-server ended at once; the last it wrote to {}:\n{}",
                    self.dir.join("log").display(),
                    tail(&output)
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!(
            "nats-server is not ready after {} s; see {}",
            PATIENCE_TO_START.as_secs(),
            self.dir.join("log").display()
        )
    }

    /// Those of killed servers: a number comes again one day.
    fn forget_ports_files(&self) {
        for path in self.ports_files() {
            let _ = std::fs::remove_file(path);
        }
    }

    fn ports_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ports"))
            .collect()
    }

    fn store(&self) -> PathBuf {
        self.dir.join("jetstream")
    }

    /// Kept, so that what somebody wrote into a client's settings is right after the next start too.
    fn password(&self) -> Result<String> {
        match std::fs::read_to_string(self.dir.join("password")) {
            Ok(password) if !password.is_empty() => return Ok(password),
            _ => {}
        }
        let password = secret();
        self.write("password", &password)?;
        Ok(password)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
    }
}

/// What `ops/nats.conf` includes: who may come in. An account is a world of its own, subjects and streams included.
fn accounts(shape: Shape, password: &str) -> String {
    let names: Vec<String> = match shape {
        Shape::Node => vec!["natter".to_owned()],
        Shape::Tests => (0..TEST_ACCOUNTS).map(|n| format!("t{n:03}")).collect(),
    };
    let account = |name: &String| {
        format!(
            "  {}: {{ jetstream: enabled, users: [ {{ user: {name}, password: {password} }} ] }}\n",
            name.to_uppercase()
        )
    };
    format!("accounts {{\n{}}}\n", names.iter().map(account).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_user_has_an_account_of_its_own() {
        let text = accounts(Shape::Tests, "secret");
        assert_eq!(text.matches("jetstream: enabled").count(), TEST_ACCOUNTS);
        assert!(text.contains("T2047: { jetstream: enabled, users: [ { user: t2047, password: secret } ] }"));
        assert_eq!(accounts(Shape::Node, "secret").matches("user: natter").count(), 1);
    }
}
