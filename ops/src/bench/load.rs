//! A load process: pairs of people on WebSockets, each sending the next message as soon as one is acknowledged.
//!
//! One task per pair holds both connections, so that a message's way to the other person is timed on one clock. The
//! plan comes from a file; a line per second (`acknowledged so far`) and at last the result as JSON go to standard
//! output.

use anyhow::{Context, Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use natter_client::{
    Client,
    socket::{Frame, Frames},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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
    pub warm_up_s: u64,
    pub seconds: u64,
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
    /// Messages that came out of order, twice, or with a gap at the other person.
    pub out_of_order: u64,
    pub errors: u64,
    pub ack_us: Vec<(u64, u64)>,
    pub receive_us: Vec<(u64, u64)>,
}

struct Phase {
    begin: Instant,
    end: Instant,
}

pub async fn load(args: LoadArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.plan).with_context(|| format!("read {}", args.plan.display()))?;
    let plan: Arc<Plan> = Arc::new(serde_json::from_str(&text)?);
    let mut opened = Vec::new();
    for pair in &plan.pairs {
        opened.push(Pair::open(&plan, pair).await?);
    }
    println!("ready");
    wait_for_go().await?;
    let begin = Instant::now() + Duration::from_secs(plan.warm_up_s);
    let phase = Arc::new(Phase { begin, end: begin + Duration::from_secs(plan.seconds) });
    let done = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> =
        opened.into_iter().map(|pair| tokio::spawn(pair.talk(plan.clone(), phase.clone(), done.clone()))).collect();
    let speaking = tokio::spawn(speak(done, phase));
    let mut seen = Tally::new()?;
    for task in tasks {
        seen.add(&task.await??)?;
    }
    speaking.abort();
    println!("{}", serde_json::to_string(&seen.finish())?);
    Ok(())
}

/// All load processes start at once: when their parent writes a line.
async fn wait_for_go() -> Result<()> {
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut tokio::io::BufReader::new(tokio::io::stdin()), &mut line).await?;
    ensure!(!line.is_empty(), "the benchmark has ended");
    Ok(())
}

async fn speak(done: Arc<AtomicU64>, phase: Arc<Phase>) {
    while Instant::now() < phase.end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("{}", done.load(Ordering::Relaxed));
    }
}

/// What a frame may say, as far as load cares.
#[derive(Deserialize)]
struct Said {
    ok: Option<Acknowledged>,
    error: Option<serde_json::Value>,
    event: Option<String>,
    message: Option<Pushed>,
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
    conversation: Uuid,
    frames: [Frames; 2],
}

struct Tally {
    seen: Seen,
    ack: Histogram<u64>,
    receive: Histogram<u64>,
}

impl Pair {
    async fn open(plan: &Plan, pair: &PlannedPair) -> Result<Self> {
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
        Ok(Self { conversation: pair.conversation, frames })
    }

    async fn talk(mut self, plan: Arc<Plan>, phase: Arc<Phase>, done: Arc<AtomicU64>) -> Result<Tally> {
        let mut talk = Talk { under_way: HashMap::new(), next_seq: [None; 2], tally: Tally::new()? };
        for side in 0..2 {
            for _ in 0..plan.window {
                talk.send(side, &mut self.frames[side], self.conversation, &plan.text).await?;
            }
        }
        let give_up = phase.end + DRAIN;
        while !(talk.under_way.is_empty() && Instant::now() > phase.end) && Instant::now() < give_up {
            let [one, other] = &mut self.frames;
            let (side, frame) = tokio::select! {
                frame = one.next() => (0, frame),
                frame = other.next() => (1, frame),
                () = tokio::time::sleep_until(give_up.into()) => break,
            };
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Ping => continue,
                other => anyhow::bail!("the connection ended: {other:?}"),
            };
            if talk.heard(side, &text, &phase, &done)? && Instant::now() < phase.end {
                talk.send(side, &mut self.frames[side], self.conversation, &plan.text).await?;
            }
        }
        Ok(talk.tally)
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
        if said.error.is_some() {
            self.tally.seen.errors += 1;
            return Ok(true);
        }
        if let Some(Acknowledged { message_id }) = said.ok {
            self.acknowledged(message_id, phase, done)?;
            return Ok(true);
        }
        if let (Some("message.sent"), Some(pushed)) = (said.event.as_deref(), said.message) {
            self.pushed(side, &pushed, phase)?;
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
            done.fetch_add(1, Ordering::Relaxed);
        }
        self.settle(id);
        Ok(())
    }

    /// Each side sees every message, its own too; only the other's counts as received.
    fn pushed(&mut self, side: usize, pushed: &Pushed, phase: &Phase) -> Result<()> {
        let expected = self.next_seq[side].replace(pushed.seq + 1);
        if expected.is_some_and(|expected| expected != pushed.seq) {
            self.tally.seen.out_of_order += 1;
        }
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

    fn add(&mut self, other: &Self) -> Result<()> {
        self.seen.measured += other.seen.measured;
        self.seen.acknowledged += other.seen.acknowledged;
        self.seen.received += other.seen.received;
        self.seen.out_of_order += other.seen.out_of_order;
        self.seen.errors += other.seen.errors;
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
