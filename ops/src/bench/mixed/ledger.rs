//! What all connections note together.

use super::kind::Kind;
use crate::bench::presence::histogram;
use hdrhistogram::Histogram;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Of one phase.
pub struct Seen {
    /// By kind, in microseconds.
    pub times: BTreeMap<Kind, Histogram<u64>>,
    /// Of a message to another member, of those that were pushed.
    pub delivered: Histogram<u64>,
    pub errors: BTreeMap<String, u64>,
    /// And not refused.
    pub answered: u64,
    pub unanswered: u64,
    /// Acknowledged and not told, once for each member.
    pub undelivered: u64,
    pub typing: u64,
    pub resyncs: u64,
    /// Told by a sync after a `resync` instead of a push, once for each member; at the most: their own are among them,
    /// and what is pushed behind the sync's answer.
    pub synced: u64,
    /// Pushed behind a later one, or with a gap before it.
    pub disordered: u64,
    /// Answered and not refused a second, until the last was asked.
    pub rate: f64,
}

impl Seen {
    fn new() -> Self {
        Self {
            times: BTreeMap::new(),
            delivered: histogram(),
            errors: BTreeMap::new(),
            answered: 0,
            unanswered: 0,
            undelivered: 0,
            typing: 0,
            resyncs: 0,
            synced: 0,
            disordered: 0,
            rate: 0.0,
        }
    }

    pub fn held(&self) -> bool {
        self.errors.is_empty() && self.unanswered + self.disordered + self.undelivered == 0 && self.answered > 0
    }

    /// Of what was told, in a hundred.
    pub fn synced_share(&self) -> f64 {
        100.0 * self.synced as f64 / (self.synced + self.delivered.len()).max(1) as f64
    }

    fn ended(&self) -> u64 {
        self.answered + self.errors.values().sum::<u64>()
    }
}

pub struct Ledger {
    begun: Instant,
    seen: Mutex<Seen>,
    asked: AtomicU64,
    talks: Mutex<Talks>,
}

/// How far conversations have come, all phases together.
#[derive(Default)]
struct Talks {
    /// The newest that was acknowledged.
    newest: HashMap<Uuid, u64>,
    /// The newest that each member knows of, by conversation and member.
    known: HashMap<(Uuid, Uuid), u64>,
}

impl Ledger {
    pub fn new() -> Self {
        let (talks, asked) = Default::default();
        Self { begun: Instant::now(), seen: Mutex::new(Seen::new()), asked, talks }
    }

    /// Microseconds from the beginning to that moment, on the one clock.
    pub fn at(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.begun).as_micros() as u64
    }

    /// A new phase.
    pub fn begin(&self) {
        *self.lock() = Seen::new();
        self.asked.store(0, Relaxed);
    }

    pub fn asks(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    pub fn is_answered(&self, kind: Kind, took: Duration, error: Option<String>) {
        let mut seen = self.lock();
        if let Some(code) = error {
            *seen.errors.entry(code).or_default() += 1;
            return;
        }
        seen.answered += 1;
        seen.times.entry(kind).or_insert_with(histogram).saturating_record(took.as_micros().max(1) as u64);
    }

    pub fn is_acknowledged(&self, talk: Uuid, seq: u64) {
        let mut talks = lock(&self.talks);
        let newest = talks.newest.entry(talk).or_default();
        *newest = seq.max(*newest);
    }

    /// By a push, or because they have read it. How many up to there they did not know of.
    pub fn is_known(&self, talk: Uuid, member: Uuid, seq: u64) -> u64 {
        let mut talks = lock(&self.talks);
        let known = talks.known.entry((talk, member)).or_default();
        let before = *known;
        *known = seq.max(before);
        seq.saturating_sub(before)
    }

    fn undelivered(&self) -> u64 {
        let talks = lock(&self.talks);
        let missing = |(&(talk, _), known): (&(Uuid, Uuid), &u64)| {
            talks.newest.get(&talk).map_or(0, |newest| newest.saturating_sub(*known))
        };
        talks.known.iter().map(missing).sum()
    }

    pub fn is_delivered(&self, sent_at: u64) {
        let took = self.at(Instant::now()).saturating_sub(sent_at).max(1);
        self.lock().delivered.saturating_record(took);
    }

    pub fn is_resynced(&self) {
        self.lock().resyncs += 1;
    }

    pub fn are_synced(&self, messages: u64) {
        self.lock().synced += messages;
    }

    pub fn is_disordered(&self) {
        self.lock().disordered += 1;
    }

    pub fn hears_typing(&self) {
        self.lock().typing += 1;
    }

    pub fn answered(&self) -> u64 {
        self.lock().answered
    }

    /// Everything was answered or refused, and came to everybody.
    pub fn is_quiet(&self) -> bool {
        self.lock().ended() >= self.asked.load(Relaxed) && self.undelivered() == 0
    }

    pub fn take(&self) -> Seen {
        let asked = self.asked.load(Relaxed);
        let mut seen = std::mem::replace(&mut *self.lock(), Seen::new());
        seen.unanswered = asked.saturating_sub(seen.ended());
        seen.undelivered = self.undelivered();
        seen
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
