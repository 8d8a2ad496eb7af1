//! One `natter serve`, a process of its own: started, killed, stopped, started again on the same port.

use crate::{
    eventually::{BOUND, eventually, within},
    person::Person,
    raw::Raw,
    stack::{LANES, Site, binary},
};
use natter_client::Client;
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Output, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::process::{Child, Command};

/// Below 32768: from there on the kernel hands ports to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 20;
/// A start checks, migrates, and reads the whole log.
const START: Duration = Duration::from_secs(60);
const LINES_SHOWN: usize = 80;

/// How a node differs from the usual one.
#[derive(Clone, Debug)]
pub struct Options {
    /// `point=action` pairs of `natter_streams::fault`.
    pub faults: Option<String>,
    pub heartbeat: Duration,
    /// Further variables of its environment.
    pub more: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { faults: None, heartbeat: Duration::from_secs(5), more: Vec::new() }
    }
}

impl Options {
    pub fn faults(faults: impl Into<String>) -> Self {
        Self { faults: Some(faults.into()), ..Self::default() }
    }
}

/// See the module's page. Dropping it kills the process; what it wrote is shown when the test fails.
pub struct Node {
    site: Arc<Site>,
    options: Options,
    port: u16,
    child: Child,
    /// How often it was started.
    starts: u32,
    name: String,
}

impl Node {
    pub(crate) async fn start(site: Arc<Site>, options: Options) -> Self {
        let name = natter_client::new_id().simple().to_string();
        for _ in 0..TRIES {
            let port = free_port();
            let child = spawn(&site, &options, port, &name, 1);
            let mut node =
                Self { site: site.clone(), options: options.clone(), port, child, starts: 1, name: name.clone() };
            if node.comes_up().await {
                return node;
            }
        }
        panic!("no free port for a node in {TRIES} tries");
    }

    pub fn base_url(&self) -> String {
        let scheme = if self.certificate().is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Nodes have every role unless they are told which.
    pub(crate) fn owns_lanes(&self) -> bool {
        let mut roles = self.options.more.iter().filter(|(name, _)| *name == "NATTER_ROLES").map(|(_, roles)| roles);
        roles.next().is_none_or(|roles| roles.split(',').any(|role| role == "commands"))
    }

    /// Believes the certificate that the node is given now, where it has one.
    pub fn client(&self) -> Client {
        let url = self.base_url();
        let Some(path) = self.certificate() else { return Client::new(&url).expect("a node's url is one") };
        Client::trusting(&url, &std::fs::read(path).expect("read the node's certificate")).expect("it is one")
    }

    fn certificate(&self) -> Option<&String> {
        let mut certificates = self.options.more.iter().filter(|(name, _)| *name == "NATTER_TLS_CERT");
        certificates.next().map(|(_, path)| path)
    }

    /// As nobody, in raw JSON.
    pub fn raw(&self) -> Raw {
        Raw::new(self.client(), None)
    }

    /// A new account, and its owner online.
    pub async fn register(&self, name: &str) -> Person {
        Person::register(self.client(), name).await
    }

    /// Somebody who has an account, signed in anew and online.
    pub async fn sign_in(&self, name: &str) -> Person {
        Person::sign_in(self.client(), name).await
    }

    /// Waits until it answers that it serves.
    pub async fn ready(&mut self) {
        assert!(self.comes_up().await, "its port was taken meanwhile");
    }

    /// `false`: its port was taken.
    async fn comes_up(&mut self) -> bool {
        let client = self.client();
        let started = tokio::time::Instant::now();
        while started.elapsed() < START {
            if client.is_ready().await {
                return true;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                if self.output().contains("in use") {
                    return false;
                }
                panic!("natter ended at its start with {status}; it wrote:\n{}", self.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("natter is not ready after {} s; it wrote:\n{}", START.as_secs(), self.output());
    }

    /// SIGKILL, and the process is gone when this returns.
    pub async fn kill(&mut self) {
        let _ = self.child.start_kill();
        self.exited().await;
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.tell_to_stop();
        self.exited().await
    }

    /// SIGTERM, not waited for.
    pub fn tell_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it stands still, and does not know.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end, whoever caused it.
    pub async fn exited(&mut self) -> ExitStatus {
        let exited = within("natter's end", BOUND * 2, self.child.wait()).await;
        exited.expect("wait for natter")
    }

    /// Again, on the same port, with the same options. It has ended before.
    pub async fn restart(&mut self) {
        self.restart_with(self.options.clone()).await;
    }

    pub async fn restart_with(&mut self, options: Options) {
        self.launch(options).await;
        self.ready().await;
    }

    /// Starts again without waiting until it serves.
    pub async fn launch(&mut self, options: Options) {
        assert!(matches!(self.child.try_wait(), Ok(Some(_))), "the node has ended before it is started again");
        let port = self.port;
        eventually("the node's port is free again", BOUND, async || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| error.to_string())
        })
        .await;
        self.starts += 1;
        self.options = options;
        self.child = spawn(&self.site, &self.options, self.port, &self.name, self.starts);
    }

    /// Another command of the same binary, on the same database and NATS account, to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "").await
    }

    /// The same, with fault points of its own.
    pub async fn run_with(&self, arguments: &[&str], faults: &str) -> Output {
        let mut command = command(&self.site);
        command.args(arguments).env("NATTER_FAULTS", faults).stdin(Stdio::null()).kill_on_drop(true);
        within("a command of natter", BOUND * 3, command.output()).await.expect("run natter")
    }

    /// How often this start reached the fault point.
    pub fn reached(&self, point: &str) -> usize {
        let text = std::fs::read_to_string(faults_log(&self.site, &self.name, self.starts)).unwrap_or_default();
        // Not by lines: two threads that reach a point at once may write their names before their line ends.
        text.matches(point).count()
    }

    /// What it has written since its last start.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(output_path(&self.site, &self.name, self.starts)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        if !std::thread::panicking() {
            return;
        }
        for start in 1..=self.starts {
            let bytes = std::fs::read(output_path(&self.site, &self.name, start)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!(
                "--- natter on port {}, start {start}, its last {} lines\n{}",
                self.port,
                shown.len(),
                shown.join("\n")
            );
        }
    }
}

fn spawn(site: &Site, options: &Options, port: u16, name: &str, start: u32) -> Child {
    let output = std::fs::File::create(output_path(site, name, start)).expect("make a node's output file");
    let errors = output.try_clone().expect("share a node's output file");
    let mut command = command(site);
    command
        .arg("serve")
        .env("NATTER_LISTEN", format!("127.0.0.1:{port}"))
        .env("NATTER_LANES", LANES.to_string())
        .env("NATTER_ARGON2", "cheap")
        .env("NATTER_LIMITS", "off")
        .env("NATTER_HEARTBEAT_MS", options.heartbeat.as_millis().to_string())
        .env("NATTER_FAULTS_LOG", faults_log(site, name, start))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true);
    if let Some(faults) = &options.faults {
        command.env("NATTER_FAULTS", faults);
    }
    command.envs(options.more.iter().map(|(name, value)| (name, value)));
    command.spawn().expect("start natter")
}

/// `natter` on this installation.
fn command(site: &Site) -> Command {
    let mut command = Command::new(binary());
    command
        .env("NATTER_DATABASE_URL", &site.database_url)
        .env("NATTER_LANE_STORES", &site.lane_stores)
        .env("NATTER_NATS_URL", &site.nats_url)
        .env("NATTER_DATA_DIR", &site.dir)
        .env_remove("NATTER_FAULTS");
    command
}

fn output_path(site: &Site, name: &str, start: u32) -> PathBuf {
    site.dir.join(format!("node-{name}-{start}.log"))
}

fn faults_log(site: &Site, name: &str, start: u32) -> PathBuf {
    site.dir.join(format!("node-{name}-{start}.faults"))
}

pub(crate) fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| rand::rng().random_range(PORTS)).take(1_000);
    let mut free = candidates.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().expect("some port is free")
}
