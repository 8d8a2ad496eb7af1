//! `natter bench replay`: relations and history are built anew, as `natter projections rebuild` does it, from a log of a
//! million events, beside reading the same log and nothing else, page by page of two lanes. People send at a small steady
//! rate without and during it, so that its price is seen where it matters. What was built must be the same as what is
//! live.

use super::{
    BenchArgs,
    crowd::{self, Crowd, Group},
    engine, history, machine,
    report::{Part, Percentiles, Report},
    scratch,
    send::TEXT,
    view::{self, Site, View},
};
use crate::{
    serve,
    servers::{self, Plan, Servers},
};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use natter_commands::{GivenBody, Outgoing};
use natter_domain::MessageId;
use natter_projections::{
    Projection, Store,
    generation::{Compared, Meter, Operator, Outcome, Pace},
};
use natter_streams::{Lane, Link, Log, id, keyring::Keyring};
use rand::Rng;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Of reading alone, of the time that a building may take. Writing rows costs more than reading events; what is aimed at
/// is that it stays within a third.
const AIM: f64 = 0.3;
const EVENTS: usize = 1_000_000;
const PEOPLE: usize = 2_000;
/// One message in so many is edited and reacted to.
const LATER_EVERY: u64 = 20;
/// A page of the log.
const BATCH: usize = 1_000;
const AT_ONCE: usize = 2;
const DRAW_EVERY: Duration = Duration::from_millis(200);
const BAR: &str = "{msg:<22} {wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";

pub async fn run(args: &BenchArgs) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let plan = Plan { cql: args.store.plan()?, ..Plan::node(&dir) };
    let servers = Servers::start(plan, &|step| println!("{step}")).await?;
    let measured = scratch::with(servers.database_url(), "replay", async |url: &str| {
        let site = history::site(args, &servers, url)?;
        measure(args, &site, &dir).await
    })
    .await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

/// What one building showed.
struct Built {
    projection: Projection,
    events: u64,
    took: Duration,
    sends_us: Histogram<u64>,
    compared: Compared,
}

impl Built {
    fn per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// Everything, in an empty database. What is live is in PostgreSQL; history is built anew where the site says.
pub async fn measure(args: &BenchArgs, site: &Site, dir: &Path) -> Result<Report> {
    let begin = Instant::now();
    // Before anything counts.
    natter_edge::metrics::recorder();
    serve::migrate(&site.database_url).await?;
    let log = Log::connect(&site.database_url, args.lanes).await?;
    let keyring = Arc::new(Keyring::new(&id::random()));
    let crowd = made(args, &log, &keyring).await?;
    let mut view = View::open(site, &log, &keyring, Store::Postgres).await?;
    for projection in [Projection::Relations, Projection::History] {
        println!("{:<12} catching up", projection.as_str());
        view.catch_up(projection, crowd.events).await?;
    }
    let measured = rounds(args, site, &view, &log, &crowd).await;
    let missing = view::missing(&log).await;
    view.stop().await?;
    let ((read, quiet, built), missing) = (measured?, missing?);
    let aim = AIM * f64::from(args.crowd.share) / 100.0;
    Ok(report((read, aim), &quiet, &built, missing, dir, begin.elapsed()))
}

async fn made(args: &BenchArgs, log: &Log, keyring: &Arc<Keyring>) -> Result<Crowd> {
    let events = args.count.unwrap_or(EVENTS);
    println!("log          appending {events} events in {} groups", args.crowd.groups);
    let plan = crowd::Plan {
        people: PEOPLE.min(events / 10 + 2),
        groups: args.crowd.groups,
        members: args.crowd.members,
        events,
        later_every: LATER_EVERY,
        keeps: false,
        text: TEXT,
    };
    crowd::make(log, keyring, plan).await
}

/// Events per second of reading alone, times of sends without a building, and the buildings.
async fn rounds(
    args: &BenchArgs,
    site: &Site,
    view: &View,
    log: &Log,
    crowd: &Crowd,
) -> Result<(f64, Histogram<u64>, Vec<Built>)> {
    println!("log          read, and nothing else");
    let first = read_all(log).await?;
    println!("sends        {} a second, nothing beside them", args.crowd.trickle);
    let sender = Sender::start(args, view, crowd);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let quiet = sender.stop().await?;
    let mut built = Vec::new();
    for projection in [Projection::Relations, Projection::History] {
        built.push(rebuild(args, site, view, log, crowd, projection).await?);
    }
    let second = read_all(log).await?;
    Ok(((first + second) / 2.0, quiet, built))
}

/// Every lane from its begin.
async fn read_all(log: &Log) -> Result<f64> {
    let whole = crowd::events(log).await?;
    let progress = ProgressBar::new(whole).with_message("reading");
    let (slots, begin, mut reading) = (Arc::new(Semaphore::new(AT_ONCE)), Instant::now(), JoinSet::new());
    for lane in log.lanes().iter() {
        reading.spawn(read(log.clone(), lane, slots.clone(), progress.clone()));
    }
    let mut events = 0;
    while let Some(read) = reading.join_next().await {
        events += read??;
    }
    progress.finish_and_clear();
    Ok(events as f64 / begin.elapsed().as_secs_f64().max(f64::EPSILON))
}

async fn read(log: Log, lane: Lane, slots: Arc<Semaphore>, progress: ProgressBar) -> Result<u64> {
    let mut last = Link::start(lane, log.incarnation(lane).await?);
    let mut events = 0;
    loop {
        let _slot = slots.acquire().await?;
        let records = log.read(&last, BATCH).await?;
        let Some(newest) = records.last() else { return Ok(events) };
        last = newest.link();
        events += records.len() as u64;
        progress.inc(records.len() as u64);
    }
}

async fn rebuild(
    args: &BenchArgs,
    site: &Site,
    view: &View,
    log: &Log,
    crowd: &Crowd,
    projection: Projection,
) -> Result<Built> {
    let store = if projection == Projection::History { site.store } else { Store::Postgres };
    let operator = Operator::begin(log, &site.settings(store), projection.as_str()).await?;
    let entry = operator.shadow(store).await?;
    println!("{:<12} building {} in {}", projection.as_str(), entry.reader(), store.as_str());
    let (pace, meter, stop) = (Pace::new(args.crowd.share), Meter::default(), CancellationToken::new());
    let sender = Sender::start(args, view, crowd);
    let begin = Instant::now();
    let caught_up = shown("building", &meter, operator.catch_up(&entry, &pace, &meter, &stop)).await;
    let (took, (events, _)) = (begin.elapsed(), meter.read());
    let sends_us = sender.stop().await?;
    let Outcome::Done(()) = caught_up? else { bail!("the building was stopped") };
    let compared = shown("comparing", &meter, operator.compare(&entry, &pace, &meter, &stop)).await?;
    let Outcome::Done(compared) = compared else { bail!("the comparison was stopped") };
    for difference in compared.differences.iter().take(5) {
        println!("             {difference}");
    }
    Ok(Built { projection, events, took, sends_us, compared })
}

/// Shows the bar while the step is under way.
async fn shown<T>(what: &'static str, meter: &Meter, step: impl Future<Output = T>) -> T {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style).with_message(what);
    let drawing = async {
        loop {
            let (passed, whole) = meter.read();
            bar.set_length(whole);
            bar.set_position(passed);
            tokio::time::sleep(DRAW_EVERY).await;
        }
    };
    tokio::select! {
        done = step => {
            bar.finish_and_clear();
            done
        }
        never = drawing => never,
    }
}

/// Sends at a steady rate, each message when it is due, whatever became of those before it.
struct Sender {
    stop: CancellationToken,
    sending: tokio::task::JoinHandle<Result<Histogram<u64>>>,
}

impl Sender {
    fn start(args: &BenchArgs, view: &View, crowd: &Crowd) -> Self {
        let stop = CancellationToken::new();
        let (commands, groups) = (view.engine.commands.clone(), crowd.groups.clone());
        let sending = tokio::spawn(send(commands, groups, args.crowd.trickle, stop.clone()));
        Self { stop, sending }
    }

    /// Times from when a message was due until it was durable.
    async fn stop(self) -> Result<Histogram<u64>> {
        self.stop.cancel();
        self.sending.await?
    }
}

async fn send(
    commands: natter_commands::Commands,
    groups: Vec<Group>,
    per_second: u32,
    stop: CancellationToken,
) -> Result<Histogram<u64>> {
    let (body, size) = (engine::body(TEXT), u32::try_from(TEXT.len())?);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second.max(1));
    let mut sending = JoinSet::new();
    while let Some(due) = stop.run_until_cancelled(tick.tick()).await {
        let group = &groups[rand::rng().random_range(0..groups.len())];
        let (caller, message) = (group.members[0].caller(), MessageId(id::new()));
        let pending = commands.conversation().send(
            caller,
            group.conversation,
            Outgoing::plain(message, GivenBody::text(&*body, size)),
        );
        sending.spawn(async move {
            pending.await.context("send")?;
            Ok::<_, anyhow::Error>(due.elapsed())
        });
    }
    let mut times = Histogram::new_with_bounds(1, 600_000_000, 3)?;
    while let Some(took) = sending.join_next().await {
        times.saturating_record(took??.as_micros() as u64);
    }
    Ok(times)
}

fn report(
    (read, aim): (f64, f64),
    quiet: &Histogram<u64>,
    built: &[Built],
    missing: u64,
    dir: &Path,
    took: Duration,
) -> Report {
    let p99 = |times: &Histogram<u64>| times.value_at_quantile(0.99).max(1) as f64;
    let mut parts = Vec::new();
    let mut percentiles = BTreeMap::from([("send, nothing beside it".to_owned(), Percentiles::of(quiet))]);
    for one in built {
        let name = one.projection.as_str();
        parts.push(Part::of(format!("{name}: built anew"), one.per_second(), "events/s", read));
        let sends = p99(&one.sends_us);
        // Turned round: a ratio is better when larger.
        let beside = Part::of(format!("{name}: send p99 meanwhile"), sends, "us", p99(quiet));
        parts.push(Part { ratio: Some(p99(quiet) / sends), ..beside });
        let live: u64 = one.compared.lanes.values().map(|lane| lane.live.rows).sum();
        parts.push(Part::alone(format!("{name}: rows compared"), live as f64, "rows"));
        parts.push(Part::alone(format!("{name}: rows that differ"), one.compared.differences.len() as f64, "rows"));
        percentiles.insert(format!("send, {name} being built"), Percentiles::of(&one.sends_us));
    }
    parts.push(Part::alone("events not projected", missing as f64, "events"));
    let slowest = built.iter().map(Built::per_second).fold(f64::INFINITY, f64::min);
    Report {
        scenario: "replay",
        value: slowest,
        unit: "events/s built anew",
        limit: read,
        limit_name: "events/s read from the log",
        ratio: slowest / read,
        aim,
        parts,
        server_cpu_us_per_op: None,
        percentiles_us: percentiles,
        duration_s: took.as_secs_f64(),
        machine: machine::describe(dir),
        commit: machine::commit(),
        law: Some(missing == 0 && built.iter().all(|one| one.compared.is_same())),
    }
}
