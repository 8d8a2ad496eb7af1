//! One process with every role: migrates, takes the lanes, starts relays, projections and doors, and stops them in
//! the opposite order.

use crate::config::Settings;
use anyhow::{Context, Result, bail};
use natter_commands::Commands;
use natter_edge::Doors;
use natter_projections::Projections;
use natter_streams::{
    Log, Node,
    bus::Bus,
    keyring::Keyring,
    lease::{self, Context as Leases, Directory},
    relay,
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
    // Before anything counts.
    natter_edge::metrics::recorder();
    let keyring = Arc::new(Keyring::new(&settings.installation_key()?));
    // First, so that a second start on the same address fails before it takes anybody's lanes.
    let listener =
        TcpListener::bind(settings.listen).await.with_context(|| format!("listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    migrate(database_url).await?;
    let log = Log::connect(database_url, settings.lanes).await?;
    log.check_key(&keyring).await?;
    let bus = Bus::connect(nats_url).await?;

    let inner = CancellationToken::new();
    let node = Node::new(&address.to_string());
    let command_settings = natter_commands::Settings { node: node.to_string(), password_cost: settings.argon2 };
    let (commands, feeds, workers) =
        Commands::start(log.clone(), keyring.clone(), command_settings, inner.clone()).await?;
    let relays = start_relays(&log, &bus, &feeds, &inner);
    let projection_settings = natter_projections::Settings { database_url: database_url.to_owned() };
    let directory = Directory::start(&log, &bus, &inner).await?;
    let leases = Leases { log: log.clone(), bus: bus.clone(), node, settings: lease::Settings::default(), directory };
    let (projections, projectors) =
        Projections::start(projection_settings, leases, feeds, keyring.clone(), true, inner.clone()).await?;
    let doors = Doors {
        commands: commands.clone(),
        projections,
        bus,
        keyring,
        lanes: log.lanes(),
        settings: natter_edge::Settings { heartbeat: settings.heartbeat, ..Default::default() },
        readiness: natter_edge::Readiness::default(),
    };
    ready(address);
    let doors_stop = stop.child_token();
    let served = tokio::select! {
        served = natter_edge::serve(listener, doors, doors_stop.clone()) => served.context("serve"),
        () = commands.fenced() => Err(anyhow::anyhow!("another natter has taken over this log's lanes")),
    };
    doors_stop.cancel();
    inner.cancel();
    for tasks in [workers, projectors, relays] {
        if tokio::time::timeout(LAST_COMMITS, tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }
    served
}

fn start_relays(log: &Log, bus: &Bus, feeds: &natter_streams::feed::Feeds, stop: &CancellationToken) -> TaskTracker {
    let relays = TaskTracker::new();
    for lane in log.lanes().iter() {
        relays.spawn(relay::run(log.clone(), bus.clone(), feeds.clone(), lane, stop.clone()));
    }
    relays.close();
    relays
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
    #[arg(long, env = "NATTER_DATABASE_URL")]
    pub database_url: String,
    #[arg(long, env = "NATTER_NATS_URL")]
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
