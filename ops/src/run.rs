//! `natter run`: everything on one machine. Private servers as needed, migrations, then the server itself, in this
//! process.
//!
//! Says each step, ends with the address. INT or TERM ends what was started in the opposite order, each step waited
//! for.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use natter_streams::Placement;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::serve;
use crate::servers::{Plan, Servers, show};
use crate::signals;

/// How long serving may take to end once a server under it is gone.
const PATIENCE_AFTER_DEATH: Duration = Duration::from_secs(10);

#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// A PostgreSQL to use as it is; without it a private one is started
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A NATS server to use as it is; without it a private one is started
    #[arg(long, env = "NATTER_NATS_URL", hide_env_values = true)]
    nats_url: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl RunArgs {
    fn plan(&self) -> Result<Plan> {
        Ok(Plan {
            dir_is_chosen: self.settings.chosen_dir().is_some(),
            database_url: given(self.database_url.as_ref()),
            nats_url: given(self.nats_url.as_ref()),
            cql: self.settings.history.plan()?,
            ..Plan::node(self.settings.dir())
        })
    }
}

/// An empty variable is what scripts and compose files make of one that is not set.
fn given(url: Option<&String>) -> Option<String> {
    url.filter(|url| !url.is_empty()).cloned()
}

pub async fn run(mut args: RunArgs) -> Result<()> {
    let stop = signals::stop_on_signal()?;
    // Before anything is started: this is the commonest reason to fail.
    check_free(args.settings.listen)?;
    let plan = args.plan()?;
    let servers = Servers::start(plan, &say).await?;
    args.settings.history = args.settings.history.on(servers.cql_nodes());
    let outcome = serve_on(&servers, &args.settings, &stop).await;
    let stopped = servers.stop(&say).await;
    outcome?;
    stopped?;
    say(&format!("natter       stopped; its data stays in {}", show(&args.settings.dir())));
    Ok(())
}

async fn serve_on(servers: &Servers, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    if stop.is_cancelled() {
        return Ok(());
    }
    say("postgresql   applying migrations");
    serve::migrate_all(&Placement::parse(servers.database_url(), &settings.lane_stores)?).await?;
    say(&format!("natter       starting on {}", settings.listen));
    let ready = |address| welcome(&settings.base_url(address), &settings.dir());
    let serving = serve::serve(settings, servers.database_url(), servers.nats_url(), stop.clone(), ready);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        error = servers.died() => {
            say("natter       a server it needs has ended: stopping");
            stop.cancel();
            let _ = tokio::time::timeout(PATIENCE_AFTER_DEATH, serving).await;
            Err(error)
        }
        never = report(stop) => match never {},
    }
}

async fn report(stop: &CancellationToken) -> Infallible {
    stop.cancelled().await;
    say("natter       stopping: finishing what it has begun");
    std::future::pending().await
}

fn check_free(listen: SocketAddr) -> Result<()> {
    TcpListener::bind(listen)
        .map(drop)
        .with_context(|| format!("cannot listen on {listen}: choose another address with NATTER_LISTEN"))
}

fn welcome(url: &str, dir: &Path) {
    let program = std::env::current_exe().map_or_else(|_| "natter".to_owned(), |path| show(&path));
    say(&format!("natter       serving on {url} (data in {})", show(dir)));
    println!(
        "\nTry next, in another terminal:\n\
         \x20 {program} demo     two people meet and talk, through this server\n\
         \x20 {url}/docs     every call, to try in the browser\n\
         \x20 README.md     what else there is\n\
         Ctrl-C ends everything in order.\n"
    );
}

fn say(line: &str) {
    println!("{line}");
}
