//! The write side in this process, without doors and projections: what `append` and `compare-postgres-es` measure.

use super::people;
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use natter_commands::{Caller, Commands, Cost, GivenBody, Groups, Outgoing, Pending, Sent, Settings};
use natter_domain::{ConversationId, MessageId, account::Policy, limit};
use natter_streams::{
    Log, Node,
    bus::Bus,
    feed::Feeds,
    id,
    keyring::Keyring,
    lease::{self, Directory},
    sealing::{Keys, Masters},
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the lanes may take to be taken: whoever had them before is given a term.
const TAKING: Duration = Duration::from_secs(30);
/// How long it may take to end what it has begun.
const LAST_COMMITS: Duration = Duration::from_secs(20);

/// Wraps the keys of what is thrown away afterwards.
const MASTER: [u8; 32] = [1; 32];

pub struct Engine {
    pub commands: Commands,
    pub keys: Keys,
    /// For who runs beside it: see [`super::view`].
    pub context: lease::Context,
    pub feeds: Feeds,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    /// Owns every lane of the log, and publishes nothing, unless it is to relay.
    pub async fn start(log: &Log, keyring: Arc<Keyring>, bus: &Bus, relays: bool) -> Result<Self> {
        let stop = CancellationToken::new();
        let directory = Directory::start(log, bus, &stop).await?;
        let node = Node::new("bench");
        let context = lease::Context {
            log: log.clone(),
            bus: bus.clone(),
            node: node.clone(),
            settings: lease::Settings::default(),
            directory: directory.clone(),
        };
        let feeds = Feeds::start(log, &stop).await?;
        let keys = Keys::open(log, bus, keyring, Masters::fixed(MASTER), &stop).await?;
        let settings = Settings {
            password_cost: Cost::Cheap,
            session_policy: Policy::Many,
            reserved_names: vec![],
            closing_grace: limit::CLOSING_GRACE,
            groups: Groups {
                members_max: limit::GROUP_MEMBERS_MAX,
                own_max: limit::OWN_GROUPS_MAX,
                ..Groups::default()
            },
            windows: natter_commands::Windows::default(),
            strangers: false,
            owns_lanes: true,
            relays,
            rates: false,
        };
        let (commands, tasks) = Commands::start(context.clone(), feeds.clone(), keys.clone(), &settings, &stop);
        let engine = Self { commands, keys, context, feeds, stop, tasks };
        let ours = |lane| directory.owner(lane).is_some_and(|owner| owner == node);
        let begin = Instant::now();
        while !log.lanes().iter().all(ours) {
            ensure!(begin.elapsed() < TAKING, "the lanes are not ours after {} s", TAKING.as_secs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(engine)
    }

    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        tokio::time::timeout(LAST_COMMITS, self.tasks.wait()).await.context("end the write side")
    }
}

/// Who sends where.
#[derive(Clone, Copy)]
pub struct Sender {
    pub caller: Caller,
    pub conversation: ConversationId,
}

/// One sender per person: two per conversation.
pub fn everybody(pairs: &[people::Pair]) -> Vec<Sender> {
    let of_pair =
        |pair: &people::Pair| pair.people.map(|one| Sender { caller: one.caller(), conversation: pair.conversation });
    pairs.iter().flat_map(of_pair).collect()
}

/// One sender per conversation.
pub fn one_each(pairs: &[people::Pair]) -> Vec<Sender> {
    everybody(pairs).into_iter().step_by(2).collect()
}

/// What a round of sending showed.
pub struct Round {
    pub sent: u64,
    pub took: Duration,
    pub ack_us: Histogram<u64>,
}

impl Round {
    pub fn new() -> Result<Self> {
        Ok(Self { sent: 0, took: Duration::ZERO, ack_us: Histogram::new_with_bounds(1, 600_000_000, 2)? })
    }

    pub fn add(&mut self, other: &Self) -> Result<()> {
        self.sent += other.sent;
        self.took += other.took;
        Ok(self.ack_us.add(&other.ack_us)?)
    }

    pub fn per_second(&self) -> f64 {
        self.sent as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// Everybody sends for so long, each with `window` messages on the way. The round ends with its last answer.
pub async fn send(commands: &Commands, senders: &[Sender], window: usize, time: Duration, text: &str) -> Result<Round> {
    let body: Arc<str> = body(text).into();
    let size = u32::try_from(text.len())?;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for &sender in senders {
        let line = Line { commands: commands.clone(), sender, body: body.clone(), size, until: begin + time };
        tasks.spawn(line.run(window));
    }
    let mut round = Round::new()?;
    while let Some(line) = tasks.join_next().await {
        round.add(&line??)?;
    }
    round.took = begin.elapsed();
    ensure!(round.sent > 0, "nothing was sent");
    Ok(round)
}

/// A message's body as a client would give it.
pub fn body(text: &str) -> String {
    format!(r#"{{"kind":"text","text":"{text}"}}"#)
}

/// One person sending.
struct Line {
    commands: Commands,
    sender: Sender,
    body: Arc<str>,
    size: u32,
    until: Instant,
}

impl Line {
    async fn run(self, window: usize) -> Result<Round> {
        let mut round = Round::new()?;
        let mut under_way: VecDeque<(Instant, Pending<Sent>)> = (0..window).map(|_| self.send()).collect();
        let mut last_seq = 0;
        while let Some((since, pending)) = under_way.pop_front() {
            let sent = pending.await.context("send")?;
            ensure!(sent.seq > last_seq && !sent.repeated, "message {} came behind {last_seq}", sent.seq);
            last_seq = sent.seq;
            round.sent += 1;
            round.ack_us.saturating_record(since.elapsed().as_micros() as u64);
            if Instant::now() < self.until {
                under_way.push_back(self.send());
            }
        }
        Ok(round)
    }

    fn send(&self) -> (Instant, Pending<Sent>) {
        let Sender { caller, conversation } = self.sender;
        let (since, message) = (Instant::now(), MessageId(id::new()));
        (
            since,
            self.commands.conversation().send(
                caller,
                conversation,
                Outgoing::plain(message, GivenBody::text(&*self.body, self.size)),
            ),
        )
    }
}
