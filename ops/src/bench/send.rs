//! `natter bench send`: people on WebSockets send durable messages as fast as they are acknowledged, projections and
//! delivery on. Beside it, in the same run and on the same servers: the raw limit (see `raw`).

use super::{
    BenchArgs, cpu,
    load::{Plan as LoadPlan, PlannedPair, Seen},
    machine, people,
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
use natter_client::Client;
use natter_streams::{Log, keyring::Keyring};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

const WARM_UP: u64 = 3;
/// What each message says; with its envelope a typical event.
const TEXT: &str = "Shall we meet at seven by the old bridge? I will bring the book that you lent me in spring.";
const LOAD_PROCESSES: usize = 2;
const AIM: f64 = 0.25;
const START: Duration = Duration::from_secs(60);

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
    let live = talk(args, &dir, url, None, plans).await?;
    println!("raw limit    insert, publish and history insert at the same time");
    let raw = raw::measure(&database_url, &nats_url, TEXT).await?;
    Ok(report(&live, &raw, &dir, begin.elapsed()))
}

/// Servers, a database and a `natter serve` of our own; nothing of them remains.
async fn private(args: &BenchArgs) -> Result<Report> {
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let started = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let measured = measure(args, &dir, started.database_url(), started.nats_url()).await;
    started.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

async fn measure(args: &BenchArgs, dir: &Path, database_url: &str, nats_url: &str) -> Result<Report> {
    let begin = Instant::now();
    serve::migrate(database_url).await?;
    let settings = Settings::in_directory(dir);
    let keyring = Keyring::new(&settings.installation_key()?);
    println!("people       making {} pairs", args.pairs);
    let plans = plan(args, database_url, &keyring).await?;
    let server = Server::start(dir, database_url, nats_url).await?;
    let live = talk(args, dir, &server.url, Some(server.pid()), share(plans)).await;
    server.stop().await?;
    let live = live?;
    println!("raw limit    insert, publish and history insert at the same time");
    let raw = raw::measure(database_url, nats_url, TEXT).await?;
    Ok(report(&live, &raw, dir, begin.elapsed()))
}

/// Makes the people, and their access tokens.
async fn plan(args: &BenchArgs, database_url: &str, keyring: &Keyring) -> Result<Vec<PlannedPair>> {
    let log = Log::connect(database_url, None).await?;
    log.check_key(keyring).await?;
    let pairs = people::make(&log, keyring, args.pairs).await?;
    let token = |person: people::Person| natter_edge::access_token(keyring, person.caller());
    Ok(pairs
        .iter()
        .map(|pair| PlannedPair { conversation: pair.conversation.0, tokens: pair.people.map(token) })
        .collect())
}

/// Hands each load process its part of the pairs.
fn share(pairs: Vec<PlannedPair>) -> Vec<Vec<PlannedPair>> {
    let mut shares: Vec<Vec<PlannedPair>> = (0..LOAD_PROCESSES).map(|_| Vec::new()).collect();
    for (number, pair) in pairs.into_iter().enumerate() {
        shares[number % LOAD_PROCESSES].push(pair);
    }
    shares
}

/// A `natter serve` process.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    async fn start(dir: &Path, database_url: &str, nats_url: &str) -> Result<Self> {
        let listen = free_address()?;
        let log = std::fs::File::create(dir.join("natter.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .env("NATTER_DATABASE_URL", database_url)
            .env("NATTER_NATS_URL", nats_url)
            .env("NATTER_LISTEN", listen.to_string())
            .env("NATTER_DATA_DIR", dir)
            .env("NATTER_LIMITS", "off")
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start natter serve")?;
        let mut server = Self { child, url: format!("http://{listen}") };
        server.wait(dir).await?;
        Ok(server)
    }

    async fn wait(&mut self, dir: &Path) -> Result<()> {
        let client = Client::new(&self.url)?;
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(dir.join("natter.log")).unwrap_or_default();
                bail!("natter serve ended with {status}:\n{log}");
            }
            if client.is_ready().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("natter serve is not ready after {} s", START.as_secs())
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        self.child.wait().await?;
        Ok(())
    }
}

/// Below the range that the kernel hands to outgoing connections.
fn free_address() -> Result<SocketAddr> {
    use rand::Rng;
    for _ in 0..100 {
        let address = SocketAddr::from(([127, 0, 0, 1], rand::rng().random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port below 32768")
}

/// What the measured phase showed.
struct Live {
    seen: Seen,
    rate: f64,
    events_per_commit: f64,
    cpu: BTreeMap<String, f64>,
}

async fn talk(
    args: &BenchArgs,
    dir: &Path,
    url: &str,
    serving: Option<u32>,
    plans: Vec<Vec<PlannedPair>>,
) -> Result<Live> {
    let mut loads = Vec::new();
    for (number, pairs) in plans.into_iter().enumerate() {
        let plan = LoadPlan {
            url: url.to_owned(),
            warm_up_s: WARM_UP,
            seconds: args.seconds,
            window: args.window,
            text: TEXT.to_owned(),
            pairs,
        };
        loads.push(Load::start(dir.join(format!("load-{}-{number}.json", std::process::id())), &plan).await?);
    }
    for load in &mut loads {
        load.go().await?;
    }
    let progress = progress_bar(args.seconds);
    tokio::time::sleep(Duration::from_secs(WARM_UP)).await;
    let (cpu_before, commits_before) = (cpu::by_part(serving), Commits::read(url).await?);
    let mut done = 0;
    for _ in 0..args.seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.inc(1);
        done = loads.iter().map(|load| load.done.load(std::sync::atomic::Ordering::Relaxed)).sum();
        progress.set_message(format!("{done} acknowledged"));
    }
    let (cpu_after, commits_after) = (cpu::by_part(serving), Commits::read(url).await?);
    progress.finish_and_clear();
    let mut seen = Seen::default();
    for load in loads {
        add(&mut seen, load.finish().await?);
    }
    ensure!(seen.measured > 0, "nothing was acknowledged; see {}", dir.join("natter.log").display());
    let cpu = cpu::per_operation(&cpu_before, &cpu_after, done.max(1));
    let rate = seen.measured as f64 / args.seconds as f64;
    Ok(Live { rate, events_per_commit: commits_after.events_per_commit_since(&commits_before), cpu, seen })
}

fn progress_bar(seconds: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(seconds).with_style(style)
}

fn add(all: &mut Seen, one: Seen) {
    all.measured += one.measured;
    all.acknowledged += one.acknowledged;
    all.received += one.received;
    all.out_of_order += one.out_of_order;
    all.errors += one.errors;
    all.ack_us.extend(one.ack_us);
    all.receive_us.extend(one.receive_us);
}

/// A load process.
struct Load {
    child: Child,
    stdin: ChildStdin,
    reading: tokio::task::JoinHandle<Result<Seen>>,
    done: std::sync::Arc<std::sync::atomic::AtomicU64>,
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
        let done = std::sync::Arc::default();
        let reading = tokio::spawn(listen(lines, std::sync::Arc::clone(&done)));
        Ok(Self { child, stdin, reading, done })
    }

    async fn go(&mut self) -> Result<()> {
        Ok(self.stdin.write_all(b"go\n").await?)
    }

    async fn finish(mut self) -> Result<Seen> {
        let seen = self.reading.await??;
        self.child.wait().await?;
        Ok(seen)
    }
}

async fn listen(
    mut lines: Lines<BufReader<ChildStdout>>,
    done: std::sync::Arc<std::sync::atomic::AtomicU64>,
) -> Result<Seen> {
    while let Some(line) = lines.next_line().await? {
        match line.parse() {
            Ok(count) => done.store(count, std::sync::atomic::Ordering::Relaxed),
            Err(_) => return serde_json::from_str(&line).context("read a load process' result"),
        }
    }
    bail!("a load process ended without a result")
}

/// Two counters of `/metrics`.
struct Commits {
    events: f64,
    commits: f64,
}

impl Commits {
    async fn read(url: &str) -> Result<Self> {
        let text = Client::new(url)?.raw("GET", "/metrics", &[], None).await?.text();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
        };
        Ok(Self { events: value("natter_log_events_total"), commits: value("natter_log_commits_total") })
    }

    fn events_per_commit_since(&self, before: &Self) -> f64 {
        (self.events - before.events) / (self.commits - before.commits).max(1.0)
    }
}

fn percentiles(counts: &[(u64, u64)]) -> Percentiles {
    let Ok(mut histogram) = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3) else { return Percentiles::default() };
    for &(value, count) in counts {
        histogram.saturating_record_n(value, count);
    }
    Percentiles::of(&histogram)
}

fn report(live: &Live, raw: &Raw, dir: &Path, took: Duration) -> Report {
    let seen = &live.seen;
    let law = seen.received == seen.acknowledged && seen.out_of_order == 0 && seen.errors == 0;
    let parts = vec![
        Part::of("messages", live.rate, "messages/s", raw.together),
        Part::alone("raw: event insert alone", raw.insert_alone, "rows/s"),
        Part::alone("events per commit", live.events_per_commit, "events"),
        Part::alone("acknowledged in all", seen.acknowledged as f64, "messages"),
        Part::alone("received by the other person", seen.received as f64, "messages"),
        Part::alone("out of order", seen.out_of_order as f64, "messages"),
        Part::alone("errors", seen.errors as f64, "answers"),
    ];
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
        ]),
        duration_s: took.as_secs_f64(),
        machine: machine::describe(dir),
        commit: machine::commit(),
        law: Some(law),
    }
}
