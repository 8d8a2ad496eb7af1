//! `natter bench chaos`: people send while processes of every kind are killed, paused and restarted. At the end what was
//! acknowledged is compared with what every member reads and was shown: nothing lost, doubled or reordered. And how long
//! it took, after each fault, until every conversation flowed again.
//!
//! `fault` draws what happens from a seed, `site` does it, `people` talk, `reconcile` judges. The test of the same name
//! runs a short one.

mod fault;
mod people;
mod reconcile;
mod site;

pub use fault::{Blow, Wanted};
pub use reconcile::Verdict;

use super::{
    BenchArgs, machine,
    report::{Part, Percentiles, Report},
};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use fault::Strike;
use hdrhistogram::Histogram;
use people::{Shown, World};
use reconcile::Acknowledged;
use site::Site;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{process::Command, task::JoinSet};

/// How often a follower reads the state without a reason.
const READ_AGAIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Of a long run: so many sends for each fault.
const SENDS_PER_FAULT: u64 = 5_000;

#[derive(Args, Clone, Debug)]
pub struct ChaosArgs {
    /// chaos: messages to be acknowledged
    #[arg(long, default_value_t = 1_000_000)]
    pub sends: u64,
    /// chaos: what the schedule of faults is drawn from [default: a new one, printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// chaos: which kinds, such as `postgres-kill`, `nats`, `pause` [default: all]
    #[arg(long, value_delimiter = ',')]
    pub faults: Vec<String>,
    /// chaos: the roles of each node; `all` is every one
    #[arg(long, value_delimiter = ';', default_value = "edge;edge;commands;commands;projections;projections")]
    pub nodes: Vec<String>,
}

/// A run.
pub struct Options {
    /// The `natter` that serves.
    pub program: PathBuf,
    /// For everything that is made; removed by whoever chose it.
    pub dir: PathBuf,
    pub sends: u64,
    pub seed: u64,
    pub faults: usize,
    pub wanted: Wanted,
    /// The roles of each node.
    pub nodes: Vec<String>,
    /// Pairs of people, each with one conversation.
    pub pairs: usize,
    /// Further variables of the nodes' environment.
    pub settings: Vec<(String, String)>,
    /// Within which everything must flow again after a blow.
    pub bound: Duration,
}

/// What came of it.
pub struct Outcome {
    pub acknowledged: u64,
    pub verdict: Verdict,
    pub recoveries: Vec<Recovery>,
    /// Nodes that ended without being told to, most of them because what they need was away at their start.
    pub ended_by_themselves: u64,
}

/// How long it took.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub kind: String,
    /// From the blow until every conversation flowed.
    pub outage: Duration,
    /// The same from the end of a pause; from the blow, where processes were ended.
    pub recovery: Duration,
}

/// How steps are told.
pub type Say = dyn Fn(&str) + Sync;

pub async fn run(options: &Options, say: &Say) -> Result<Outcome> {
    let apart = options.sends / (options.faults as u64 + 1);
    let blows = fault::schedule(options.seed, options.faults, apart, &options.nodes, &options.wanted)?;
    say(&format!("chaos        seed {}, {} faults:", options.seed, blows.len()));
    for blow in &blows {
        say(&format!("  {blow}"));
    }
    let mut site = Site::start(options).await?;
    say(&format!("people       {} pairs come in at {} edges", options.pairs, site.edges().len()));
    let world = Arc::new(World::gather(options, site.edges()).await?);
    let outcome = Run { options, world, say }.to_the_end(&mut site, &blows).await?;
    site.stop(options).await?;
    Ok(outcome)
}

struct Run<'a> {
    options: &'a Options,
    world: Arc<World>,
    say: &'a Say,
}

/// One member's app, on a device that only follows.
struct Follower {
    shown: Arc<Shown>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Run<'_> {
    async fn to_the_end(&self, site: &mut Site, blows: &[Blow]) -> Result<Outcome> {
        let followers: Vec<[Follower; 2]> =
            self.world.talks.iter().map(|talk| [0, 1].map(|side| follow(talk, side))).collect();
        let mut sending = JoinSet::new();
        for (number, talk) in self.world.talks.iter().enumerate() {
            for side in 0..2 {
                let sent = talk.clone().send(self.world.clone(), side);
                sending.spawn(async move { Ok::<_, anyhow::Error>((number, sent.await?)) });
            }
        }
        let recoveries = self.hurt(site, blows, &mut sending).await?;
        self.world.over.store(true, Ordering::SeqCst);
        let mut acknowledged: Vec<Vec<Acknowledged>> = vec![Vec::new(); self.world.talks.len()];
        while let Some(sent) = tend(site, sending.join_next()).await? {
            let (number, sent) = sent??;
            acknowledged[number].extend(sent);
        }
        (self.say)(&format!("reconciling  {} acknowledged", self.world.acknowledged()));
        site.all_ready().await?;
        let verdict = self.reconcile(&acknowledged, &followers).await?;
        self.log_is_streams(site).await?;
        let ended_by_themselves = site.nodes.iter().map(|node| node.ended_by_itself).sum();
        Ok(Outcome { acknowledged: self.world.acknowledged(), verdict, recoveries, ended_by_themselves })
    }

    /// One blow after the other, each once all have recovered and some messages later.
    async fn hurt<T: 'static>(
        &self,
        site: &mut Site,
        blows: &[Blow],
        sending: &mut JoinSet<Result<T>>,
    ) -> Result<Vec<Recovery>> {
        let mut recoveries = Vec::new();
        for (number, blow) in blows.iter().enumerate() {
            let goal = self.world.acknowledged() + blow.after;
            self.until(site, sending, "messages go on", || self.world.acknowledged() >= goal).await?;
            let recovery = self.strike(site, blow, sending).await.with_context(|| format!("fault {number}: {blow}"))?;
            (self.say)(&format!(
                "  {:>3}/{} {:<22} out for {:>6} ms, {:>6} ms after its end; {} acknowledged",
                number + 1,
                blows.len(),
                recovery.kind,
                recovery.outage.as_millis(),
                recovery.recovery.as_millis(),
                self.world.acknowledged(),
            ));
            recoveries.push(recovery);
        }
        Ok(recoveries)
    }

    async fn strike<T: 'static>(
        &self,
        site: &mut Site,
        blow: &Blow,
        sending: &mut JoinSet<Result<T>>,
    ) -> Result<Recovery> {
        let struck = Instant::now();
        for strike in &blow.strikes {
            site.begin(strike).await?;
        }
        let hurt = self.world.mark();
        let mut open: Vec<&Strike> = blow.strikes.iter().collect();
        open.sort_by_key(|strike| strike.lasts);
        for strike in open {
            let due = hurt + strike.lasts;
            self.until(site, sending, "it lasts", || Instant::now() >= due).await?;
            site.end(strike).await?;
        }
        let ended = Instant::now();
        self.until(site, sending, "every conversation flows again", || self.world.flows_since_mark().is_some()).await?;
        let flowed = self.world.flows_since_mark().context("it was just seen")?;
        let pauses = blow.strikes.iter().all(|strike| strike.harm == fault::Harm::Pause);
        let from = if pauses { ended } else { struck };
        let (outage, recovery) = (flowed.saturating_duration_since(struck), flowed.saturating_duration_since(from));
        Ok(Recovery { kind: blow.kind(), outage, recovery })
    }

    /// Waits for a state, looking after the nodes meanwhile.
    async fn until<T: 'static>(
        &self,
        site: &mut Site,
        sending: &mut JoinSet<Result<T>>,
        what: &str,
        so: impl Fn() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + self.options.bound;
        while !so() {
            ensure!(Instant::now() < deadline, "{what}: not within {} s", self.options.bound.as_secs());
            site.supervise()?;
            // Nobody ends before it is over: this one was refused.
            if let Some(ended) = sending.try_join_next() {
                ended??;
                bail!("somebody stopped sending");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn reconcile(&self, acknowledged: &[Vec<Acknowledged>], followers: &[[Follower; 2]]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        for (talk, (acknowledged, followers)) in self.world.talks.iter().zip(acknowledged.iter().zip(followers)) {
            for (person, follower) in talk.people.iter().zip(followers) {
                let history = person.history(talk, self.options.bound).await?;
                self.shown(follower, history.len() as u64).await;
                verdict += reconcile::compare(acknowledged, &history, &follower.shown.take());
            }
        }
        Ok(verdict)
    }

    /// Waits until an app has shown so many; one that never does is told by the comparison.
    async fn shown(&self, follower: &Follower, count: u64) {
        let deadline = Instant::now() + self.options.bound;
        while follower.shown.count() < count && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `natter streams verify` says so, once the relays have published everything.
    async fn log_is_streams(&self, site: &Site) -> Result<()> {
        let deadline = Instant::now() + self.options.bound;
        loop {
            let verified = Command::new(&self.options.program)
                .args(["streams", "verify"])
                .env("NATTER_DATABASE_URL", site.database_url())
                .env("NATTER_NATS_URL", site.nats_url())
                .env("NATTER_DATA_DIR", self.options.dir.join("natter"))
                .kill_on_drop(true)
                .output()
                .await
                .context("run natter streams verify")?;
            if verified.status.success() {
                (self.say)("streams      the chain holds, every lane is its stream");
                return Ok(());
            }
            let said =
                String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
            ensure!(Instant::now() < deadline, "natter streams verify: {said}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn follow(talk: &Arc<people::Talk>, side: usize) -> Follower {
    let shown = Arc::new(Shown::default());
    let task = tokio::spawn(talk.clone().follow(side, shown.clone()));
    Follower { shown, task }
}

/// Waits for something, looking after the nodes meanwhile.
async fn tend<T>(site: &mut Site, waited: impl Future<Output = T>) -> Result<T> {
    tokio::pin!(waited);
    loop {
        tokio::select! {
            done = &mut waited => return Ok(done),
            () = tokio::time::sleep(LOOK_EVERY) => site.supervise()?,
        }
    }
}

/// `natter bench chaos`.
pub async fn report(args: &BenchArgs) -> Result<Report> {
    let begin = Instant::now();
    let dir = std::env::current_dir()?.join(format!(".natter/chaos-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let chaos = &args.chaos;
    let usual = usize::try_from(chaos.sends / SENDS_PER_FAULT)?.max(12);
    let options = Options {
        program: std::env::current_exe()?,
        dir: dir.clone(),
        sends: chaos.sends,
        seed: chaos.seed.unwrap_or_else(rand::random),
        faults: args.count.unwrap_or(usual),
        wanted: Wanted(chaos.faults.clone()),
        nodes: chaos.nodes.clone(),
        pairs: args.pairs,
        settings: settings(args.lanes),
        bound: Duration::from_secs(180),
    };
    let outcome = run(&options, &|line| println!("{line}")).await?;
    let machine = machine::describe(&dir);
    // After a failure everything stays, to be looked at.
    if outcome.verdict.is_clean() {
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(outcome.report(machine, begin.elapsed()))
}

/// Of nodes that are started again and again: signing in must cost little.
pub fn settings(lanes: Option<u16>) -> Vec<(String, String)> {
    let mut settings = vec![("NATTER_ARGON2".to_owned(), "cheap".to_owned())];
    settings.extend(lanes.map(|lanes| ("NATTER_LANES".to_owned(), lanes.to_string())));
    settings
}

impl Outcome {
    fn report(&self, machine: machine::Machine, took: Duration) -> Report {
        let Verdict { compared, lost, doubled, reordered, altered, unknown, unfollowed } = self.verdict;
        let count = |name: &str, count: u64| Part::alone(name, count as f64, "messages");
        let broken = lost + doubled + reordered + altered + unknown + unfollowed;
        let parts = vec![
            count("acknowledged", self.acknowledged),
            count("compared, once per member", compared),
            count("lost", lost),
            count("doubled", doubled),
            count("reordered", reordered),
            count("altered", altered),
            count("unknown", unknown),
            count("not followed", unfollowed),
            Part::alone("faults", self.recoveries.len() as f64, "blows"),
            Part::alone("nodes that ended by themselves", self.ended_by_themselves as f64, "times"),
        ];
        Report {
            scenario: "chaos",
            value: self.acknowledged as f64,
            unit: "messages acknowledged",
            limit: compared as f64 / 2.0,
            limit_name: "messages found by every member, as acknowledged",
            ratio: 1.0 - broken as f64 / compared.max(1) as f64,
            aim: 1.0,
            parts,
            server_cpu_us_per_op: None,
            percentiles_us: self.percentiles(),
            duration_s: took.as_secs_f64(),
            machine,
            commit: machine::commit(),
            law: Some(self.verdict.is_clean()),
        }
    }

    /// By kind of fault.
    fn percentiles(&self) -> BTreeMap<String, Percentiles> {
        let mut times: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        for Recovery { kind, outage, recovery } in &self.recoveries {
            for (what, time) in [("recovery", recovery), ("outage", outage)] {
                let of_kind = times.entry(format!("{kind}: {what}"));
                let bounds = || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("an hour in three digits");
                let of_kind = of_kind.or_insert_with(bounds);
                of_kind.saturating_record(time.as_micros() as u64);
            }
        }
        times.iter().map(|(kind, times)| (kind.clone(), Percentiles::of(times))).collect()
    }
}
