//! `natter bench presence`: many people online at two edges, each with a WebSocket of their own; some of them watch others. At
//! a steady rate people say that they are away, or no longer, and every watcher is timed from the moment at which the change was
//! sent, once for each change, all on one clock. Whoever was online has to be so at the end, over the same connection. Beside
//! it, meanwhile: a message over the same NATS, from publishing it to having it, and nothing else.
//!
//! Edges gather changes for a tenth of a second on purpose, so the ratio says how much longer a change takes than its
//! way has to, not what could be gained.

mod sitter;

use super::{
    BenchArgs,
    cpu::{self, Whose},
    machine,
    node::{Node, Site, on_own_servers},
    people,
    report::{Part, Percentiles, Report},
};
use crate::{config::Settings, serve};
use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::StreamExt;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use natter_streams::{Log, bus::Bus, keyring::Keyring};
pub(super) use sitter::histogram;
use sitter::{Ledger, Sitter};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a change may take to nearly every watcher.
const BOUND: Duration = Duration::from_millis(500);
/// Connections that are opened at a time.
const AT_ONCE: usize = 64;
/// How long the edges may take to know of everybody, and the last push to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// So often a node is waited for.
const STARTS: usize = 5;
/// Few, so that a small machine is busy with people and not with lanes.
const LANES: u16 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Of the messages that are timed beside it.
const BARE_EVERY: Duration = Duration::from_millis(10);

#[derive(Args, Clone, Debug)]
pub struct PresenceArgs {
    /// presence: people who are online
    #[arg(long, default_value_t = 10_000)]
    pub people: usize,
    /// presence: how many of them watch others
    #[arg(long, default_value_t = 200)]
    pub watchers: usize,
    /// presence: whom each of these watches
    #[arg(long, default_value_t = 100)]
    pub watched: usize,
    /// presence: changes a second
    #[arg(long, default_value_t = 200)]
    pub changes: u32,
}

pub async fn run(args: &BenchArgs) -> Result<Report> {
    on_own_servers(async |site, whose| measure_with(args, site, whose).await).await
}

/// Everything, on nodes of its own.
pub async fn measure(args: &BenchArgs, site: &Site) -> Result<Report> {
    measure_with(args, site, Whose::default()).await
}

/// `whose`: the servers; the nodes are added.
async fn measure_with(args: &BenchArgs, site: &Site, whose: Whose) -> Result<Report> {
    let begin = Instant::now();
    let of = &args.presence;
    ensure!(of.watchers < of.people && of.watched <= 200, "more people than watchers, 200 watched at the most");
    println!("people       making {}", of.people);
    let people = plan(args, site).await?;
    let mut nodes = vec![start(site, "all").await?, start(site, "edge").await?];
    let whose = Whose { natter: nodes.iter().filter_map(Node::pid).collect(), ..whose };
    let measured = on_nodes(args, site, &nodes, people, &whose).await;
    for node in &mut nodes {
        node.stop().await?;
    }
    Ok(report(args, &measured?, machine::describe(&site.dir), begin.elapsed()))
}

/// A node that has read all that was made: of many people that takes longer than a node usually may.
async fn start(site: &Site, roles: &str) -> Result<Node> {
    let mut node = Node::launch(site, roles)?;
    for _ in 1..STARTS {
        match node.ready().await {
            Ok(()) => return Ok(node),
            Err(_) => node.lives()?,
        }
    }
    node.ready().await?;
    Ok(node)
}

/// Accounts with tokens, made before any server starts.
async fn plan(args: &BenchArgs, site: &Site) -> Result<Vec<(Uuid, String)>> {
    serve::migrate(&site.database_url).await?;
    let keyring = Keyring::new(&Settings::in_directory(&site.dir).installation_key()?);
    let log = Log::connect(&site.database_url, args.lanes.or(Some(LANES))).await?;
    log.check_key(&keyring).await?;
    let pairs = people::make(&log, &keyring, args.presence.people.div_ceil(2)).await?;
    let people = pairs.iter().flat_map(|pair| pair.people).take(args.presence.people);
    Ok(people.map(|person| (person.account.0, natter_edge::access_token(&keyring, person.caller()))).collect())
}

struct Measured {
    changes: u64,
    expected: u64,
    told: u64,
    us: Histogram<u64>,
    bare: Histogram<u64>,
    connecting: Duration,
    online: usize,
    cpu: BTreeMap<String, f64>,
    took: Duration,
}

async fn on_nodes(
    args: &BenchArgs,
    site: &Site,
    nodes: &[Node],
    people: Vec<(Uuid, String)>,
    whose: &Whose,
) -> Result<Measured> {
    let of = &args.presence;
    let ledger = Arc::new(Ledger::new(people.iter().map(|(account, _)| *account).collect()));
    let begin = Instant::now();
    let sitters = connect(nodes, people, &ledger).await?;
    let connecting = begin.elapsed();
    let watched = subscribe(of, &sitters, &ledger).await?;
    let end = CancellationToken::new();
    let bare = tokio::spawn(bare(site.nats_url.clone(), end.clone()));
    let before = cpu::by_part(whose);
    let begin = Instant::now();
    let (changes, expected) = change(args, &sitters, &watched, &ledger).await?;
    let took = begin.elapsed();
    end.cancel();
    let (told, us) = drain(&ledger, expected).await?;
    let online = sitters.iter().filter(|sitter| sitter.is_online()).count();
    let mut spent = BTreeMap::new();
    cpu::add_spent(&mut spent, &before, whose);
    let cpu = cpu::per_operation(&BTreeMap::new(), &spent, changes);
    Ok(Measured { changes, expected, told, us, bare: bare.await??, connecting, online, cpu, took })
}

/// Everybody comes online, at one edge or the other.
async fn connect(nodes: &[Node], people: Vec<(Uuid, String)>, ledger: &Arc<Ledger>) -> Result<Vec<Sitter>> {
    let progress = ProgressBar::new(people.len() as u64).with_message("people online");
    let urls: Vec<String> = nodes.iter().map(Node::url).collect();
    let (mut coming, mut tasks, mut sitters) = (people.into_iter().enumerate(), JoinSet::new(), Vec::new());
    loop {
        for (number, (_, token)) in coming.by_ref().take(AT_ONCE - tasks.len()) {
            let (url, ledger) = (urls[number % urls.len()].clone(), ledger.clone());
            tasks.spawn(async move { anyhow::Ok((number, Sitter::connect(&url, &token, ledger).await?)) });
        }
        let Some(connected) = tasks.join_next().await else { break };
        sitters.push(connected??);
        progress.inc(1);
    }
    progress.finish_and_clear();
    sitters.sort_by_key(|(number, _)| *number);
    Ok(sitters.into_iter().map(|(_, sitter)| sitter).collect())
}

/// How many watch each of those who are watched, by their numbers. Returns once all of them are seen online.
async fn subscribe(of: &PresenceArgs, sitters: &[Sitter], ledger: &Ledger) -> Result<BTreeMap<usize, u64>> {
    let progress = ProgressBar::new(of.watchers as u64).with_message("watchers");
    let others = sitters.len() - of.watchers;
    let mut watched = BTreeMap::new();
    for (watcher, sitter) in sitters.iter().enumerate().take(of.watchers) {
        // Spread over all, each by several.
        let place = |index: usize| of.watchers + (watcher * 7_919 + index * 104_729) % others;
        let them: BTreeSet<usize> = (0..of.watched).map(place).collect();
        them.iter().for_each(|number| *watched.entry(*number).or_default() += 1);
        let accounts: Vec<Uuid> = them.iter().map(|number| ledger.account(*number)).collect();
        sees_all(sitter, &accounts).await?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(watched)
}

async fn sees_all(watcher: &Sitter, accounts: &[Uuid]) -> Result<()> {
    let begin = Instant::now();
    loop {
        let online = watcher.subscribe(accounts).await?;
        if online == accounts.len() {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "a watcher sees {online} of {} online", accounts.len());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Changes at the rate, one person after the other. How many were made, and how many pushes they are.
async fn change(
    args: &BenchArgs,
    sitters: &[Sitter],
    watched: &BTreeMap<usize, u64>,
    ledger: &Ledger,
) -> Result<(u64, u64)> {
    let rate = args.presence.changes.max(1);
    let progress = ProgressBar::new(args.seconds * u64::from(rate)).with_message("changes");
    let mut ticks = interval(Duration::from_secs(1) / rate);
    let (begin, mut changes, mut expected) = (Instant::now(), 0, 0);
    // So that nobody changes again before the last change was told.
    let round = watched.len() as f64 / f64::from(rate);
    ensure!(round > 1.0, "{} people are too few for {rate} changes a second", watched.len());
    for (number, watchers) in watched.iter().cycle() {
        if begin.elapsed() >= Duration::from_secs(args.seconds) {
            break;
        }
        ticks.tick().await;
        sitters[*number].change(ledger.turn(*number)).await.context("say that somebody is away")?;
        changes += 1;
        expected += watchers;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok((changes, expected))
}

/// What was told of what was to be, once all has come or nothing comes any more.
async fn drain(ledger: &Ledger, expected: u64) -> Result<(u64, Histogram<u64>)> {
    let begin = Instant::now();
    while ledger.told() < expected && begin.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok((ledger.told(), ledger.times()))
}

/// One message after the other, each from its publishing until it is here, over connections of its own.
pub(super) async fn bare(nats_url: String, end: CancellationToken) -> Result<Histogram<u64>> {
    let (from, to) = (Bus::connect(&nats_url).await?, Bus::connect(&nats_url).await?);
    let subject = to.live().new_inbox();
    let mut messages = to.live().subscribe(subject.clone()).await?;
    to.live().flush().await?;
    let (mut us, mut ticks) = (histogram(), interval(BARE_EVERY));
    while !end.is_cancelled() {
        ticks.tick().await;
        let begin = Instant::now();
        from.live().publish(subject.clone(), vec![b'x'; 200].into()).await?;
        let here = timeout(PATIENCE, messages.next()).await.context("a message that was published does not come")?;
        here.context("the subscription ended")?;
        us.saturating_record(begin.elapsed().as_micros() as u64);
    }
    Ok(us)
}

fn report(args: &BenchArgs, measured: &Measured, machine: machine::Machine, took: Duration) -> Report {
    let of = &args.presence;
    let (ours, bare) = (Percentiles::of(&measured.us), Percentiles::of(&measured.bare));
    let alone = |name: &str, value: f64, unit| Part::alone(name, value, unit);
    let parts = vec![
        alone("people online", of.people as f64, "people"),
        alone("online at the end", measured.online as f64, "people"),
        alone("connected", of.people as f64 / measured.connecting.as_secs_f64(), "people/s"),
        alone("watchers", of.watchers as f64, "connections"),
        alone("changes", measured.changes as f64 / measured.took.as_secs_f64(), "changes/s"),
        alone("told", measured.told as f64, "pushes"),
        alone("not told", measured.expected as f64 - measured.told as f64, "pushes"),
        alone("change to watcher, p50", ours.p50 as f64 / 1_000.0, "ms"),
        alone("change to watcher, p99 (bound 500)", ours.p99 as f64 / 1_000.0, "ms"),
    ];
    Report {
        scenario: "presence",
        value: ours.p99 as f64,
        unit: "us from change to watcher at p99",
        limit: bare.p99 as f64,
        limit_name: "us from publish to subscriber at p99",
        ratio: bare.p99 as f64 / (ours.p99 as f64).max(1.0),
        // Changes are gathered on purpose: the bound in time counts.
        aim: 0.0,
        parts,
        server_cpu_us_per_op: Some(measured.cpu.clone()),
        percentiles_us: BTreeMap::from([
            ("change to watcher".to_owned(), ours),
            ("publish to subscriber, bare".to_owned(), bare),
        ]),
        duration_s: took.as_secs_f64(),
        machine,
        commit: machine::commit(),
        law: Some(law(of, measured, ours)),
    }
}

fn law(of: &PresenceArgs, measured: &Measured, ours: Percentiles) -> bool {
    let is_told = measured.told == measured.expected && measured.online == of.people;
    is_told && u128::from(ours.p99) < BOUND.as_micros()
}
