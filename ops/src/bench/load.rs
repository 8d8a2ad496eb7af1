//! A load process: pairs of people on WebSockets.
//!
//! One task per pair holds both connections, so that a message's way to the other person is timed on one clock. The
//! plan comes from a file, then a line per phase from standard input: `full WARM_UP SECONDS` (each sends the next
//! message as soon as one is acknowledged) or `paced WARM_UP SECONDS RATE` (so many a second in all, acknowledged or
//! not). A line per second (`acknowledged so far`) and each phase's result as JSON go to standard output.

use super::report::Part;
use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use natter_client::{
    Client,
    socket::{Frame, Frames},
};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long after the last send its push may take.
const DRAIN: Duration = Duration::from_secs(20);

#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    plan: PathBuf,
}

#[derive(Serialize, Deserialize)]
pub struct Plan {
    pub url: String,
    pub window: usize,
    pub text: String,
    pub pairs: Vec<PlannedPair>,
}

#[derive(Serialize, Deserialize)]
pub struct PlannedPair {
    pub conversation: Uuid,
    pub tokens: [String; 2],
}

/// What one load process saw.
#[derive(Serialize, Deserialize, Default)]
pub struct Seen {
    /// Acknowledged within the measured phase.
    pub measured: u64,
    /// Acknowledged, ever.
    pub acknowledged: u64,
    /// Of those, pushed to the other person.
    pub received: u64,
    /// Acknowledged and not pushed to a person who was told, by `resync`, that pushes may be missing.
    pub missed: u64,
    /// Pushes that came again, as they may after a fail-over.
    pub repeated: u64,
    /// Pushes that came before one with a lower number, with no `resync` between.
    pub gaps: u64,
    pub resyncs: u64,
    /// Answers by their code.
    pub errors: BTreeMap<String, u64>,
    pub ack_us: Vec<(u64, u64)>,
    pub receive_us: Vec<(u64, u64)>,
}

impl Seen {
    /// Nothing was refused, and nothing was lost or out of order without a word.
    pub fn held(&self) -> bool {
        self.received + self.missed == self.acknowledged && self.gaps == 0 && self.errors.is_empty()
    }

    /// Nothing came again, and nobody was told to read again either.
    pub fn is_plain(&self) -> bool {
        self.held() && self.missed + self.repeated + self.resyncs == 0
    }

    /// Sums; times are put beside each other.
    pub fn add(&mut self, other: Self) {
        self.measured += other.measured;
        self.acknowledged += other.acknowledged;
        self.received += other.received;
        self.missed += other.missed;
        self.repeated += other.repeated;
        self.gaps += other.gaps;
        self.resyncs += other.resyncs;
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        self.ack_us.extend(other.ack_us);
        self.receive_us.extend(other.receive_us);
    }

    /// What became of the messages, each line's name behind `name`.
    pub fn parts(&self, name: &str) -> Vec<Part> {
        let part = |what: &str, count: u64, unit| Part::alone(format!("{name}{what}"), count as f64, unit);
        let mut parts = vec![
            part("acknowledged in all", self.acknowledged, "messages"),
            part("received by the other person", self.received, "messages"),
            part("not received by who was told to read again", self.missed, "messages"),
            part("told to read again", self.resyncs, "times"),
            part("received again", self.repeated, "messages"),
            part("received too early", self.gaps, "messages"),
        ];
        parts.extend(self.errors.iter().map(|(code, count)| part(&format!("refused: {code}"), *count, "answers")));
        parts
    }
}

/// One phase, as its order tells it.
struct Phase {
    begin: Instant,
    end: Instant,
    pace: Option<Pace>,
}

/// How often each pair sends.
struct Pace {
    every: Duration,
    pairs: u32,
}

impl Phase {
    fn read(order: &str, pairs: usize) -> Result<Self> {
        let mut words = order.split_whitespace();
        let kind = words.next().context("an order has a name")?;
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).context("an order has its numbers");
        let begin = Instant::now() + Duration::from_secs_f64(number()?);
        let end = begin + Duration::from_secs_f64(number()?);
        let pace = match kind {
            "full" => None,
            "paced" => Some(Pace {
                every: Duration::from_secs_f64(pairs as f64 / number()?.max(1.0)),
                pairs: u32::try_from(pairs)?,
            }),
            other => anyhow::bail!("no phase {other:?}"),
        };
        Ok(Self { begin, end, pace })
    }

    /// When a pair sends its first message of this phase by the pace: spread over one interval.
    fn first(&self, number: u32) -> Option<Instant> {
        let pace = self.pace.as_ref()?;
        Some(Instant::now() + pace.every * number / pace.pairs)
    }
}

pub async fn load(args: LoadArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.plan).with_context(|| format!("read {}", args.plan.display()))?;
    let plan: Arc<Plan> = Arc::new(serde_json::from_str(&text)?);
    let mut pairs = Vec::new();
    for (number, pair) in (0..).zip(&plan.pairs) {
        pairs.push(Pair::open(&plan, pair, number).await?);
    }
    println!("ready");
    let mut orders = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(tokio::io::stdin()));
    // All load processes begin a phase at once: when their parent writes a line.
    while let Some(order) = orders.next_line().await? {
        let phase = Arc::new(Phase::read(&order, pairs.len())?);
        let done = Arc::new(AtomicU64::new(0));
        let talk = |pair: Pair| tokio::spawn(pair.talk(plan.clone(), phase.clone(), done.clone()));
        let tasks: Vec<_> = pairs.drain(..).map(talk).collect();
        let speaking = tokio::spawn(speak(done.clone(), phase.clone()));
        let mut seen = Tally::new()?;
        for task in tasks {
            let (pair, tally) = task.await??;
            pairs.push(pair);
            seen.add(tally)?;
        }
        speaking.abort();
        println!("{}", serde_json::to_string(&seen.finish())?);
    }
    Ok(())
}

async fn speak(done: Arc<AtomicU64>, phase: Arc<Phase>) {
    while Instant::now() < phase.end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("{}", done.load(Relaxed));
    }
}

/// What a frame may say, as far as load cares.
#[derive(Deserialize)]
struct Said {
    ok: Option<Acknowledged>,
    error: Option<Refused>,
    event: Option<String>,
    message: Option<Pushed>,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
}

#[derive(Deserialize)]
struct Acknowledged {
    message_id: Uuid,
}

#[derive(Deserialize)]
struct Pushed {
    message_id: Uuid,
    seq: u64,
}

struct Pair {
    number: u32,
    conversation: Uuid,
    frames: [Frames; 2],
    next_seq: [Option<u64>; 2],
}

struct Tally {
    seen: Seen,
    ack: Histogram<u64>,
    receive: Histogram<u64>,
}

impl Pair {
    async fn open(plan: &Plan, pair: &PlannedPair, number: u32) -> Result<Self> {
        let client = Client::new(&plan.url)?;
        let mut frames = Vec::new();
        for token in &pair.tokens {
            let bearer = format!("Bearer {token}");
            let mut one = Frames::connect(&client, &[("authorization", &bearer)]).await.context("connect")?;
            match one.next().await {
                Frame::Text(text) if text.contains("\"ready\"") => frames.push(one),
                other => anyhow::bail!("instead of `ready` came {other:?}"),
            }
        }
        let frames = frames.try_into().map_err(|_| anyhow::anyhow!("a pair has two"))?;
        Ok(Self { number, conversation: pair.conversation, frames, next_seq: [None; 2] })
    }

    async fn talk(mut self, plan: Arc<Plan>, phase: Arc<Phase>, done: Arc<AtomicU64>) -> Result<(Self, Tally)> {
        let next_seq = self.next_seq;
        let mut talk = Talk { under_way: HashMap::new(), next_seq, resynced: [false; 2], tally: Tally::new()? };
        let mut due = phase.first(self.number);
        let (mut turn, in_window) = (0, if due.is_none() { plan.window } else { 0 });
        for side in 0..2 {
            for _ in 0..in_window {
                talk.send(side, &mut self.frames[side], self.conversation, &plan.text).await?;
            }
        }
        let give_up = phase.end + DRAIN;
        while !(talk.under_way.is_empty() && Instant::now() >= phase.end) && Instant::now() < give_up {
            let rest = if Instant::now() < phase.end { phase.end } else { give_up };
            let [one, other] = &mut self.frames;
            let (side, frame) = tokio::select! {
                frame = one.next() => (0, frame),
                frame = other.next() => (1, frame),
                () = tokio::time::sleep_until(due.unwrap_or(rest).into()) => {
                    let (Some(at), Some(pace)) = (due, &phase.pace) else { continue };
                    talk.send(turn, &mut self.frames[turn], self.conversation, &plan.text).await?;
                    turn = 1 - turn;
                    due = Some(at + pace.every).filter(|due| *due < phase.end);
                    continue;
                }
            };
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Ping => continue,
                other => anyhow::bail!("the connection ended: {other:?}"),
            };
            let acknowledged = talk.heard(side, &text, &phase, &done)?;
            if acknowledged && phase.pace.is_none() && Instant::now() < phase.end {
                talk.send(side, &mut self.frames[side], self.conversation, &plan.text).await?;
            }
        }
        self.next_seq = talk.next_seq;
        talk.count_missed();
        Ok((self, talk.tally))
    }
}

/// A message on its way.
struct UnderWay {
    since: Instant,
    by: usize,
    acknowledged: bool,
    received: bool,
}

struct Talk {
    under_way: HashMap<Uuid, UnderWay>,
    next_seq: [Option<u64>; 2],
    /// Who was told that pushes may be missing.
    resynced: [bool; 2],
    tally: Tally,
}

impl Talk {
    async fn send(&mut self, by: usize, frames: &mut Frames, conversation: Uuid, text: &str) -> Result<()> {
        let id = natter_streams::id::new();
        let frame = format!(
            r#"{{"id":"1","op":"message.send","conversation_id":"{conversation}","message_id":"{id}","body":{{"kind":"text","text":"{text}"}}}}"#
        );
        self.under_way.insert(id, UnderWay { since: Instant::now(), by, acknowledged: false, received: false });
        frames.send_text(&frame).await.context("send")?;
        Ok(())
    }

    /// True where this was the acknowledgement of a message.
    fn heard(&mut self, side: usize, text: &str, phase: &Phase, done: &AtomicU64) -> Result<bool> {
        let said: Said = serde_json::from_str(text).context("read a frame")?;
        if let Some(Refused { code }) = said.error {
            *self.tally.seen.errors.entry(code).or_default() += 1;
            return Ok(true);
        }
        if let Some(Acknowledged { message_id }) = said.ok {
            self.acknowledged(message_id, phase, done)?;
            return Ok(true);
        }
        match (said.event.as_deref(), said.message) {
            (Some("message.sent"), Some(pushed)) => self.pushed(side, &pushed, phase)?,
            (Some("resync"), _) => self.resynced(side),
            _ => {}
        }
        Ok(false)
    }

    fn acknowledged(&mut self, id: Uuid, phase: &Phase, done: &AtomicU64) -> Result<()> {
        let now = Instant::now();
        let Some(message) = self.under_way.get_mut(&id) else { return Ok(()) };
        message.acknowledged = true;
        self.tally.seen.acknowledged += 1;
        if phase.begin <= now && now < phase.end {
            self.tally.seen.measured += 1;
            self.tally.ack.record(micros(now - message.since))?;
            done.fetch_add(1, Relaxed);
        }
        self.settle(id);
        Ok(())
    }

    /// Each side sees every message, its own too; only the other's counts as received.
    fn pushed(&mut self, side: usize, pushed: &Pushed, phase: &Phase) -> Result<()> {
        let expected = self.next_seq[side].unwrap_or(pushed.seq);
        match pushed.seq.cmp(&expected) {
            Ordering::Less => self.tally.seen.repeated += 1,
            Ordering::Equal => {}
            Ordering::Greater => self.tally.seen.gaps += 1,
        }
        self.next_seq[side] = Some(expected.max(pushed.seq + 1));
        let now = Instant::now();
        let Some(message) = self.under_way.get_mut(&pushed.message_id) else { return Ok(()) };
        if message.by == side {
            return Ok(());
        }
        if !message.received {
            message.received = true;
            self.tally.seen.received += 1;
            if phase.begin <= now && now < phase.end {
                self.tally.receive.record(micros(now - message.since))?;
            }
        }
        self.settle(pushed.message_id);
        Ok(())
    }

    /// What comes next may leave something out.
    fn resynced(&mut self, side: usize) {
        self.next_seq[side] = None;
        self.resynced[side] = true;
        self.tally.seen.resyncs += 1;
    }

    fn count_missed(&mut self) {
        let is_missed = |one: &&UnderWay| one.acknowledged && !one.received && self.resynced[1 - one.by];
        self.tally.seen.missed += self.under_way.values().filter(is_missed).count() as u64;
    }

    fn settle(&mut self, id: Uuid) {
        if self.under_way.get(&id).is_some_and(|message| message.acknowledged && message.received) {
            self.under_way.remove(&id);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

impl Tally {
    fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 600_000_000, 3);
        Ok(Self { seen: Seen::default(), ack: histogram()?, receive: histogram()? })
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.seen.add(other.seen);
        self.ack.add(&other.ack)?;
        Ok(self.receive.add(&other.receive)?)
    }

    fn finish(mut self) -> Seen {
        let counts = |histogram: &Histogram<u64>| {
            histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
        };
        self.seen.ack_us = counts(&self.ack);
        self.seen.receive_us = counts(&self.receive);
        self.seen
    }
}
