//! `natter bench append`: the engine alone. Commands in this process, no doors, no projections; beside it the bare
//! INSERT of the same events on the same server, in as many lanes, connections and events per statement as the engine
//! had just before. Rounds alternate, so that what else the machine does meets both.

use super::{
    BenchArgs,
    bare::{self, Bare},
    counters::Counters,
    cpu::{self, Whose},
    engine::{self, Engine, Round, Sender},
    machine, people,
    report::{Part, Percentiles, Report},
    scratch,
    send::TEXT,
};
use crate::servers::{self, Plan, Servers};
use anyhow::Result;
use indicatif::ProgressBar;
use natter_streams::{Log, bus::Bus, id, keyring::Keyring};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const AIM: f64 = 0.7;
const ROUNDS: u32 = 4;
const WARM_UP: Duration = Duration::from_secs(2);
/// Of each person at the most; the same for the bare INSERT, whose batches are the engine's.
const WINDOW: usize = 32;

pub async fn run(args: &BenchArgs) -> Result<Report> {
    // Before anything counts.
    natter_edge::metrics::recorder();
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let servers = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let whose = Whose::on(&servers, vec![std::process::id()]);
    let measured = scratch::with(servers.database_url(), "engine", async |url: &str| {
        let bench = Bench { args, dir: &dir, whose: &whose, admin: servers.database_url(), nats: servers.nats_url() };
        bench.measure(url).await
    })
    .await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

struct Bench<'a> {
    args: &'a BenchArgs,
    dir: &'a Path,
    whose: &'a Whose,
    admin: &'a str,
    nats: &'a str,
}

/// What all measured rounds showed together.
struct Measured {
    ours: Round,
    bare: f64,
    events_per_commit: f64,
    commit_us: f64,
    cpu: BTreeMap<String, f64>,
}

impl Bench<'_> {
    async fn measure(&self, database_url: &str) -> Result<Report> {
        let begin = Instant::now();
        crate::serve::migrate(database_url).await?;
        let log = Log::connect(database_url, self.args.lanes).await?;
        let keyring = Arc::new(Keyring::new(&id::random()));
        println!("people       making {} pairs", self.args.pairs);
        let senders = engine::everybody(&people::make(&log, &keyring, self.args.pairs).await?);
        let lanes = u16::try_from(log.lanes().count())?;
        let engine = Engine::start(&log, keyring, &Bus::connect(self.nats).await?, false).await?;
        let measured = scratch::with(self.admin, "bare", async |url: &str| {
            self.rounds(&engine, &senders, Bare::open(url, lanes, TEXT).await?).await
        })
        .await;
        engine.stop().await?;
        let measured = measured?;
        println!("relay        the same with what is committed being published");
        let relayed = scratch::with(self.admin, "relayed", async |url: &str| self.relayed(url).await).await?;
        let batch = measured.events_per_commit.round() as usize;
        let commit = bare::commit_us(self.admin, batch, TEXT).await?;
        Ok(self.report(&measured, relayed, &commit, begin.elapsed()))
    }

    async fn rounds(&self, engine: &Engine, senders: &[Sender], mut bare: Bare) -> Result<Measured> {
        let window = self.window();
        let time = (Duration::from_secs(self.args.seconds) / ROUNDS).max(bare::ROUND);
        let progress = ProgressBar::new(2 * u64::from(ROUNDS) + 2).with_message("engine, bare INSERT");
        let warm = Counters::own();
        let round = engine::send(&engine.commands, senders, window, WARM_UP, TEXT).await?;
        let batch = Counters::own().events_per_commit_since(&warm).round() as usize;
        progress.inc(1);
        bare.per_second(round.sent as usize / 2, batch.max(1)).await?;
        progress.inc(1);
        let (mut ours, mut rates, mut spent) = (Round::new()?, Vec::new(), BTreeMap::new());
        let (mut events_per_commit, mut commit_us) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            let (before, cpu_before) = (Counters::own(), cpu::by_part(self.whose));
            let round = engine::send(&engine.commands, senders, window, time, TEXT).await?;
            cpu::add_spent(&mut spent, &cpu_before, self.whose);
            let after = Counters::own();
            let batch = after.events_per_commit_since(&before);
            events_per_commit += batch / f64::from(ROUNDS);
            commit_us += after.commit_us_since(&before) / f64::from(ROUNDS);
            ours.add(&round)?;
            progress.inc(1);
            rates.push(bare.per_second(round.sent as usize, (batch.round() as usize).max(1)).await?);
            progress.inc(1);
        }
        progress.finish_and_clear();
        let bare = rates.iter().sum::<f64>() / f64::from(ROUNDS);
        let cpu = cpu::per_operation(&BTreeMap::new(), &spent, ours.sent);
        Ok(Measured { ours, bare, events_per_commit, commit_us, cpu })
    }

    /// Of one round with relays, on a log of its own: one that has published nothing yet would catch up first.
    async fn relayed(&self, database_url: &str) -> Result<f64> {
        crate::serve::migrate(database_url).await?;
        let log = Log::connect(database_url, self.args.lanes).await?;
        let keyring = Arc::new(Keyring::new(&id::random()));
        let senders = engine::everybody(&people::make(&log, &keyring, self.args.pairs).await?);
        let engine = Engine::start(&log, keyring, &Bus::connect(self.nats).await?, true).await?;
        engine::send(&engine.commands, &senders, self.window(), bare::ROUND, TEXT).await?;
        let time = (Duration::from_secs(self.args.seconds) / ROUNDS).max(bare::ROUND);
        let round = engine::send(&engine.commands, &senders, self.window(), time, TEXT).await;
        engine.stop().await?;
        Ok(round?.per_second())
    }

    fn window(&self) -> usize {
        self.args.window.unwrap_or(WINDOW)
    }

    fn report(
        &self,
        measured: &Measured,
        relayed: f64,
        commit: &hdrhistogram::Histogram<u64>,
        took: Duration,
    ) -> Report {
        let ours = measured.ours.per_second();
        let in_flight = (2 * self.args.pairs * self.window()) as f64;
        let parts = vec![
            Part::of("commands, no relay", ours, "messages/s", measured.bare),
            Part::alone("with the relay running", relayed, "messages/s"),
            Part::alone("on the way at once", in_flight, "messages"),
            Part::alone("events per commit", measured.events_per_commit, "events"),
            Part::alone("a commit, as the engine saw it", measured.commit_us, "us, mean"),
        ];
        Report {
            scenario: "append",
            value: ours,
            unit: "messages/s",
            limit: measured.bare,
            limit_name: "rows/s by the bare INSERT, same lanes, connections and batches",
            ratio: ours / measured.bare,
            aim: AIM,
            parts,
            server_cpu_us_per_op: Some(measured.cpu.clone()),
            percentiles_us: BTreeMap::from([
                ("acknowledgement".to_owned(), Percentiles::of(&measured.ours.ack_us)),
                ("one commit of that size, alone".to_owned(), Percentiles::of(commit)),
            ]),
            duration_s: took.as_secs_f64(),
            machine: machine::describe(self.dir),
            commit: machine::commit(),
            law: None,
        }
    }
}
