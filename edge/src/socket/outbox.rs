//! What waits to be sent on one connection. Answers and notices go before pushes and are never dropped; pushes are
//! bounded by count and bytes. A client that reads too slowly loses them all at once and is told `resync`, once: it
//! reads its state again, which costs less than a queue that grows.

use super::reply::notice;
use crate::metrics;
use axum::extract::ws::Utf8Bytes;
use natter_client::wire;
use natter_streams::fault;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

const PUSHES_MAX: usize = 1024;
const PUSH_BYTES_MAX: usize = 1024 * 1024;
/// Far above what the bounded number of answers to come can hold.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// So much is taken out at a time: what is still in here can be dropped.
const BATCH_FRAMES: usize = 64;
const BATCH_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub struct Outbox {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
struct State {
    answers: Queue,
    pushes: Queue,
    stage: Stage,
    /// Pushes were lost, for this reason; the client is still to be told.
    resync: Option<&'static str>,
    answered: usize,
    ended: Option<String>,
    overflowed: bool,
}

/// Pushes before `ready` are not sent: what they tell is in the state that the client reads after it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Deaf,
    Collecting,
    Flowing,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
}

/// What the connection's task has to do.
#[derive(Default)]
pub struct Batch {
    pub frames: Vec<Utf8Bytes>,
    /// How many of the frames are pushes.
    pub pushes: usize,
    /// The weight of the answers given since the last batch.
    pub answered: usize,
    pub ended: Option<String>,
    pub overflowed: bool,
}

impl Outbox {
    /// The answer to a request of this weight.
    pub fn answer(&self, frame: Utf8Bytes, weight: usize) {
        self.give(frame, weight);
        self.bell.notify_one();
    }

    /// [`Self::answer`], or a notice of no weight, by the connection's own task: it will look without being rung for.
    pub fn give(&self, frame: Utf8Bytes, weight: usize) {
        let mut state = self.state();
        state.answered += weight;
        state.answers.push(frame);
        state.overflowed |= state.answers.bytes > ANSWER_BYTES_MAX;
    }

    pub fn push(&self, frames: &[Utf8Bytes]) {
        let mut state = self.state();
        if state.stage == Stage::Deaf {
            return;
        }
        for frame in frames {
            if !fault::drops("edge.push") {
                state.push(frame.clone());
            }
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Pushes may have been lost on their way here.
    pub fn resync(&self, reason: &'static str) {
        let mut state = self.state();
        if state.stage != Stage::Deaf {
            state.doubt(reason);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// The session has ended. The first reason is the one that is told.
    pub fn end(&self, reason: &str) {
        self.state().ended.get_or_insert_with(|| reason.to_owned());
        self.bell.notify_one();
    }

    /// From here on pushes are kept until they may flow.
    pub fn collect(&self) {
        let mut state = self.state();
        if state.stage == Stage::Deaf {
            state.stage = Stage::Collecting;
        }
    }

    pub fn flow(&self) {
        self.state().stage = Stage::Flowing;
        self.bell.notify_one();
    }

    /// What is to be sent next, answers first.
    pub fn take(&self) -> Batch {
        let mut state = self.state();
        let mut batch = Batch {
            answered: std::mem::take(&mut state.answered),
            ended: state.ended.take(),
            overflowed: state.overflowed,
            ..Batch::default()
        };
        state.answers.drain_into(&mut batch.frames);
        if state.stage == Stage::Flowing && state.answers.frames.is_empty() {
            batch.frames.extend(state.take_resync());
            let others = batch.frames.len();
            state.pushes.drain_into(&mut batch.frames);
            batch.pushes = batch.frames.len() - others;
        }
        batch
    }

    /// Resolves when there may be something to take.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, frame: Utf8Bytes) {
        self.pushes.push(frame);
        if self.pushes.frames.len() > PUSHES_MAX || self.pushes.bytes > PUSH_BYTES_MAX {
            self.drop_pushes();
        }
    }

    fn drop_pushes(&mut self) {
        metrics::pushes_dropped(self.pushes.frames.len() as u64);
        self.pushes = Queue::default();
        self.doubt("slow_reader");
    }

    fn doubt(&mut self, reason: &'static str) {
        if self.resync.is_none() {
            metrics::resync(reason);
            self.resync = Some(reason);
        }
    }

    /// The notice that is due, behind `ready` and ahead of the pushes that came after what was lost.
    fn take_resync(&mut self) -> Option<Utf8Bytes> {
        let reason = self.resync.take()?;
        Some(notice(&wire::Notice::Resync { reason: reason.to_owned() }))
    }
}

impl Queue {
    fn push(&mut self, frame: Utf8Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// At least one, then as many as fit into a batch.
    fn drain_into(&mut self, batch: &mut Vec<Utf8Bytes>) {
        let mut bytes: usize = batch.iter().map(|frame| frame.len()).sum();
        while batch.is_empty() || (batch.len() < BATCH_FRAMES && bytes < BATCH_BYTES) {
            let Some(frame) = self.frames.pop_front() else { return };
            self.bytes -= frame.len();
            bytes += frame.len();
            batch.push(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowing() -> Outbox {
        let outbox = Outbox::default();
        outbox.collect();
        outbox.flow();
        outbox
    }

    fn taken(outbox: &Outbox) -> Vec<String> {
        let mut all = vec![];
        loop {
            let batch = outbox.take();
            if batch.frames.is_empty() {
                return all;
            }
            all.extend(batch.frames.iter().map(|frame| frame.as_str().to_owned()));
        }
    }

    const RESYNC: &str = r#"{"event":"resync","reason":"slow_reader"}"#;

    #[test]
    fn answers_go_before_pushes() {
        let outbox = flowing();
        outbox.push(&["push".into()]);
        outbox.answer("answer".into(), 3);
        let batch = outbox.take();
        assert_eq!((batch.frames.len(), batch.pushes, batch.answered), (2, 1, 3));
        assert_eq!(batch.frames[0].as_str(), "answer");
        assert_eq!(outbox.take().answered, 0);
    }

    #[test]
    fn pushes_before_ready_are_kept_from_the_moment_that_counts() {
        let outbox = Outbox::default();
        outbox.push(&["before".into()]);
        outbox.collect();
        outbox.push(&["after".into()]);
        assert!(taken(&outbox).is_empty());
        outbox.give("ready".into(), 0);
        outbox.flow();
        assert_eq!(taken(&outbox), ["ready", "after"]);
    }

    #[test]
    fn too_many_pushes_become_one_resync() {
        let outbox = flowing();
        for number in 0..3 * PUSHES_MAX {
            outbox.push(&[number.to_string().into()]);
        }
        outbox.answer("answer".into(), 1);
        let all = taken(&outbox);
        assert_eq!(all[..2], ["answer", RESYNC]);
        assert_eq!(all.iter().filter(|frame| *frame == RESYNC).count(), 1);
        assert_eq!(all.last(), Some(&(3 * PUSHES_MAX - 1).to_string()));
        assert!(all.len() <= PUSHES_MAX + 2);
    }

    #[test]
    fn too_many_bytes_of_pushes_become_one_resync() {
        let outbox = flowing();
        outbox.push(&["a".repeat(PUSH_BYTES_MAX).into()]);
        outbox.push(&["b".into()]);
        outbox.push(&["c".into()]);
        assert_eq!(taken(&outbox), [RESYNC, "c"]);
        for _ in 0..4 * PUSHES_MAX {
            outbox.push(&["d".into()]);
            assert!(outbox.state().pushes.frames.len() <= PUSHES_MAX);
        }
    }

    #[test]
    fn a_loss_before_ready_is_told_behind_it() {
        let outbox = Outbox::default();
        outbox.collect();
        outbox.resync("bus");
        outbox.give("ready".into(), 0);
        outbox.flow();
        assert_eq!(taken(&outbox), ["ready", r#"{"event":"resync","reason":"bus"}"#]);
    }

    #[test]
    fn answers_are_never_dropped_but_their_bytes_are_bounded() {
        let outbox = flowing();
        for _ in 0..=ANSWER_BYTES_MAX / BATCH_BYTES {
            outbox.answer("a".repeat(BATCH_BYTES).into(), 1);
        }
        assert!(outbox.take().overflowed);
        assert_eq!(taken(&outbox).len(), ANSWER_BYTES_MAX / BATCH_BYTES);
    }

    #[test]
    fn a_session_ends_once_with_the_first_reason() {
        let outbox = flowing();
        outbox.end("logged_out");
        outbox.end("ended");
        assert_eq!(outbox.take().ended.as_deref(), Some("logged_out"));
        assert_eq!(outbox.take().ended, None);
    }
}
