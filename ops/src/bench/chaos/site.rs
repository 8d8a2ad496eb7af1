//! The processes that are hurt: PostgreSQL and nats-server of our own, and the nodes on them. A node that is not there is
//! started again, as whatever supervises it in the world would.

use super::{
    Options,
    fault::{Harm, Part, Strike},
};
use crate::{
    bench::{
        cpu,
        node::{self, Node},
    },
    servers::{self, Plan, Servers},
};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a node may need until it serves: it may wait for what was hurt with it.
const READY: Duration = Duration::from_secs(120);
/// A node that ends at its start is given this long before the next one.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

pub struct Site {
    postgres: Server,
    nats: Server,
    pub nodes: Vec<Supervised>,
}

/// A node and whether it is to be there.
pub struct Supervised {
    pub node: Node,
    wanted: bool,
    restarted: Instant,
    /// How often it ended without being told to.
    pub ended_by_itself: u64,
}

impl Site {
    pub async fn start(options: &Options) -> Result<Self> {
        let postgres = Server::start(&options.dir, Kind::Postgres).await?;
        let nats = Server::start(&options.dir, Kind::Nats).await?;
        let site = node::Site {
            program: options.program.clone(),
            dir: options.dir.join("natter"),
            database_url: postgres.url.clone(),
            nats_url: nats.url.clone(),
            more: options.settings.clone(),
        };
        std::fs::create_dir_all(&site.dir)?;
        let mut nodes = Vec::new();
        for roles in &options.nodes {
            // One after the other: the first makes the key and the tables.
            let node = Node::launch(&site, roles)?;
            nodes.push(Supervised { node, wanted: true, restarted: Instant::now(), ended_by_itself: 0 });
            tokio::time::timeout(READY, ready(nodes.last_mut().context("just pushed")?)).await??;
        }
        Ok(Self { postgres, nats, nodes })
    }

    pub fn database_url(&self) -> &str {
        &self.postgres.url
    }

    pub fn nats_url(&self) -> &str {
        &self.nats.url
    }

    /// Where clients come in.
    pub fn edges(&self) -> Vec<String> {
        self.nodes.iter().filter(|it| it.node.is_edge()).map(|it| it.node.url()).collect()
    }

    /// Hurts it; returns once it is gone or stands still.
    pub async fn begin(&mut self, strike: &Strike) -> Result<()> {
        match strike.part {
            Part::Postgres => self.postgres.begin(strike.harm).await,
            Part::Nats => self.nats.begin(strike.harm).await,
            Part::Node(number) => self.nodes[number].begin(strike.harm).await,
        }
    }

    /// Lets it go on, or starts it again.
    pub async fn end(&mut self, strike: &Strike) -> Result<()> {
        match strike.part {
            Part::Postgres => self.postgres.end(strike.harm).await,
            Part::Nats => self.nats.end(strike.harm).await,
            Part::Node(number) => self.nodes[number].end(strike.harm),
        }
    }

    /// Starts nodes again that ended.
    pub fn supervise(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Supervised::look_after)
    }

    /// Waits until every node serves.
    pub async fn all_ready(&mut self) -> Result<()> {
        for supervised in &mut self.nodes {
            tokio::time::timeout(READY, ready(supervised)).await.context("a node does not come back")??;
        }
        Ok(())
    }

    /// Ends everything in order; what they wrote goes with the directory.
    pub async fn stop(mut self, options: &Options) -> Result<()> {
        for supervised in &mut self.nodes {
            supervised.node.stop().await?;
        }
        self.nats.stop().await?;
        self.postgres.stop().await?;
        for kind in [Kind::Postgres, Kind::Nats] {
            servers::remove(&kind.dir(&options.dir), &|_| ()).await?;
        }
        Ok(())
    }
}

/// Until it serves, starting it as often as it takes.
async fn ready(supervised: &mut Supervised) -> Result<()> {
    let client = natter_client::Client::new(&supervised.node.url())?;
    while !client.is_ready().await {
        supervised.look_after()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

impl Supervised {
    async fn begin(&mut self, harm: Harm) -> Result<()> {
        if self.node.pid().is_none() {
            // It is down already, on its own or by a fault before.
            self.node.launch_again()?;
        }
        match harm {
            Harm::Pause => self.node.signal(Signal::STOP),
            Harm::Kill | Harm::Stop => {
                self.wanted = false;
                if harm == Harm::Kill { self.node.kill().await } else { self.node.stop().await }
            }
        }
    }

    fn end(&mut self, harm: Harm) -> Result<()> {
        if harm == Harm::Pause {
            return self.node.signal(Signal::CONT);
        }
        self.wanted = true;
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        self.restarted = Instant::now();
        self.node.launch_again()
    }

    fn look_after(&mut self) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        if let Err(ended) = self.node.lives() {
            tracing::warn!(error = %ended, "a node ended by itself");
            self.ended_by_itself += 1;
        }
        if self.node.pid().is_none() && self.restarted.elapsed() > RESTART_PAUSE {
            self.launch()?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Postgres,
    Nats,
}

impl Kind {
    fn dir(self, dir: &Path) -> PathBuf {
        dir.join(if self == Self::Postgres { "postgres" } else { "nats" })
    }
}

/// A server of our own, started again on the same port with the same data.
struct Server {
    kind: Kind,
    dir: PathBuf,
    running: Option<Servers>,
    url: String,
    /// Processes that stand still.
    stopped: Vec<Pid>,
}

impl Server {
    async fn start(dir: &Path, kind: Kind) -> Result<Self> {
        let mut server = Self { kind, dir: kind.dir(dir), running: None, url: String::new(), stopped: Vec::new() };
        server.start_again().await?;
        Ok(server)
    }

    async fn start_again(&mut self) -> Result<()> {
        let mut plan = Plan::node(&self.dir);
        // The other one is named, so that it is not started.
        match self.kind {
            Kind::Postgres => plan.nats_url = Some("none".to_owned()),
            Kind::Nats => plan.database_url = Some("none".to_owned()),
        }
        let servers = Servers::start(plan, &|_| ()).await?;
        let url = if self.kind == Kind::Postgres { servers.database_url() } else { servers.nats_url() };
        ensure!(self.url.is_empty() || self.url == url, "a server came back elsewhere: {url}");
        self.url = url.to_owned();
        self.running = Some(servers);
        Ok(())
    }

    async fn begin(&mut self, harm: Harm) -> Result<()> {
        match harm {
            Harm::Stop => self.stop().await,
            Harm::Kill => {
                let running = self.running.take().context("it runs")?;
                signal(self.pid(&running)?, Signal::KILL)?;
                // Says that it ended.
                let _ = running.died().await;
                Ok(())
            }
            Harm::Pause => {
                let running = self.running.as_ref().context("it runs")?;
                let first = self.pid(running)?;
                // PostgreSQL is a process per connection: the first one alone would only take no new ones.
                let of_first = cpu::children(first.as_raw_nonzero().get().unsigned_abs());
                let children = of_first.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
                self.stopped = std::iter::once(first).chain(children).collect();
                for pid in &self.stopped {
                    // One of them may have ended meanwhile.
                    let _ = kill_process(*pid, Signal::STOP);
                }
                Ok(())
            }
        }
    }

    async fn end(&mut self, harm: Harm) -> Result<()> {
        if harm != Harm::Pause {
            return self.start_again().await;
        }
        for pid in self.stopped.drain(..) {
            let _ = kill_process(pid, Signal::CONT);
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        match self.running.take() {
            Some(running) => running.stop(&|_| ()).await,
            None => Ok(()),
        }
    }

    fn pid(&self, running: &Servers) -> Result<Pid> {
        let pid = if self.kind == Kind::Postgres { running.postgres_pid() } else { running.nats_pid() };
        pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).context("it has a pid")
    }
}

fn signal(pid: Pid, signal: Signal) -> Result<()> {
    kill_process(pid, signal).context("signal a server")
}

impl Drop for Server {
    /// What stands still would not hear that it is to end.
    fn drop(&mut self) {
        for pid in self.stopped.drain(..) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}
