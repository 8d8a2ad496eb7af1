//! Private servers: a PostgreSQL, a nats-server and, where it is wanted, a CQL server of our own, in a directory of our
//! own.
//!
//! `natter run`, `natter with-servers`, the demo and the benchmarks all start, watch and end them here, so that there
//! is one place where a killed run is cleaned up after. What it promises:
//!
//! - Nothing outside the data directory is touched, no service of the machine is used or stopped. (The one exception is
//!   said aloud: see [`place`].)
//! - Servers listen on 127.0.0.1 only, with random passwords kept in files that only their owner reads. (The CQL server
//!   has none: see `ops/cassandra.yaml`.)
//! - One run per data directory ([`lock`]). Whatever an earlier run left alive there is found and ended first
//!   ([`leftover`]).
//! - Servers do not outlive us: they ask the kernel for a signal when we die ([`process`]).
//!
//! Left out on purpose: replication, backups, tuning. These servers are for trying, testing and measuring on one
//! machine; who runs Natter for others brings their own and names them in `NATTER_DATABASE_URL`, `NATTER_NATS_URL` and
//! `NATTER_CQL_NODES`.

mod cassandra;
mod leftover;
mod lock;
mod nats;
mod place;
mod port;
mod postgres;
mod process;
mod program;
mod user;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use place::show;

use lock::Lock;

/// How servers speak of their steps: one line at a time, `name         what happens`.
pub type Say = dyn Fn(&str) + Sync;

/// What is wanted. A url that is given is used as it is and nothing is started in its place.
pub struct Plan {
    /// Directory of this run's servers; made if missing.
    pub dir: PathBuf,
    /// Somebody named `dir`: then PostgreSQL's data is never put anywhere else.
    pub dir_is_chosen: bool,
    pub database_url: Option<String>,
    pub nats_url: Option<String>,
    pub cql: Cql,
    pub shape: Shape,
}

/// Which CQL server is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cql {
    None,
    /// `host:port` of each node; used as they are.
    Given(Vec<String>),
    Private,
}

/// Whom the servers are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One installation: a database `natter`, one NATS user.
    Node,
    /// A test run: many connections, the maintenance database, and NATS users `t000` to `t511`, each in an account of
    /// its own.
    Tests,
}

impl Plan {
    /// Everything private, for one installation, in a directory of our own choice. It does without a CQL server.
    pub fn node(dir: impl Into<PathBuf>) -> Self {
        Plan {
            dir: dir.into(),
            dir_is_chosen: false,
            database_url: None,
            nats_url: None,
            cql: Cql::None,
            shape: Shape::Node,
        }
    }

    /// Everything private, for a test run.
    pub fn tests(dir: impl Into<PathBuf>) -> Self {
        Plan { shape: Shape::Tests, cql: Cql::Private, ..Plan::node(dir) }
    }
}

impl Plan {
    async fn start_postgres(&self, dir: &Path, say: &Say) -> Result<Option<postgres::Postgres>> {
        if self.database_url.is_some() {
            return Ok(None);
        }
        let started = postgres::start(dir, self.dir_is_chosen, self.shape, say).await;
        started.map(Some).context("start private postgresql")
    }

    async fn start_nats(&self, dir: &Path, say: &Say) -> Result<Option<nats::Nats>> {
        if self.nats_url.is_some() {
            return Ok(None);
        }
        nats::start(dir, self.shape, say).await.map(Some).context("start private nats-server")
    }

    async fn start_cassandra(&self, dir: &Path, say: &Say) -> Result<Option<cassandra::Cassandra>> {
        if self.cql != Cql::Private {
            return Ok(None);
        }
        cassandra::start(dir, self.shape, say).await.map(Some).context("start private cassandra")
    }
}

/// Running servers, ours or given. Dropping it tells ours to end without waiting; [`Servers::stop`] waits.
pub struct Servers {
    database_url: String,
    nats_url: String,
    cql_nodes: Vec<String>,
    nats: Option<nats::Nats>,
    postgres: Option<postgres::Postgres>,
    cassandra: Option<cassandra::Cassandra>,
    _lock: Lock,
}

impl Servers {
    /// Ends what an earlier run left in the directory, then starts what the plan does not name, side by side. Returns
    /// when all answer.
    pub async fn start(plan: Plan, say: &Say) -> Result<Servers> {
        let dir = place::make(&plan.dir)?;
        let lock = Lock::take(&dir)?;
        let (postgres, nats, cassandra) = tokio::try_join!(
            plan.start_postgres(&dir, say),
            plan.start_nats(&dir, say),
            plan.start_cassandra(&dir, say)
        )?;
        let own = cassandra.iter().map(|cassandra| cassandra.address.clone());
        Ok(Servers {
            cql_nodes: if let Cql::Given(nodes) = plan.cql { nodes } else { own.collect() },
            database_url: plan.database_url.or(postgres.as_ref().map(|p| p.url.clone())).unwrap_or_default(),
            nats_url: plan.nats_url.or(nats.as_ref().map(|n| n.url.clone())).unwrap_or_default(),
            nats,
            postgres,
            cassandra,
            _lock: lock,
        })
    }

    /// As given, or of our own: superuser `natter`, in database `natter` (`Shape::Node`) or `postgres`
    /// (`Shape::Tests`).
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// As given, or of our own, user and password included. `Shape::Tests`: of the first test user.
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// `host:port` of a nats-server of our own.
    pub fn nats_address(&self) -> Option<&str> {
        self.nats.as_ref().map(|n| n.address.as_str())
    }

    /// Password of every user of a nats-server of our own.
    pub fn nats_password(&self) -> Option<&str> {
        self.nats.as_ref().map(|n| n.password.as_str())
    }

    /// Process id of our PostgreSQL, for tests and trials that hurt it.
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref().map(|p| p.process.pid())
    }

    /// Process id of our nats-server, for tests and trials that hurt it.
    pub fn nats_pid(&self) -> Option<u32> {
        self.nats.as_ref().map(|n| n.process.pid())
    }

    /// `host:port` of each node of the CQL server, as given or of our own; none if none was wanted.
    pub fn cql_nodes(&self) -> &[String] {
        &self.cql_nodes
    }

    /// Process id of our Cassandra, for tests and trials that hurt it.
    pub fn cql_pid(&self) -> Option<u32> {
        self.cassandra.as_ref().map(|c| c.process.pid())
    }

    /// Waits until one of our servers ends by itself; the answer says which, how, and what it wrote last. Pends for
    /// ever otherwise.
    pub async fn died(&self) -> anyhow::Error {
        tokio::select! {
            error = died(self.postgres.as_ref().map(|p| &p.process)) => error,
            error = died(self.nats.as_ref().map(|n| &n.process)) => error,
            error = died(self.cassandra.as_ref().map(|c| &c.process)) => error,
        }
    }

    /// Ends our servers, NATS first (it only distributes), each waited for.
    pub async fn stop(self, say: &Say) -> Result<()> {
        let nats = match &self.nats {
            Some(nats) => nats.stop(say).await,
            None => Ok(()),
        };
        let (postgres, cassandra) = tokio::join!(self.stop_postgres(say), self.stop_cassandra(say));
        nats.and(postgres).and(cassandra)
    }

    async fn stop_postgres(&self, say: &Say) -> Result<()> {
        match &self.postgres {
            Some(postgres) => postgres.stop(say).await,
            None => Ok(()),
        }
    }

    async fn stop_cassandra(&self, say: &Say) -> Result<()> {
        match &self.cassandra {
            Some(cassandra) => cassandra.stop(say).await,
            None => Ok(()),
        }
    }
}

async fn died(process: Option<&process::Process>) -> anyhow::Error {
    match process {
        Some(process) => process.died().await,
        None => std::future::pending().await,
    }
}

/// Url of the private PostgreSQL that keeps its data for `dir`, as of its last start; it may be running or not.
pub fn database_url_of(dir: &Path) -> Option<String> {
    postgres::url_of_last_start(&dir.canonicalize().ok()?)
}

/// Of the private NATS, likewise.
pub fn nats_url_of(dir: &Path) -> Option<String> {
    nats::url_of_last_start(&dir.canonicalize().ok()?)
}

/// `host:port` of the private CQL server, likewise.
pub fn cql_node_of(dir: &Path) -> Option<String> {
    cassandra::address_of_last_start(&dir.canonicalize().ok()?)
}

/// Ends what a killed run left in `dir` and removes it, with what it kept elsewhere. `false`: somebody is using it.
pub async fn remove(dir: &Path, say: &Say) -> Result<bool> {
    let Ok(lock) = Lock::take(dir) else { return Ok(false) };
    postgres::end_leftovers(dir, say).await?;
    nats::end_leftovers(dir, say).await?;
    cassandra::end_leftovers(dir, say).await?;
    place::remove(dir)?;
    drop(lock);
    Ok(true)
}

/// A command that gets TERM when we die, from the system, however we die. To be spawned from a thread that lives as
/// long as we do.
pub fn ends_with_us(program: &str) -> Result<std::process::Command> {
    user::RunAs::Ourselves.command(program, "TERM")
}

/// 128 random bits as text that needs no quoting anywhere: in urls, in a NATS configuration, in SQL.
fn secret() -> String {
    format!("n{:032x}", rand::random::<u128>())
}
