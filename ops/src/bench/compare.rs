//! `natter bench compare-postgres-es`: the same commands, decided by the same decider, through the stock framework:
//! `cqrs-es` on `postgres-es` with its default pool and its documented schema, in a database of its own on the same
//! PostgreSQL. As many on the way as there are conversations, one in each, so that the peer meets few conflicts.

use super::{
    BenchArgs,
    cpu::{self, Whose},
    engine::{self, Engine, Round, Sender},
    machine,
    people::{self, Pair},
    report::{Part, Percentiles, Report},
    scratch,
    send::TEXT,
};
use crate::servers::{self, Plan, Servers};
use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use natter_commands::stock;
use natter_domain::{ConversationId, MessageId};
use natter_streams::{Log, bus::Bus, id, keyring::Keyring};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const IN_FLIGHT: usize = 256;
const AIM: f64 = 8.0;
const ROUNDS: u32 = 4;
/// Thrown away: connections, statements and caches are warm afterwards.
const WARM_UP: Duration = Duration::from_secs(1);

pub async fn run(args: &BenchArgs) -> Result<Report> {
    // Before anything counts.
    natter_edge::metrics::recorder();
    let dir = std::env::current_dir()?.join(format!(".natter/bench-{}", std::process::id()));
    let servers = Servers::start(Plan::node(&dir), &|step| println!("{step}")).await?;
    let whose = Whose::on(&servers, vec![std::process::id()]);
    let url = servers.database_url();
    let measured = scratch::with(url, "ours", async |ours: &str| {
        scratch::with(url, "stock", async |stock: &str| {
            Box::pin(measure(args, &dir, &whose, ours, stock, servers.nats_url())).await
        })
        .await
    })
    .await;
    servers.stop(&|_| ()).await?;
    servers::remove(&dir, &|_| ()).await?;
    measured
}

async fn measure(
    args: &BenchArgs,
    dir: &Path,
    whose: &Whose,
    ours_url: &str,
    stock_url: &str,
    nats_url: &str,
) -> Result<Report> {
    let begin = Instant::now();
    crate::serve::migrate(ours_url).await?;
    let log = Log::connect(ours_url, args.lanes).await?;
    let keyring = Arc::new(Keyring::new(&id::random()));
    let pairs = people::make(&log, &keyring, IN_FLIGHT).await?;
    let senders = engine::one_each(&pairs);
    let engine = Engine::start(&log, keyring, &Bus::connect(nats_url).await?, false).await?;
    let peer = Arc::new(stock::Conversations::open(stock_url, engine.keys.clone()).await?);
    let sides = Sides { engine: &engine, senders: &senders, pairs: &pairs, peer, whose };
    let compared = sides.rounds((Duration::from_secs(args.seconds) / ROUNDS).max(Duration::from_secs(1))).await;
    engine.stop().await?;
    Ok(compared?.report(dir, begin.elapsed()))
}

struct Sides<'a> {
    engine: &'a Engine,
    senders: &'a [Sender],
    pairs: &'a [Pair],
    peer: Arc<stock::Conversations>,
    whose: &'a Whose,
}

struct Compared {
    ours: Round,
    stock: Round,
    conflicts: u64,
    /// Messages of a conversation when the peer's last round ended: it reads them all for each command.
    longest: u64,
    cpu: BTreeMap<String, f64>,
}

impl Sides<'_> {
    async fn rounds(&self, time: Duration) -> Result<Compared> {
        let progress = ProgressBar::new(2 * u64::from(ROUNDS) + 1).with_message("ours, stock");
        engine::send(&self.engine.commands, self.senders, 1, WARM_UP, TEXT).await?;
        self.stock(WARM_UP).await?;
        progress.inc(1);
        let (mut ours, mut stock, mut longest) = (Round::new()?, Round::new()?, 0);
        let mut spent = BTreeMap::new();
        for _ in 0..ROUNDS {
            let before = cpu::by_part(self.whose);
            ours.add(&engine::send(&self.engine.commands, self.senders, 1, time, TEXT).await?)?;
            add_cpu(&mut spent, "ours: ", &before, &cpu::by_part(self.whose));
            progress.inc(1);
            let before = cpu::by_part(self.whose);
            let round = self.stock(time).await?;
            add_cpu(&mut spent, "stock: ", &before, &cpu::by_part(self.whose));
            longest = longest.max(round.sent / IN_FLIGHT as u64);
            stock.add(&round)?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        let per = |(part, micros): (String, u64)| {
            let sent = if part.starts_with("ours") { ours.sent } else { stock.sent };
            (part, micros as f64 / sent.max(1) as f64)
        };
        let cpu = spent.into_iter().map(per).collect();
        Ok(Compared { ours, stock, conflicts: self.peer.conflicts(), longest, cpu })
    }

    /// In new conversations, since the peer reads the whole of one for each command.
    async fn stock(&self, time: Duration) -> Result<Round> {
        let mut senders = Vec::new();
        for pair in self.pairs {
            let conversation = ConversationId(id::new());
            self.peer.start_direct(conversation, pair.people.map(|one| one.account)).await?;
            senders.push(Sender { caller: pair.people[0].caller(), conversation });
        }
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for sender in senders {
            tasks.spawn(stock_line(self.peer.clone(), sender, begin + time));
        }
        let mut round = Round::new()?;
        while let Some(line) = tasks.join_next().await {
            round.add(&line??)?;
        }
        round.took = begin.elapsed();
        ensure!(round.sent > 0, "the peer sent nothing");
        Ok(round)
    }
}

async fn stock_line(peer: Arc<stock::Conversations>, sender: Sender, until: Instant) -> Result<Round> {
    let (mut round, body, size) = (Round::new()?, engine::body(TEXT), u32::try_from(TEXT.len())?);
    while Instant::now() < until {
        let since = Instant::now();
        let message = MessageId(id::new());
        peer.send(sender.caller, sender.conversation, message, &body, size).await.context("send by the peer")?;
        round.sent += 1;
        round.ack_us.saturating_record(since.elapsed().as_micros() as u64);
    }
    Ok(round)
}

fn add_cpu(
    spent: &mut BTreeMap<String, u64>,
    side: &str,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) {
    for (part, &micros) in after {
        let more = micros.saturating_sub(before.get(part).copied().unwrap_or(0));
        *spent.entry(format!("{side}{part}")).or_insert(0) += more;
    }
}

impl Compared {
    fn report(&self, dir: &Path, took: Duration) -> Report {
        let (ours, stock) = (self.ours.per_second(), self.stock.per_second());
        let mut parts = vec![
            Part::of("commands", ours, "messages/s", stock),
            Part::alone("on the way at once", IN_FLIGHT as f64, "messages"),
            Part::alone("the peer's conversations grew to", self.longest as f64, "messages"),
            Part::alone("the peer's conflicts, tried again", self.conflicts as f64, "commands"),
        ];
        parts.extend(stock::PEERS.iter().map(|peer| Part::alone(format!("peer {peer}"), 1.0, "built in")));
        Report {
            scenario: "compare-postgres-es",
            value: ours,
            unit: "messages/s",
            limit: stock,
            limit_name: "messages/s through stock cqrs-es on postgres-es, its default pool of 10",
            ratio: ours / stock,
            aim: AIM,
            parts,
            server_cpu_us_per_op: Some(self.cpu.clone()),
            percentiles_us: BTreeMap::from([
                ("acknowledgement".to_owned(), Percentiles::of(&self.ours.ack_us)),
                ("acknowledgement by the peer".to_owned(), Percentiles::of(&self.stock.ack_us)),
            ]),
            duration_s: took.as_secs_f64(),
            machine: machine::describe(dir),
            commit: machine::commit(),
            law: None,
        }
    }
}
