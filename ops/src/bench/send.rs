//! `natter bench send`: people on WebSockets send durable messages as fast as they are acknowledged, projections and
//! delivery on. Then the same people at a part of that rate, where times say something: acknowledgements in units of
//! one commit of as many events, and how far projections and delivery fall behind. Beside it, in the same run and on the
//! same servers: the raw limit (see `raw`).

use super::{
    BenchArgs, bare,
    counters::Counters,
    cpu::{self, Whose},
    load::{Plan as LoadPlan, PlannedPair, Seen},
    machine,
    node::{Node, Site},
    people,
    raw::{self, Raw},
    report::{Part, Percentiles, Report},
};
use crate::{
    config::Settings,
    serve,
    servers::{self, Plan, Servers},
};
use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use natter_projections::generation;
use natter_streams::{Log, keyring::Keyring};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

pub(super) const WARM_UP: u64 = 3;
/// What each message says; with its envelope a typical event.
pub(super) const TEXT: &str =
    "Shall we meet at seven by the old bridge? I will bring the book that you lent me in spring.";
const WINDOW: usize = 4;
const LOAD_PROCESSES: usize = 2;
const AIM: f64 = 0.5;

const PACED_WARM_UP: u64 = 1;
const PACED_SECONDS: u64 = 10;
/// Projections that are behind for longer have a fault.
const DRAIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// At who is behind, before anything is measured.
const LOOKS: usize = 20;

pub async fn run(args: &BenchArgs) -> Result<Report> {
    match &args.url {
        Some(url) => elsewhere(args, url).await,
        None => private(args).await,
    }
}

/// A server that runs already: its people come through the door, since only the owner of a lane may append. The raw
/// limit needs its servers' addresses.
async fn elsewhere(args: &BenchArgs, url: &str) -> Result<Report> {
    let begin = Instant::now();
    let variable = |name: &str| std::env::var(name).with_context(|| format!("--url needs {name} for the raw limit"));
    let (database_url, nats_url) = (variable("NATTER_DATABASE_URL")?, variable("NATTER_NATS_URL")?);
    let dir = std::env::temp_dir();
    println!("people       registering {} pairs", args.pairs);
    let plans = share(people::register(url, args.pairs).await?);
    let server = Server::new(url, &database_url).await?;
    let live = talk(args, &dir, &server, &Whose::default(), plans).await?;
    println!("raw limit    insert, publish and history insert at the same time");
    let raw = raw::measure(&database_url, &nats_url, TEXT).await?;
    let commit = one_commit(&database_url, &live).await?;
    Ok(report(&live, &raw, &commit, &dir, begin.elapsed()))
}

/// Servers, a database and a `natter serve` of our own; nothing of them remains.
async fn private(args: &BenchArgs) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let started = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let measured = measure(args, &dir, &started).await;
    started.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

async fn measure(args: &BenchArgs, dir: &Path, servers: &Servers) -> Result<Report> {
    let (database_url, nats_url) = (servers.database_url(), servers.nats_url());
    let begin = Instant::now();
    serve::migrate(database_url).await?;
    let settings = Settings::in_directory(dir);
    let keyring = Keyring::new(&settings.installation_key()?);
    println!("people       making {} pairs", args.pairs);
    let plans = plan(args.pairs, database_url, args.lanes, &keyring).await?;
    let site = Site::of(servers, dir)?;
    let mut server = Node::start(&site, "all").await?;
    let whose = Whose::on(servers, Vec::from_iter(server.pid()));
    let url = server.url();
    let measured = Server::new(&url, database_url).await?;
    let live = talk(args, dir, &measured, &whose, share(plans)).await;
    server.stop().await?;
    let live = live?;
    println!("raw limit    insert, publish and history insert at the same time");
    let raw = raw::measure(database_url, nats_url, TEXT).await?;
    let commit = one_commit(database_url, &live).await?;
    Ok(report(&live, &raw, &commit, dir, begin.elapsed()))
}

/// Single commits as large as they were at the pace.
async fn one_commit(database_url: &str, live: &Live) -> Result<Histogram<u64>> {
    bare::commit_us(database_url, live.paced.events_per_commit.round() as usize, TEXT).await
}

/// Makes the people, and their access tokens.
pub(super) async fn plan(
    count: usize,
    database_url: &str,
    lanes: Option<u16>,
    keyring: &Keyring,
) -> Result<Vec<PlannedPair>> {
    let log = Log::connect(database_url, lanes).await?;
    log.check_key(keyring).await?;
    let pairs = people::make(&log, keyring, count).await?;
    let token = |person: people::Person| natter_edge::access_token(keyring, person.caller());
    Ok(pairs
        .iter()
        .map(|pair| PlannedPair { conversation: pair.conversation.0, tokens: pair.people.map(token) })
        .collect())
}

/// Hands each load process its part of the pairs.
pub(super) fn share(pairs: Vec<PlannedPair>) -> Vec<Vec<PlannedPair>> {
    let mut shares: Vec<Vec<PlannedPair>> = (0..LOAD_PROCESSES).map(|_| Vec::new()).collect();
    for (number, pair) in pairs.into_iter().enumerate() {
        shares[number % LOAD_PROCESSES].push(pair);
    }
    shares
}

/// What the phases showed.
struct Live {
    /// As fast as acknowledged.
    full: Seen,
    rate: f64,
    events_per_commit: f64,
    /// Until projections had seen everything, once the last message was received.
    drain: Duration,
    cpu: BTreeMap<String, f64>,
    /// At a part of that rate.
    paced: Paced,
}

struct Paced {
    seen: Seen,
    rate: f64,
    events_per_commit: f64,
    commit_us: f64,
    /// Events that the projection furthest behind had not seen yet, at the worst look of one each second.
    lag: f64,
    /// Until none was left, once the last message was sent.
    drain: Duration,
}

/// What is measured.
struct Server<'a> {
    url: &'a str,
    log: Log,
    /// Of the projection that was furthest behind before anything was sent, and stays so.
    lag: u64,
}

impl<'a> Server<'a> {
    async fn new(url: &'a str, database_url: &str) -> Result<Self> {
        let log = Log::connect(database_url, None).await?;
        let mut lag = u64::MAX;
        for _ in 0..LOOKS {
            lag = lag.min(generation::lag(&log).await?);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Self { url, log, lag })
    }
}

async fn talk(
    args: &BenchArgs,
    dir: &Path,
    server: &Server<'_>,
    whose: &Whose,
    plans: Vec<Vec<PlannedPair>>,
) -> Result<Live> {
    let url = server.url;
    let mut loads = loads(args, dir, url, plans).await?;
    let idle = Counters::read(url).await?;
    for load in &mut loads {
        load.order(&format!("full {WARM_UP} {}", args.seconds)).await?;
    }
    let progress = progress_bar(args.seconds);
    tokio::time::sleep(Duration::from_secs(WARM_UP)).await;
    let (cpu_before, before) = (cpu::by_part(whose), Counters::read(url).await?);
    let mut done = 0;
    for _ in 0..args.seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.inc(1);
        done = loads.iter().map(|load| load.done.load(Ordering::Relaxed)).sum();
        progress.set_message(format!("{done} acknowledged"));
    }
    let (cpu_after, after) = (cpu::by_part(whose), Counters::read(url).await?);
    progress.finish_and_clear();
    let full = finish(&mut loads).await?;
    let drain = drained(server, &idle).await?;
    ensure!(full.measured > 0, "nothing was acknowledged; see the server's log in {}", dir.display());
    let cpu = cpu::per_operation(&cpu_before, &cpu_after, done.max(1));
    let rate = full.measured as f64 / args.seconds as f64;
    let events_per_commit = after.events_per_commit_since(&before);
    let paced = pace(server, &mut loads, rate * args.pace, &idle).await?;
    for load in loads {
        load.end().await?;
    }
    Ok(Live { full, rate, events_per_commit, drain, cpu, paced })
}

/// A process for each share of the pairs, connected.
pub(super) async fn loads(args: &BenchArgs, dir: &Path, url: &str, plans: Vec<Vec<PlannedPair>>) -> Result<Vec<Load>> {
    let mut loads = Vec::new();
    for (number, pairs) in plans.into_iter().enumerate() {
        let window = args.window.unwrap_or(WINDOW);
        let plan = LoadPlan { url: url.to_owned(), window, text: TEXT.to_owned(), pairs };
        loads.push(Load::start(dir.join(format!("load-{}-{number}.json", std::process::id())), &plan).await?);
    }
    Ok(loads)
}

/// The same people at so many messages a second, acknowledged or not.
async fn pace(server: &Server<'_>, loads: &mut [Load], rate: f64, idle: &Counters) -> Result<Paced> {
    let url = server.url;
    println!("paced        {rate:.0} messages/s");
    let pairs: usize = loads.iter().map(|load| load.pairs).sum();
    for load in loads.iter_mut() {
        let share = rate * load.pairs as f64 / pairs as f64;
        load.order(&format!("paced {PACED_WARM_UP} {PACED_SECONDS} {share}")).await?;
    }
    let end = Instant::now() + Duration::from_secs(PACED_WARM_UP + PACED_SECONDS);
    let progress = progress_bar(PACED_SECONDS);
    tokio::time::sleep(Duration::from_secs(PACED_WARM_UP)).await;
    let before = Counters::read(url).await?;
    let (mut after, mut lag) = (before.clone(), 0f64);
    for _ in 1..PACED_SECONDS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        after = Counters::read(url).await?;
        lag = lag.max(after.lag_since(idle));
        progress.inc(1);
    }
    tokio::time::sleep_until(end.into()).await;
    let drain = drained(server, idle).await?;
    progress.finish_and_clear();
    let seen = finish(loads).await?;
    Ok(Paced {
        rate: seen.measured as f64 / PACED_SECONDS as f64,
        seen,
        events_per_commit: after.events_per_commit_since(&before),
        commit_us: after.commit_us_since(&before),
        lag,
        drain,
    })
}

/// Until every projection has applied everything: how long that took. By the checkpoints: what a projector counts of
/// itself is short of a batch that was committed when its lease had just ended.
async fn drained(server: &Server<'_>, idle: &Counters) -> Result<Duration> {
    let begin = Instant::now();
    while generation::lag(&server.log).await? > server.lag {
        if begin.elapsed() > DRAIN {
            let now = Counters::read(server.url).await?;
            bail!("behind {} s after the last message: {}", DRAIN.as_secs(), now.projections_since(idle));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begin.elapsed())
}

/// Every load process' result of the phase.
pub(super) async fn finish(loads: &mut [Load]) -> Result<Seen> {
    let mut seen = Seen::default();
    for load in loads {
        seen.add(load.seen.recv().await.context("a load process ended without a result")?);
    }
    Ok(seen)
}

fn progress_bar(seconds: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(seconds).with_style(style)
}

/// A load process.
pub(super) struct Load {
    child: Child,
    stdin: ChildStdin,
    pairs: usize,
    seen: mpsc::Receiver<Seen>,
    done: Arc<AtomicU64>,
}

impl Load {
    async fn start(path: PathBuf, plan: &LoadPlan) -> Result<Self> {
        std::fs::write(&path, serde_json::to_string(plan)?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bench-load")
            .arg(path)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start a load process")?;
        let stdin = child.stdin.take().context("its standard input")?;
        let mut lines = BufReader::new(child.stdout.take().context("its standard output")?).lines();
        ensure!(lines.next_line().await?.as_deref() == Some("ready"), "a load process could not connect");
        let done = Arc::default();
        let (tell, seen) = mpsc::channel(1);
        tokio::spawn(listen(lines, Arc::clone(&done), tell));
        Ok(Self { child, stdin, pairs: plan.pairs.len(), seen, done })
    }

    pub(super) async fn order(&mut self, phase: &str) -> Result<()> {
        Ok(self.stdin.write_all(format!("{phase}\n").as_bytes()).await?)
    }

    pub(super) async fn end(mut self) -> Result<()> {
        drop(self.stdin);
        self.child.wait().await?;
        Ok(())
    }
}

/// Counts while a phase runs, its result when it ends.
async fn listen(mut lines: Lines<BufReader<ChildStdout>>, done: Arc<AtomicU64>, tell: mpsc::Sender<Seen>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(count) = line.parse() {
            done.store(count, Ordering::Relaxed);
        } else if let Ok(seen) = serde_json::from_str(&line) {
            let _ = tell.send(seen).await;
        }
    }
}

fn percentiles(counts: &[(u64, u64)]) -> Percentiles {
    let Ok(mut histogram) = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3) else { return Percentiles::default() };
    for &(value, count) in counts {
        histogram.saturating_record_n(value, count);
    }
    Percentiles::of(&histogram)
}

fn report(live: &Live, raw: &Raw, commit: &Histogram<u64>, dir: &Path, took: Duration) -> Report {
    let (seen, paced) = (&live.full, &live.paced);
    let mut parts = vec![
        Part::of("messages", live.rate, "messages/s", raw.together),
        Part::alone("raw: event insert alone", raw.insert_alone, "rows/s"),
        Part::alone("events per commit", live.events_per_commit, "events"),
        Part::alone("drained after the last (aim 2)", live.drain.as_secs_f64(), "s"),
    ];
    parts.extend(paced_parts(paced, commit));
    parts.extend(seen.parts(""));
    parts.extend(paced.seen.parts("paced: "));
    Report {
        scenario: "send",
        value: live.rate,
        unit: "messages/s",
        limit: raw.together,
        limit_name: "messages/s inserted, published and inserted into history at the same time",
        ratio: live.rate / raw.together,
        aim: AIM,
        parts,
        server_cpu_us_per_op: Some(live.cpu.clone()),
        percentiles_us: BTreeMap::from([
            ("acknowledgement".to_owned(), percentiles(&seen.ack_us)),
            ("receipt".to_owned(), percentiles(&seen.receive_us)),
            ("acknowledgement, paced".to_owned(), percentiles(&paced.seen.ack_us)),
            ("receipt, paced".to_owned(), percentiles(&paced.seen.receive_us)),
            ("one commit of the paced size, alone".to_owned(), Percentiles::of(commit)),
        ]),
        duration_s: took.as_secs_f64(),
        machine: machine::describe(dir),
        commit: machine::commit(),
        law: Some(seen.held() && paced.seen.held()),
    }
}

/// Times at the paced rate in units of one commit of as many events, measured alone in the same run.
fn paced_parts(paced: &Paced, commit: &Histogram<u64>) -> Vec<Part> {
    let (ack, one) = (percentiles(&paced.seen.ack_us), commit.value_at_quantile(0.5).max(1) as f64);
    vec![
        Part::alone("paced: messages", paced.rate, "messages/s"),
        Part::alone("paced: events per commit", paced.events_per_commit, "events"),
        Part::alone("paced: one such commit, alone", one, "us, median"),
        Part::alone("paced: a commit, as the server saw it", paced.commit_us, "us, mean"),
        Part::alone("paced: ack p50 (aim 2.5)", ack.p50 as f64 / one, "commits"),
        Part::alone("paced: ack p99 (aim 6)", ack.p99 as f64 / one, "commits"),
        Part::alone("paced: worst lag of a projection", paced.lag, "events"),
        Part::alone("paced: that is", paced.lag / paced.rate.max(1.0), "s of messages"),
        Part::alone("paced: drained after the last (aim 2)", paced.drain.as_secs_f64(), "s"),
    ]
}
