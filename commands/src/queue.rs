//! What one road holds of its lane's commands: whom they are asked of, in which order, and what is asked again. Without
//! IO: the [`crate::road`] carries what this says.

use crate::{
    dispatch::DEADLINE,
    error::Error,
    remote::Envelope,
    road::{Boxed, Door},
    runs::Runs,
};
use natter_streams::Node;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// An answer that takes longer is taken for lost; twice as long after each that was, while the same node is named: one
/// that is slow has taken the question, and holds room for each copy of it.
const ATTEMPT: Duration = Duration::from_secs(1);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(4);
/// After a refusal; twice as long after each that follows, while the same node is named.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A question that is asked alone, and not refused by then, was taken: the others follow it.
const PROBE: Duration = Duration::from_millis(100);

/// Where commands go now.
pub(crate) enum Way {
    Nowhere,
    Here(Door),
    There(Node),
    /// The process ends.
    Closed,
}

/// A job on its way.
pub(crate) struct Waiting {
    pub job: Boxed,
    /// Its numbers in questions that nobody has answered: should an answer come after all, it is as good.
    before: Vec<u64>,
}

impl From<Boxed> for Waiting {
    fn from(job: Boxed) -> Self {
        Self { job, before: Vec::new() }
    }
}

struct Asked {
    waiting: Waiting,
    since: Instant,
}

/// What waits or is under way, in order: `refused` goes before `backlog`, and both go only once nothing is `asked`.
pub(crate) struct Queue {
    pub way: Way,
    pub backlog: VecDeque<Waiting>,
    /// What other nodes ask of the worker here.
    pub runs: Runs,
    asked: BTreeMap<u64, Asked>,
    refused: BTreeMap<u64, Waiting>,
    last: u64,
    /// The first number of what was asked in one go: the owner takes nothing behind a gap in it.
    run: Option<u64>,
    /// The last one was refused: the oldest is asked alone.
    probing: bool,
    /// Who was asked last.
    named: Option<Node>,
    not_before: Instant,
    pause: Duration,
    /// For how long the node that is named may be silent.
    attempt: Duration,
}

impl Queue {
    pub fn new() -> Self {
        Self {
            way: Way::Nowhere,
            backlog: VecDeque::new(),
            runs: Runs::default(),
            asked: BTreeMap::new(),
            refused: BTreeMap::new(),
            last: 0,
            run: None,
            probing: false,
            named: None,
            not_before: Instant::now(),
            pause: PAUSE,
            attempt: ATTEMPT,
        }
    }

    /// Hands the job to the worker if that is here; else it waits.
    pub fn put(&mut self, job: Boxed) {
        match self.hand(job) {
            Some(job) if matches!(self.way, Way::Closed) => job.fail(Error::Unavailable),
            Some(job) => self.backlog.push_back(job.into()),
            None => {}
        }
    }

    /// To the worker, if that is here: else the job comes back.
    pub fn hand(&mut self, job: Boxed) -> Option<Boxed> {
        let Way::Here(door) = &self.way else { return Some(job) };
        let returned = door.send(job).err()?;
        // Nobody is behind that door any more: it must not hide who comes next, and nothing may overtake this one.
        self.way = Way::Nowhere;
        self.runs.forget();
        Some(returned.0)
    }

    /// Whether what another node asks is for the worker here, now.
    pub fn takes(&mut self, asker: &str, run: u64, number: u64) -> bool {
        matches!(self.way, Way::Here(_)) && self.runs.take(asker, run, number)
    }

    /// Whatever was asked of somebody else and has no answer is to be asked anew, before what came later.
    pub fn turn(&mut self) {
        for (number, Asked { mut waiting, .. }) in std::mem::take(&mut self.asked) {
            waiting.before.push(number);
            self.refused.insert(number, waiting);
        }
        self.gather();
    }

    fn gather(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.refused).into_iter().rev() {
            self.backlog.push_front(waiting);
        }
        self.way = Way::Nowhere;
        self.run = None;
    }

    pub fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.asked.is_empty() && self.refused.is_empty()
    }

    /// Something waits for nothing but to be asked.
    pub fn is_due(&self) -> bool {
        self.asked.is_empty() && !self.is_idle()
    }

    pub fn take_expired(&mut self, now: Instant) -> Vec<Boxed> {
        let is_expired = |waiting: &Waiting| waiting.job.deadline() <= now;
        let (mut expired, kept): (Vec<Waiting>, Vec<Waiting>) = self.backlog.drain(..).partition(is_expired);
        self.backlog = kept.into();
        let asked = self.asked.extract_if(.., |_, asked| is_expired(&asked.waiting));
        expired.extend(asked.map(|(_, asked)| asked.waiting));
        expired.extend(self.refused.extract_if(.., |_, waiting| is_expired(waiting)).map(|(_, waiting)| waiting));
        expired.into_iter().map(|waiting| waiting.job).collect()
    }

    /// What is to be asked of `owner` now, with its numbers.
    pub fn next_asks(&mut self, owner: Option<&Node>, me: &Node, now: Instant) -> Vec<(u64, Envelope)> {
        if matches!(self.way, Way::Here(_) | Way::Closed) {
            return Vec::new();
        }
        let changed = matches!(&self.way, Way::There(node) if owner != Some(node));
        let lost = self.oldest_since().is_some_and(|since| since + self.attempt <= now);
        if lost {
            self.attempt = (self.attempt * 2).min(LONGEST_ATTEMPT);
        }
        if changed || lost {
            self.turn();
        } else if !self.refused.is_empty() && self.asked.is_empty() {
            self.gather();
        }
        let Some(owner) = owner.filter(|owner| *owner != me) else { return Vec::new() };
        self.name(owner, now);
        if !self.refused.is_empty() || now < self.not_before || self.is_probe_open(now) {
            return Vec::new();
        }
        self.way = Way::There(owner.clone());
        self.send_all(now)
    }

    fn oldest_since(&self) -> Option<Instant> {
        self.asked.values().next().map(|oldest| oldest.since)
    }

    fn is_probe_open(&self, now: Instant) -> bool {
        self.probing && self.oldest_since().is_some_and(|since| now < since + PROBE)
    }

    /// Somebody who was not named before may be ready at once.
    fn name(&mut self, owner: &Node, now: Instant) {
        if self.named.as_ref() != Some(owner) {
            self.named = Some(owner.clone());
            (self.pause, self.attempt) = (PAUSE, ATTEMPT);
            self.not_before = self.not_before.min(now + PAUSE);
        }
    }

    fn send_all(&mut self, now: Instant) -> Vec<(u64, Envelope)> {
        self.probing &= self.asked.is_empty();
        let count = if self.probing { 1 } else { self.backlog.len() };
        let mut envelopes = Vec::with_capacity(count);
        while envelopes.len() < count {
            let Some(waiting) = self.backlog.pop_front() else { break };
            match waiting.job.envelope() {
                Ok(mut envelope) => {
                    self.last += 1;
                    envelope.run = *self.run.get_or_insert(self.last);
                    envelopes.push((self.last, envelope));
                    self.asked.insert(self.last, Asked { waiting, since: now });
                }
                Err(error) => waiting.job.fail(error),
            }
        }
        envelopes
    }

    /// The job that a reply answers. A late answer is as good, of a former owner too.
    pub fn answered(&mut self, number: u64) -> Option<Boxed> {
        if let Some(asked) = self.asked.remove(&number) {
            if self.refused.is_empty() {
                (self.probing, self.pause) = (false, PAUSE);
            }
            if self.asked.is_empty() {
                self.attempt = ATTEMPT;
            }
            return Some(asked.waiting.job);
        }
        self.refused.remove(&number).or_else(|| self.asked_before(number)).map(|waiting| waiting.job)
    }

    /// Seldom: only what was taken for lost was asked before.
    fn asked_before(&mut self, number: u64) -> Option<Waiting> {
        let was_it = |waiting: &Waiting| waiting.before.contains(&number);
        let asked = self.asked.iter().find(|(_, asked)| was_it(&asked.waiting)).map(|(&now, _)| now);
        if let Some(now) = asked {
            return self.asked.remove(&now).map(|asked| asked.waiting);
        }
        let refused = self.refused.iter().find(|(_, waiting)| was_it(waiting)).map(|(&now, _)| now);
        if let Some(now) = refused {
            return self.refused.remove(&now);
        }
        let place = self.backlog.iter().position(was_it)?;
        self.backlog.remove(place)
    }

    /// It was not taken: it goes again, from the oldest on, and not at once.
    pub fn moved(&mut self, number: u64, now: Instant) {
        let Some(asked) = self.asked.remove(&number) else { return };
        if self.refused.is_empty() {
            self.not_before = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.refused.insert(number, asked.waiting);
        self.probing = true;
    }
}

const _: () = assert!(ATTEMPT.as_millis() * 2 < DEADLINE.as_millis(), "what is lost is asked again in time");

#[cfg(test)]
pub(crate) mod tests;
