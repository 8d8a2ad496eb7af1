//! One process with some roles or all: migrates, starts what its roles need, and stops it in the opposite order: first the
//! doors, then what stands behind them.

use crate::config::{Content, History, Role, Settings};
use anyhow::{Context, Result, bail};
use natter_commands::Commands;
use natter_edge::{Doors, Health, Readiness};
use natter_outbox::Outbox;
use natter_projections::Projections;
use natter_streams::{
    Log, Node, Placement,
    bus::Bus,
    feed::Feeds,
    keyring::Keyring,
    lease::{Context as Leases, Directory},
    sealing::{self, Keys},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the write side may take to finish what it holds, once the doors are closed.
const LAST_COMMITS: Duration = Duration::from_secs(10);

/// Serves until `stop` is cancelled; `ready` hears the address once everything answers.
pub async fn serve(
    settings: &Settings,
    database_url: &str,
    nats_url: &str,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    // Wrong settings are told before anything is taken.
    settings.history.history()?;
    settings.letters.senders()?;
    let oidc = settings.oidc.providers()?;
    let (door, tls) = settings.door.open().await?;
    let Content { content, previews, translation, signing } = settings.content.open().await?;
    // Before anything counts.
    natter_edge::metrics::recorder();
    // First, so that a second start on the same address fails before it takes anybody's lanes.
    let listener =
        TcpListener::bind(settings.listen).await.with_context(|| format!("listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let inner = CancellationToken::new();
    let process = Process::start(settings, database_url, nats_url, address, &inner).await?;
    ready(address);
    let edge = natter_edge::Settings {
        heartbeat: settings.heartbeat,
        limits: settings.limits != "off",
        door,
        tls,
        oidc,
        readers_max: settings.groups.readers_max as u64,
        content,
        previews,
        translation,
        signing,
        typing_max: settings.groups.typing_max,
        ..Default::default()
    };
    let served = process.serve(settings, edge, listener, stop).await;
    inner.cancel();
    for tasks in &process.tasks {
        if tokio::time::timeout(LAST_COMMITS, tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }
    served
}

/// What runs behind the doors of this process.
struct Process {
    keys: Keys,
    leases: Leases,
    /// Where it has doors or owns lanes.
    commands: Option<Commands>,
    /// Where it has doors or runs projections.
    projections: Option<Projections>,
    readiness: Readiness,
    tasks: Vec<TaskTracker>,
}

impl Process {
    async fn start(
        settings: &Settings,
        database_url: &str,
        nats_url: &str,
        address: SocketAddr,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let keyring = Arc::new(Keyring::new(&settings.installation_key()?));
        let placement = Placement::parse(database_url, &settings.lane_stores)?;
        migrate_all(&placement).await?;
        let log = Log::open(&placement, settings.lanes).await?;
        log.check_key(&keyring).await?;
        let bus = Bus::connect(nats_url).await?;
        let masters = settings.masters(sealing::is_begun(&log).await?)?;
        let keys = Keys::open(&log, &bus, keyring, masters, stop).await?;
        // A backup may have brought some back.
        keys.destroy_again().await?;
        let directory = Directory::start(&log, &bus, stop).await?;
        let feeds = Feeds::start(&log, stop).await?;
        let node = Node::new(&settings.node_name(address));
        tracing::info!(%node, roles = ?settings.roles, "starting");
        let leases = Leases { log, bus, node, settings: settings.leases(), directory };
        leases.settings.check()?;
        let (readiness, tasks) = (Readiness::default(), Vec::new());
        let mut process = Self { keys, leases, commands: None, projections: None, readiness, tasks };
        if settings.has(Role::Commands) || settings.has(Role::Edge) {
            process.start_commands(settings, feeds.clone(), stop);
        }
        if settings.has(Role::Projections) || settings.has(Role::Edge) {
            process.start_projections(settings, database_url, feeds, stop).await?;
        }
        if settings.has(Role::Projections) {
            process.start_outbox(settings, stop)?;
        }
        Ok(process)
    }

    fn start_commands(&mut self, settings: &Settings, feeds: Feeds, stop: &CancellationToken) {
        let owns_lanes = settings.has(Role::Commands);
        let command_settings = natter_commands::Settings {
            password_cost: settings.argon2,
            session_policy: settings.sessions,
            reserved_names: settings.reserved_names.0.clone(),
            closing_grace: settings.closing_grace,
            groups: settings.groups.settings(),
            windows: settings.messages.windows(),
            strangers: settings.strangers == "on",
            owns_lanes,
            relays: true,
            rates: settings.limits != "off",
        };
        let (commands, tasks) =
            Commands::start(self.leases.clone(), feeds.clone(), self.keys.clone(), &command_settings, stop);
        self.commands = Some(commands.clone());
        if owns_lanes {
            self.tasks.push(commands.reactions(self.leases.clone(), feeds).keep(stop));
            let Leases { log, directory, .. } = self.leases.clone();
            self.readiness = self.connected("commands").and("commands", move || {
                log.lanes().iter().any(|lane| directory.owner(lane).is_none()).then_some("wait for lanes to be taken")
            });
        }
        self.tasks.push(tasks);
    }

    async fn start_projections(
        &mut self,
        settings: &Settings,
        database_url: &str,
        feeds: Feeds,
        stop: &CancellationToken,
    ) -> Result<()> {
        let run = settings.has(Role::Projections);
        let History { store, cluster } = settings.history.history()?;
        let (database_url, crowd_min) = (database_url.to_owned(), settings.crowd_min);
        let projection_settings = natter_projections::Settings { database_url, history: store, cluster, crowd_min };
        let (leases, keys) = (self.leases.clone(), self.keys.clone());
        let (projections, tasks) =
            Projections::start(projection_settings, leases, feeds, keys, run, stop.clone()).await?;
        self.projections = Some(projections.clone());
        self.tasks.push(tasks);
        if run {
            self.readiness = self
                .connected("projections")
                .and("projections", move || (!projections.is_ready()).then_some("have not caught up"));
        }
        Ok(())
    }

    /// Sends mails and text messages. Nothing waits for it to be ready: what cannot be sent now is sent later.
    fn start_outbox(&mut self, settings: &Settings, stop: &CancellationToken) -> Result<()> {
        let outbox = Outbox::new(self.leases.log.pool().clone(), self.keys.ring().clone());
        let tasks = TaskTracker::new();
        tasks.spawn(natter_outbox::run(outbox, settings.letters.senders()?, stop.clone()));
        tasks.close();
        self.tasks.push(tasks);
        Ok(())
    }

    /// What is ready so far, and that this role reaches the bus.
    fn connected(&self, role: &'static str) -> Readiness {
        let bus = self.leases.bus.clone();
        self.readiness.clone().and(role, move || (!bus.is_connected()).then_some("are not connected to the bus"))
    }

    async fn serve(
        &self,
        settings: &Settings,
        mut edge: natter_edge::Settings,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<()> {
        let (pool, bus) = (self.leases.log.pool().clone(), self.leases.bus.clone());
        let followed = crate::door::follow(pool, bus.clone(), stop.clone()).await?;
        if let Some(key) = edge.signing.filter(|key| !followed.keys.borrow().contains(key)) {
            bail!("NATTER_HOOK_KEY: {key} is no key of this installation, or it is revoked");
        }
        (edge.door.lists, edge.door.signed.keys) = (followed.lists, followed.keys);
        let (keyring, lanes, readiness) = (self.keys.ring().clone(), self.leases.log.lanes(), self.readiness.clone());
        let inside = self.commands.clone().zip(self.projections.clone()).filter(|_| settings.has(Role::Edge));
        let served = match inside {
            Some((commands, projections)) => {
                let node = self.leases.node.clone();
                let doors = Doors { commands, projections, bus, keyring, lanes, node, settings: edge, readiness };
                natter_edge::serve(listener, doors, stop).await
            }
            None => {
                let health = Health { bus, keyring, lanes, settings: edge, readiness };
                natter_edge::serve_health(listener, health, stop).await
            }
        };
        served.context("serve")
    }
}

/// Applies what is missing of the tables, on every server.
pub async fn migrate_all(placement: &Placement) -> Result<()> {
    for url in placement.urls() {
        migrate(url).await?;
    }
    Ok(())
}

/// Applies what is missing of the tables.
pub async fn migrate(database_url: &str) -> Result<()> {
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect(database_url)
        .await
        .context("connect to PostgreSQL")?;
    natter_migrations::apply(&pool).await.context("apply the migrations")?;
    pool.close().await;
    Ok(())
}

/// What `natter serve` is told: servers that somebody else runs.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
    pub nats_url: String,
    #[command(flatten)]
    pub settings: Settings,
}

/// `natter serve`: until SIGINT or SIGTERM.
pub async fn serve_until_told(args: ServeArgs) -> Result<()> {
    if args.database_url.is_empty() || args.nats_url.is_empty() {
        bail!("NATTER_DATABASE_URL and NATTER_NATS_URL must name running servers; `natter run` starts its own");
    }
    let stop = crate::signals::stop_on_signal()?;
    serve(&args.settings, &args.database_url, &args.nats_url, stop, |address| {
        tracing::info!(%address, "serving");
    })
    .await
}
