//! `natter bench login`: people sign in over REST, each into a session of its own, as fast as they are answered. Beside it argon2id
//! with the same parameters and nothing else, on as many threads as there are cores; rounds alternate, so that what else the
//! machine does meets both. Then what the door costs a request, by the functions themselves in a loop.

mod door;

use super::{
    BenchArgs,
    cpu::{self, Whose},
    machine,
    node::{Node, Site, on_own_servers},
    report::{Part, Percentiles, Report},
};
use anyhow::{Context, Result, ensure};
use door::Door;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use natter_client::{Client, wire};
use natter_commands::{Bare, Cost};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// A hash takes all of a core; what a login is beside it (a commit, an answer) should be little.
const AIM: f64 = 0.8;
const ROUNDS: u32 = 4;
const WARM_UP: Duration = Duration::from_secs(1);
const PASSWORD: &str = "correct horse battery staple";

pub async fn run(args: &BenchArgs) -> Result<Report> {
    on_own_servers(async |site, whose| measure_with(args, site, Cost::Standard, whose).await).await
}

/// Everything, on a node of its own.
pub async fn measure(args: &BenchArgs, site: &Site, cost: Cost) -> Result<Report> {
    measure_with(args, site, cost, Whose::default()).await
}

/// `whose`: the servers; the node is added.
async fn measure_with(args: &BenchArgs, site: &Site, cost: Cost, whose: Whose) -> Result<Report> {
    let begin = Instant::now();
    let mut site = site.clone();
    site.more.push(("NATTER_ARGON2".to_owned(), if cost == Cost::Cheap { "cheap" } else { "standard" }.to_owned()));
    let mut node = Node::start(&site, "all").await?;
    let whose = Whose { natter: Vec::from_iter(node.pid()), ..whose };
    let measured = rounds(args, &node, cost, &whose).await;
    node.stop().await?;
    let measured = measured?;
    println!("door         its functions in a loop");
    let door = Door::measure(&site.nats_url).await?;
    Ok(report(&measured, &door, machine::describe(&site.dir), begin.elapsed()))
}

/// What all rounds showed together.
struct Measured {
    people: usize,
    at_once: usize,
    cores: usize,
    logins: Seen,
    bare: f64,
    cpu: BTreeMap<String, f64>,
}

async fn rounds(args: &BenchArgs, node: &Node, cost: Cost, whose: &Whose) -> Result<Measured> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Who waits for a core in the server is in nobody's way: there is always one ready.
    let at_once = 4 * cores;
    println!("people       registering {}", 2 * args.pairs);
    let crowd = Arc::new(Crowd::register(&node.url(), 2 * args.pairs, at_once).await?);
    let bare = Arc::new(Bare::new(cost)?);
    let time = (Duration::from_secs(args.seconds) / (2 * ROUNDS)).max(Duration::from_millis(200));
    let progress = ProgressBar::new(2 * u64::from(ROUNDS)).with_message("logins, raw argon2id");
    sign_in(&crowd, at_once, WARM_UP.min(time)).await?;
    let (mut logins, mut compared, mut spent) = (Seen::new()?, 0.0, BTreeMap::new());
    for _ in 0..ROUNDS {
        let before = cpu::by_part(whose);
        logins.add(&sign_in(&crowd, at_once, time).await?)?;
        cpu::add_spent(&mut spent, &before, whose);
        progress.inc(1);
        let bare = bare.clone();
        compared += tokio::task::spawn_blocking(move || per_second(&bare, cores, time)).await??;
        progress.inc(1);
    }
    progress.finish_and_clear();
    let cpu = cpu::per_operation(&BTreeMap::new(), &spent, logins.us.len());
    Ok(Measured { people: 2 * args.pairs, at_once, cores, logins, bare: compared / f64::from(ROUNDS), cpu })
}

/// Comparisons of all threads together.
fn per_second(bare: &Bare, threads: usize, time: Duration) -> Result<f64> {
    let one = || {
        let (begin, mut compared) = (Instant::now(), 0_u64);
        while begin.elapsed() < time {
            ensure!(bare.compare(), "the right password is none");
            compared += 1;
        }
        Ok(compared as f64 / begin.elapsed().as_secs_f64())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?).sum()
    })
}

/// People who have an account, and the door that they come through.
struct Crowd {
    client: Client,
    people: Vec<(String, Uuid)>,
    next: AtomicUsize,
}

impl Crowd {
    async fn register(url: &str, count: usize, at_once: usize) -> Result<Self> {
        let client = Client::new(url)?;
        let progress = ProgressBar::new(count as u64);
        let (mut people, mut coming, mut tasks) = (Vec::new(), 0..count, JoinSet::new());
        loop {
            for number in coming.by_ref().take(at_once - tasks.len()) {
                let client = client.clone();
                tasks.spawn(async move {
                    let name = format!("login-{number}-{}", natter_client::new_id().simple());
                    let signed = client.register(&wire::Register::new(&name, PASSWORD)).await.context("register")?;
                    anyhow::Ok((name, signed.id()))
                });
            }
            let Some(registered) = tasks.join_next().await else { break };
            people.push(registered??);
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(Self { client, people, next: AtomicUsize::new(0) })
    }

    /// The next person signs in, and is who is let in.
    async fn sign_in(&self) -> Result<Duration> {
        let (name, id) = &self.people[self.next.fetch_add(1, Ordering::Relaxed) % self.people.len()];
        let password = Some(PASSWORD.to_owned());
        let login = wire::Login { login: name.clone(), password, code: None, device: None };
        let begin = Instant::now();
        let signed = self.client.login(&login).await.context("sign in")?;
        ensure!(signed.id() == *id, "somebody else was let in");
        Ok(begin.elapsed())
    }
}

/// What a round of logins showed.
struct Seen {
    took: Duration,
    us: Histogram<u64>,
}

impl Seen {
    fn new() -> Result<Self> {
        Ok(Self { took: Duration::ZERO, us: Histogram::new_with_bounds(1, 600_000_000, 2)? })
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.took += other.took;
        Ok(self.us.add(&other.us)?)
    }

    fn per_second(&self) -> f64 {
        self.us.len() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// So many at once for so long. The round ends with its last answer.
async fn sign_in(crowd: &Arc<Crowd>, at_once: usize, time: Duration) -> Result<Seen> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let crowd = crowd.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begin.elapsed() < time {
                times.push(crowd.sign_in().await?);
            }
            anyhow::Ok(times)
        });
    }
    let mut seen = Seen::new()?;
    while let Some(times) = tasks.join_next().await {
        for time in times?? {
            seen.us.saturating_record(time.as_micros() as u64);
        }
    }
    seen.took = begin.elapsed();
    Ok(seen)
}

fn report(measured: &Measured, door: &Door, machine: machine::Machine, took: Duration) -> Report {
    let logins = measured.logins.per_second();
    let mut parts = vec![
        Part::of("logins", logins, "logins/s", measured.bare),
        Part::alone("people", measured.people as f64, "accounts"),
        Part::alone("on the way at once", measured.at_once as f64, "logins"),
        Part::alone("raw argon2id, one comparison", 1e6 * measured.cores as f64 / measured.bare, "us of a core"),
    ];
    parts.extend(door.parts());
    Report {
        scenario: "login",
        value: logins,
        unit: "logins/s",
        limit: measured.bare,
        limit_name: "comparisons/s by argon2id alone, same parameters, as many threads as cores",
        ratio: logins / measured.bare,
        aim: AIM,
        parts,
        server_cpu_us_per_op: Some(measured.cpu.clone()),
        percentiles_us: BTreeMap::from([("login".to_owned(), Percentiles::of(&measured.logins.us))]),
        duration_s: took.as_secs_f64(),
        machine,
        commit: machine::commit(),
        law: None,
    }
}
