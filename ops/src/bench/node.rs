//! `natter serve` as a process of its own, that a benchmark starts, hurts and ends.

use super::{cpu::Whose, report::Report};
use crate::servers::{self, Plan, Servers};
use anyhow::{Context, Result, bail, ensure};
use natter_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(60);
const LINES_SHOWN: usize = 20;

/// One installation, as its nodes are told of it.
#[derive(Clone, Debug)]
pub struct Site {
    pub program: PathBuf,
    pub dir: PathBuf,
    pub database_url: String,
    pub nats_url: String,
    /// Further variables of a node's environment.
    pub more: Vec<(String, String)>,
}

impl Site {
    /// On these servers, with the program that runs now.
    pub fn of(servers: &Servers, dir: &Path) -> Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            dir: dir.to_owned(),
            database_url: servers.database_url().to_owned(),
            nats_url: servers.nats_url().to_owned(),
            more: Vec::new(),
        })
    }
}

/// Measures on servers of its own, which are taken away again whatever came of it.
pub(super) async fn on_own_servers(measure: impl AsyncFnOnce(&Site, Whose) -> Result<Report>) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let servers = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let measured = measure(&Site::of(&servers, &dir)?, Whose::on(&servers, Vec::new())).await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

/// A node: its address stays the same over all its starts.
pub struct Node {
    site: Site,
    /// As `NATTER_ROLES` names them; `all` is every one.
    pub roles: String,
    listen: SocketAddr,
    child: Option<Child>,
}

impl Node {
    /// Started, not waited for.
    pub fn launch(site: &Site, roles: &str) -> Result<Self> {
        let mut node = Self { site: site.clone(), roles: roles.to_owned(), listen: free_address()?, child: None };
        node.launch_again()?;
        Ok(node)
    }

    /// Started, and answering.
    pub async fn start(site: &Site, roles: &str) -> Result<Self> {
        let mut node = Self::launch(site, roles)?;
        node.ready().await?;
        Ok(node)
    }

    /// On the same address, once it has ended.
    pub fn launch_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "a node is started again once it has ended");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.site.program);
        command
            .arg("serve")
            .env("NATTER_DATABASE_URL", &self.site.database_url)
            .env("NATTER_NATS_URL", &self.site.nats_url)
            .env("NATTER_LISTEN", self.listen.to_string())
            .env("NATTER_DATA_DIR", &self.site.dir)
            .env("NATTER_LIMITS", "off")
            .envs(self.site.more.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        if self.roles != "all" {
            command.env("NATTER_ROLES", &self.roles);
        }
        self.child = Some(command.spawn().context("start natter serve")?);
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// Whether clients come in here.
    pub fn is_edge(&self) -> bool {
        self.roles.split(',').any(|role| matches!(role.trim(), "all" | "edge"))
    }

    /// Waits until it says that it serves.
    pub async fn ready(&mut self) -> Result<()> {
        let client = Client::new(&self.url())?;
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            self.lives()?;
            if client.is_ready().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("natter serve ({}) is not ready after {} s:\n{}", self.roles, START.as_secs(), self.last_words())
    }

    /// An error where it has ended by itself.
    pub fn lives(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            self.child = None;
            bail!("natter serve ({}) ended with {status}:\n{}", self.roles, self.last_words());
        }
        Ok(())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.context("the node runs")?, signal).context("signal a node")
    }

    /// SIGKILL, and gone when this returns.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.gone().await
    }

    /// SIGTERM, and gone when this returns.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.gone().await
    }

    /// It ends within a bound, whoever told it to.
    async fn gone(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let ended = tokio::time::timeout(END, child.wait()).await;
        ended.with_context(|| format!("natter serve ({}) does not end", self.roles))??;
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.site.dir.join(format!("natter-{}.log", self.listen.port()))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

/// Below the range that the kernel hands to outgoing connections.
fn free_address() -> Result<SocketAddr> {
    use rand::Rng;
    for _ in 0..100 {
        let address = SocketAddr::from(([127, 0, 0, 1], rand::rng().random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port below 32768")
}
