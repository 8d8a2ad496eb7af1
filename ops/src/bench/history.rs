//! `natter bench history`: message history as it is written and read. First the projection catches up with messages that
//! were appended in bulk, beside the bare driver inserting the same rows in batches as large. Then many people read pages
//! of groups that they choose as people do (`zipf`) while messages trickle in, beside the bare driver selecting such
//! pages; rounds alternate, so that what else the machine does meets both.

mod reads;
mod writes;

use super::{
    BenchArgs,
    crowd::{self, Crowd},
    machine,
    report::{Part, Percentiles, Report},
    scratch,
    view::{self, Site, View},
};
use crate::{
    config::{History, Store},
    serve,
    servers::{self, Plan, Servers},
};
use anyhow::Result;
use natter_projections::Projection;
use natter_streams::{Log, id, keyring::Keyring};
use reads::Reads;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use writes::Writes;

/// Of the bare insert.
const AIM: f64 = 0.6;
const EVENTS: usize = 200_000;
const PEOPLE: usize = 400;

pub async fn run(args: &BenchArgs) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let plan = Plan { cql: args.store.plan()?, ..Plan::node(&dir) };
    let servers = Servers::start(plan, &|step| println!("{step}")).await?;
    let measured = scratch::with(servers.database_url(), "history", async |url: &str| {
        let site = site(args, &servers, url)?;
        measure(args, &site, &dir).await
    })
    .await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

/// On servers of our own.
pub(super) fn site(args: &BenchArgs, servers: &Servers, database_url: &str) -> Result<Site> {
    let nodes = servers.cql_nodes();
    let History { store, cluster } = args.store.clone().on(nodes).history()?;
    Ok(Site {
        database_url: database_url.to_owned(),
        nats_url: servers.nats_url().to_owned(),
        store,
        cluster: cluster.filter(|_| args.store.store == Store::Scylla),
    })
}

/// Everything, in an empty database that is not the only one of its server.
pub async fn measure(args: &BenchArgs, site: &Site, dir: &Path) -> Result<Report> {
    let begin = Instant::now();
    // Before anything counts.
    natter_edge::metrics::recorder();
    serve::migrate(&site.database_url).await?;
    let log = Log::connect(&site.database_url, args.lanes).await?;
    let keyring = Arc::new(Keyring::new(&id::random()));
    // Where history is kept is chosen before the first event.
    View::open(site, &log, &keyring, site.store).await?.stop().await?;
    let mut crowd = made(args, &log, &keyring).await?;
    let mut view = View::open(site, &log, &keyring, site.store).await?;
    let measured = async {
        println!("relations    catching up");
        view.catch_up(Projection::Relations, crowd.events).await?;
        let changes = std::mem::take(&mut crowd.changes);
        let writes = writes::measure(site, &mut view, changes, crowd.events).await?;
        let reads = reads::measure(args, site, &view, &crowd).await?;
        Ok::<_, anyhow::Error>((writes, reads))
    }
    .await;
    let missing = view::missing(&log).await;
    view.stop().await?;
    let ((writes, reads), missing) = (measured?, missing?);
    Ok(report(&writes, &reads, missing, dir, begin.elapsed()))
}

async fn made(args: &BenchArgs, log: &Log, keyring: &Arc<Keyring>) -> Result<Crowd> {
    let events = args.count.unwrap_or(EVENTS);
    println!("messages     appending {events} events in {} groups", args.crowd.groups);
    let plan = crowd::Plan {
        people: PEOPLE,
        groups: args.crowd.groups,
        members: args.crowd.members,
        events,
        later_every: 0,
        keeps: true,
        text: super::send::TEXT,
    };
    crowd::make(log, keyring, plan).await
}

fn report(writes: &Writes, reads: &Reads, missing: u64, dir: &Path, took: Duration) -> Report {
    let (ours, bare) = (&reads.ours, &reads.bare);
    let p99 = |seen: &reads::Seen| seen.took_us.value_at_quantile(0.99).max(1) as f64;
    let mut parts = vec![
        Part::of("messages projected", writes.ours, "messages/s", writes.bare),
        Part::alone("events per batch", writes.batch, "events"),
        // Turned round: a ratio is better when larger.
        Part { ratio: Some(p99(bare) / p99(ours)), ..Part::of("page p99 (aim 0.5)", p99(ours), "us", p99(bare)) },
        Part::of("pages", ours.per_second(), "pages/s", bare.per_second()),
        Part::alone("pages per read of the store", ours.sharing(), "pages"),
        Part::alone("hot pages per read of the store (aim 10)", reads.hottest.sharing(), "pages"),
        Part::alone("messages sent meanwhile", reads.sent as f64, "messages"),
        Part::alone("pages that were wrong", (ours.wrong + reads.hottest.wrong) as f64, "pages"),
        Part::alone("events not projected", missing as f64, "events"),
    ];
    parts.extend(reads.first_wrong.iter().map(|what| Part::alone(what.clone(), 1.0, "page")));
    let wrong = ours.wrong + bare.wrong + reads.hottest.wrong;
    Report {
        scenario: "history",
        value: writes.ours,
        unit: "messages/s projected",
        limit: writes.bare,
        limit_name: "rows/s inserted by the bare driver in batches as large",
        ratio: writes.ours / writes.bare,
        aim: AIM,
        parts,
        server_cpu_us_per_op: None,
        percentiles_us: BTreeMap::from([
            ("page".to_owned(), Percentiles::of(&ours.took_us)),
            ("page, the bare select".to_owned(), Percentiles::of(&bare.took_us)),
            ("hot page".to_owned(), Percentiles::of(&reads.hottest.took_us)),
        ]),
        duration_s: took.as_secs_f64(),
        machine: machine::describe(dir),
        commit: machine::commit(),
        law: Some(wrong == 0 && missing == 0),
    }
}
