//! The committer of a lane: group commit, and the one door through which every answer leaves.
//!
//! A job is a command's events (none for a refusal, a repeat or a no-op) and its answer. Whatever is queued when
//! the last batch has ended goes into the next: no timer. Positions and hashes are given when the batch is built. What
//! other lanes have ready at the same time is stored in the same commit (`log::group`).
//! An answer is given back only once its batch is durable under our epoch; a batch without events asks whether the
//! epoch is still ours, after the decision. A failed batch ends the lane's *generation*: every job comes back in
//! order, to be decided anew on what is stored.
//!
//! The committer has no task of its own: its owner polls [`Committer::settled`], which can be dropped and called
//! again at any point.

use crate::{
    Draft, Error, Head, Link, Log, Record, fault,
    log::{Appended, Ownership, chain},
    metrics,
};
use futures::future::BoxFuture;
use natter_domain::Timestamp;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bounds of one batch. 1,000 rows a statement is where PostgreSQL's rate stops growing.
pub const BATCH_EVENTS: usize = 1_000;
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Between two tries to settle an unknown outcome.
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

struct Job<A> {
    drafts: Vec<Draft>,
    answer: A,
}

/// What became of a batch.
pub enum Settled<A> {
    /// Durable: each answer with the events of its job, which may be none.
    Committed { answers: Vec<(A, Vec<Arc<Record>>)>, batch: Arc<Vec<Arc<Record>>>, head: Link },
    /// Not stored. All jobs, the batch's and those queued behind it, in order; the generation is over.
    Ended { jobs: Vec<A>, why: Ended },
}

#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// One of the jobs has a command key that is in the log already.
    Repeated,
    /// The batch was lost; the lane is still ours.
    Lost,
    /// The lane belongs to somebody else.
    Fenced,
    /// PostgreSQL went back behind what it had stored (a backup, a failover with loss). The lane is not to be served
    /// until `natter streams repair` has mended it.
    Restored,
}

struct InFlight<A> {
    jobs: Vec<(A, usize)>,
    records: Vec<Arc<Record>>,
    append: BoxFuture<'static, (Outcome, Option<(Ownership, Head)>)>,
}

enum Outcome {
    Durable,
    Ended(Ended),
}

/// See the module's page. `A` is what the owner wants back with each job.
pub struct Committer<A> {
    log: Log,
    owner: Arc<str>,
    ownership: Ownership,
    head: Link,
    /// No event is stamped earlier than this.
    floor: Timestamp,
    queue: VecDeque<Job<A>>,
    in_flight: Option<InFlight<A>>,
}

impl<A> Committer<A> {
    /// Takes the lane over.
    pub async fn start(log: Log, lane: crate::Lane, owner: Arc<str>) -> Result<Self, Error> {
        let (ownership, head) = log.take_over(lane, &owner).await?;
        Ok(Self::resume(log, owner, ownership, head))
    }

    /// Goes on behind `head`, which was read after the lane was taken over.
    pub fn resume(log: Log, owner: Arc<str>, ownership: Ownership, head: Head) -> Self {
        let (head, floor, queue) = (head.link, head.time, VecDeque::new());
        Self { log, owner, ownership, head, floor, queue, in_flight: None }
    }

    /// The newest durable event.
    pub fn head(&self) -> Link {
        self.head
    }

    /// The moment of the next decision: the clock's, but never before the last event's.
    pub fn stamp(&mut self, clock: Timestamp) -> Timestamp {
        self.floor = self.floor.max(clock);
        self.floor
    }

    /// Jobs that have no answer yet.
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.in_flight.as_ref().map_or(0, |batch| batch.jobs.len())
    }

    pub fn queue(&mut self, drafts: Vec<Draft>, answer: A) {
        self.queue.push_back(Job { drafts, answer });
    }

    /// Every job without an answer, in order. What became of the batch in flight is for the next owner to say.
    pub fn abandon(&mut self) -> Vec<A> {
        let batch = self.in_flight.take().into_iter().flat_map(|batch| batch.jobs).map(|(answer, _)| answer);
        batch.chain(self.queue.drain(..).map(|job| job.answer)).collect()
    }

    /// Waits until a batch has ended; for ever while nothing is queued.
    pub async fn settled(&mut self) -> Settled<A> {
        if self.in_flight.is_none() {
            if self.queue.is_empty() {
                std::future::pending::<()>().await;
            }
            self.in_flight = Some(self.next_batch());
        }
        let in_flight = self.in_flight.as_mut().expect("set just above");
        let (outcome, retaken) = in_flight.append.as_mut().await;
        let batch = self.in_flight.take().expect("it has just ended");
        if let Some((ownership, head)) = retaken {
            self.ownership = ownership;
            self.head = head.link;
            self.floor = self.floor.max(head.time);
        }
        match outcome {
            Outcome::Durable => self.committed(batch),
            Outcome::Ended(why) => self.ended(batch, why),
        }
    }

    fn next_batch(&mut self) -> InFlight<A> {
        let (mut jobs, mut drafts, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(job) = self.queue.front() {
            let more: usize = job.drafts.iter().map(|draft| draft.payload.len() + draft.metadata.len()).sum();
            let full = drafts.len() + job.drafts.len() > BATCH_EVENTS || bytes + more > BATCH_BYTES;
            if full && !jobs.is_empty() {
                break;
            }
            let job = self.queue.pop_front().expect("it is at the front");
            bytes += more;
            jobs.push((job.answer, job.drafts.len()));
            drafts.extend(job.drafts);
        }
        let records = chain(&self.head, drafts);
        let append = store(self.log.clone(), self.owner.clone(), self.ownership, self.head, records.clone());
        InFlight { jobs, records, append: Box::pin(append) }
    }

    fn committed(&mut self, batch: InFlight<A>) -> Settled<A> {
        if let Some(last) = batch.records.last() {
            self.head = last.link();
            metrics::batch(batch.jobs.len());
        }
        let mut rest = batch.records.as_slice();
        let mut answers = Vec::with_capacity(batch.jobs.len());
        for (answer, count) in batch.jobs {
            let (mine, others) = rest.split_at(count);
            answers.push((answer, mine.to_vec()));
            rest = others;
        }
        Settled::Committed { answers, batch: Arc::new(batch.records), head: self.head }
    }

    fn ended(&mut self, batch: InFlight<A>, why: Ended) -> Settled<A> {
        let lane = self.ownership.lane;
        metrics::generation_ended(lane);
        match why {
            Ended::Fenced => metrics::fenced(lane),
            Ended::Restored => metrics::restored(lane),
            Ended::Repeated | Ended::Lost => {}
        }
        let first = batch.jobs.into_iter().map(|(answer, _)| answer);
        Settled::Ended { jobs: first.chain(self.queue.drain(..).map(|job| job.answer)).collect(), why }
    }
}

/// Appends, and leaves no doubt: an unknown outcome is settled by taking our own lane over again, which waits for
/// the orphaned statement or shuts it out.
async fn store(
    log: Log,
    owner: Arc<str>,
    ownership: Ownership,
    base: Link,
    records: Vec<Arc<Record>>,
) -> (Outcome, Option<(Ownership, Head)>) {
    let Some(last) = records.last().cloned() else { return (without_events(&log, &ownership, &base).await, None) };
    let begun = Instant::now();
    fault::reach("committer.before_append").await;
    let appended = log.commit(&ownership, base.position, records).await;
    fault::reach("committer.after_append").await;
    match appended {
        Appended::Durable => (Outcome::Durable, None),
        Appended::Fenced => (Outcome::Ended(why_not(&log, &ownership, &base).await), None),
        Appended::Repeated => (Outcome::Ended(Ended::Repeated), None),
        Appended::Unknown(error) => {
            tracing::warn!(lane = %ownership.lane, base = base.position, %error, "append: outcome unknown, taking the lane over again");
            if error.as_database_error().is_some() {
                // The server lives and said no, because its disk is full perhaps: the jobs come back at once, and it
                // will say no to them too.
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
            let settled = settle(&log, &owner, &ownership, &base, &last).await;
            if matches!(settled.0, Outcome::Durable) {
                metrics::committed((last.position - base.position) as usize, begun.elapsed());
            }
            settled
        }
    }
}

async fn without_events(log: &Log, ownership: &Ownership, base: &Link) -> Outcome {
    loop {
        match log.still_owns(ownership, base.position).await {
            Ok(true) => return Outcome::Durable,
            Ok(false) => return Outcome::Ended(why_not(log, ownership, base).await),
            Err(error) => {
                tracing::warn!(lane = %ownership.lane, %error, "compare the epoch: trying again");
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
        }
    }
}

async fn settle(
    log: &Log,
    owner: &str,
    before: &Ownership,
    base: &Link,
    last: &Record,
) -> (Outcome, Option<(Ownership, Head)>) {
    loop {
        match log.retake(before, owner).await {
            // Somebody may have taken the lane and appended before the head was read.
            Ok(Some((now, head))) if !head.link.is_same_event(&last.link()) && !head.link.is_same_event(base) => {
                return (Outcome::Ended(why_not(log, &now, base).await), None);
            }
            Ok(Some((ownership, head))) => {
                let stored = head.link.is_same_event(&last.link());
                let outcome = if stored { Outcome::Durable } else { Outcome::Ended(Ended::Lost) };
                return (outcome, Some((ownership, head)));
            }
            Ok(None) => return (Outcome::Ended(why_not(log, before, base).await), None),
            Err(error) => {
                tracing::warn!(lane = %before.lane, %error, "settle an append: trying again");
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
        }
    }
}

/// Why the lane is not as we left it. Epochs never go back, and nobody else appends under ours.
async fn why_not(log: &Log, ownership: &Ownership, base: &Link) -> Ended {
    loop {
        match log.standing(ownership.lane).await {
            Ok(Some(now)) if now.epoch > ownership.epoch => return Ended::Fenced,
            Ok(Some(now)) if now.epoch == ownership.epoch && now.head.is_same_event(base) => return Ended::Lost,
            Ok(now) => return restored(base, &now.map_or(Link::start(base.lane, base.incarnation), |now| now.head)),
            Err(error) => {
                tracing::warn!(lane = %ownership.lane, %error, "ask why the lane is lost: trying again");
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
        }
    }
}

fn restored(base: &Link, head: &Link) -> Ended {
    tracing::error!(
        lane = %base.lane, stored = base.position, found = head.position,
        "PostgreSQL has gone back behind what it had stored: the lane is closed, see `natter streams check`"
    );
    Ended::Restored
}
