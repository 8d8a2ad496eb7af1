//! `natter bench scale`: messages per second through one edge, by the number of `commands` nodes that share the lanes and
//! by the number of lanes. Every combination on an installation of its own; beside each the bare INSERT in as many lanes.
//! On one machine the nodes share its cores: what shows is what sharing costs, not what more machines would bring.

use super::{
    BenchArgs,
    bare::Bare,
    counters::Counters,
    load::{PlannedPair, Seen},
    machine,
    node::{Node, Site},
    report::{Part, Report},
    scratch,
    send::{self, Load, TEXT},
};
use crate::{
    config::Settings,
    serve,
    servers::{self, Plan, Servers},
};
use anyhow::{Result, ensure};
use clap::Args;
use natter_streams::keyring::Keyring;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

const AIM: f64 = 1.0;
/// Of the bare INSERT: as many as one run of a combination would store.
const BARE_EVENTS: usize = 40_000;
const BARE_BATCH: usize = 100;

#[derive(Args, Clone, Debug)]
pub struct ScaleArgs {
    /// scale: numbers of nodes that own lanes
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    pub owners: Vec<usize>,
    /// scale: numbers of lanes
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16])]
    pub lane_counts: Vec<u16>,
    /// scale: the roles of a node that owns lanes
    #[arg(long, default_value = "commands")]
    pub owner_roles: String,
    /// scale: the roles of the one node that clients come to; empty where the owners are edges themselves
    #[arg(long, default_value = "edge,projections")]
    pub edge_roles: String,
}

/// One cell of the table.
struct Cell {
    owners: usize,
    lanes: u16,
    rate: f64,
    bare: f64,
    events_per_commit: f64,
    seen: Seen,
}

pub async fn run(args: &BenchArgs) -> Result<Report> {
    let begin = Instant::now();
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let servers = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let cells = cells(args, &dir, &servers).await;
    let machine = machine::describe(&dir);
    servers.stop(&|_| ()).await?;
    let cells = cells?;
    if cells.iter().all(|cell| cell.seen.held()) {
        servers::remove(&dir, &|_| ()).await?;
    } else {
        println!("scale        kept what the nodes said: {}", dir.display());
    }
    Ok(report(&cells, machine, begin.elapsed()))
}

async fn cells(args: &BenchArgs, dir: &Path, servers: &Servers) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for &lanes in &args.scale.lane_counts {
        let bare = scratch::with(servers.database_url(), "bare", async |url: &str| {
            Bare::open(url, lanes, TEXT).await?.per_second(BARE_EVENTS, BARE_BATCH).await
        })
        .await?;
        for &owners in &args.scale.owners {
            println!("scale        {owners} nodes, {lanes} lanes");
            let measured = scratch::with(servers.database_url(), "scale", async |url: &str| {
                Box::pin(cell(args, dir, servers, url, owners, lanes)).await
            })
            .await?;
            println!("             {:.0} messages/s beside {bare:.0} rows/s", measured.rate);
            cells.push(Cell { bare, ..measured });
        }
    }
    Ok(cells)
}

async fn cell(args: &BenchArgs, dir: &Path, servers: &Servers, url: &str, owners: usize, lanes: u16) -> Result<Cell> {
    // Streams are named after lanes: each installation has a directory, a database and a NATS of its own.
    let place = dir.join(format!("scale-{owners}-{lanes}"));
    std::fs::create_dir_all(&place)?;
    let plan = Plan { database_url: Some(servers.database_url().to_owned()), ..Plan::node(place.join("servers")) };
    let nats = Servers::start(plan, &|_| ()).await?;
    let site = Site {
        program: std::env::current_exe()?,
        dir: place.clone(),
        database_url: url.to_owned(),
        nats_url: nats.nats_url().to_owned(),
        more: vec![("NATTER_LANES".to_owned(), lanes.to_string())],
    };
    serve::migrate(url).await?;
    let keyring = Keyring::new(&Settings::in_directory(&place).installation_key()?);
    let pairs = send::plan(args.pairs, url, Some(lanes), &keyring).await?;
    let measured = on_nodes(args, &site, owners, pairs).await;
    nats.stop(&|_| ()).await?;
    let (seen, rate, events_per_commit) = measured?;
    Ok(Cell { owners, lanes, rate, bare: 0.0, events_per_commit, seen })
}

async fn on_nodes(args: &BenchArgs, site: &Site, owners: usize, pairs: Vec<PlannedPair>) -> Result<(Seen, f64, f64)> {
    let mut nodes = Vec::new();
    for _ in 0..owners {
        nodes.push(Node::start(site, &args.scale.owner_roles).await?);
    }
    if !args.scale.edge_roles.is_empty() {
        nodes.push(Node::start(site, &args.scale.edge_roles).await?);
    }
    let urls: Vec<String> = nodes.iter().map(Node::url).collect();
    let edge = nodes.iter().find(|node| node.is_edge()).map(Node::url);
    let edge = edge.ok_or_else(|| anyhow::anyhow!("no node has the role `edge`"))?;
    let measured = talk(args, &site.dir, &edge, &urls, pairs).await;
    for node in &mut nodes {
        node.stop().await?;
    }
    measured
}

async fn talk(
    args: &BenchArgs,
    dir: &Path,
    edge: &str,
    nodes: &[String],
    pairs: Vec<PlannedPair>,
) -> Result<(Seen, f64, f64)> {
    let mut loads: Vec<Load> = send::loads(args, dir, edge, send::share(pairs)).await?;
    for load in &mut loads {
        load.order(&format!("full {} {}", send::WARM_UP, args.seconds)).await?;
    }
    tokio::time::sleep(Duration::from_secs(send::WARM_UP)).await;
    let before = counted(nodes).await?;
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let after = counted(nodes).await?;
    let seen = send::finish(&mut loads).await?;
    for load in loads {
        load.end().await?;
    }
    ensure!(seen.measured > 0, "nothing was acknowledged; see {}", dir.display());
    let rate = seen.measured as f64 / args.seconds as f64;
    Ok((seen, rate, (after.0 - before.0) / (after.1 - before.1).max(1.0)))
}

/// Events and commits of all nodes.
async fn counted(nodes: &[String]) -> Result<(f64, f64)> {
    let mut sums = (0.0, 0.0);
    for node in nodes {
        let counters = Counters::read(node).await?;
        sums.0 += counters.sum("natter_log_events_total", None);
        sums.1 += counters.sum("natter_log_commits_total", None);
    }
    Ok(sums)
}

/// The first cell is what the others are compared with.
fn report(cells: &[Cell], machine: machine::Machine, took: Duration) -> Report {
    let mut parts = Vec::new();
    for cell in cells {
        let name = format!("{} nodes, {} lanes", cell.owners, cell.lanes);
        parts.push(Part::of(&name, cell.rate, "messages/s", cell.bare));
        parts.push(Part::alone(format!("{name}: batches"), cell.events_per_commit, "events per commit"));
        if !cell.seen.is_plain() {
            parts.extend(cell.seen.parts(&format!("{name}: ")));
        }
    }
    let most =
        |owners: usize| cells.iter().filter(|cell| cell.owners == owners).map(|cell| cell.rate).fold(0.0, f64::max);
    let one = cells.iter().map(|cell| cell.owners).min().unwrap_or(1);
    let many = cells.iter().map(|cell| cell.owners).max().unwrap_or(1);
    Report {
        scenario: "scale",
        value: most(many),
        unit: "messages/s by the most nodes, in their best number of lanes",
        limit: most(one),
        limit_name: "messages/s by the fewest nodes, likewise",
        ratio: most(many) / most(one).max(1.0),
        aim: AIM,
        parts,
        server_cpu_us_per_op: None,
        percentiles_us: BTreeMap::new(),
        duration_s: took.as_secs_f64(),
        machine,
        commit: machine::commit(),
        law: Some(cells.iter().all(|cell| cell.seen.held())),
    }
}
