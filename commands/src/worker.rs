//! One lane's worker: a task that owns the lane's states and its committer, so that a decision is a plain function
//! call with nobody else in the room.
//!
//! A job is decided as soon as its aggregate is in memory, with the one whose state it reads too (its *host*), and its key
//! known to be new; what has to be read first is read beside the loop, and the jobs of that aggregate wait in order
//! meanwhile. Nothing is read twice at a time, whoever waits for it: an older state never comes over a newer one. Commands on one aggregate do not
//! wait for each other's fsync: the new state is in place at once, the answers leave when their batch is durable. A
//! failed batch ends the generation: all states are dropped and all jobs decided again, in order. When the lane goes to
//! another node, what has no answer yet goes back to the road.

use crate::{
    error::Error,
    job::{Keep, Missing, Work},
    keys::{Keys, Novelty},
    lookup::{self, Found, Lookup},
    metrics,
    road::Inbox,
    store::Stores,
};
use futures::{FutureExt, future::BoxFuture};
use natter_domain::Address;
use natter_streams::{
    Lane, Log, Positions, clock,
    committer::{Committer, Ended, Settled},
    feed::Feeds,
    lease::Lease,
};
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Jobs decided between two looks at the committer.
const BURST: usize = 256;

/// An aggregate that cannot be read for so long will not be: whoever waits for it is told, and the lane can be handed over.
const REPLAY: Duration = Duration::from_secs(15);

pub(crate) type Boxed = Box<dyn Work>;

/// Jobs of one aggregate that wait, in order: for its state, or for the word whether the first one's key is new.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Boxed>,
}

impl Queue {
    /// A long wait for the aggregate is one wait for all, not one after the other.
    fn take_expired(&mut self, now: Instant) -> Vec<Boxed> {
        let (expired, kept): (Vec<Boxed>, Vec<Boxed>) = self.jobs.drain(..).partition(|job| job.deadline() <= now);
        self.jobs = kept.into();
        expired
    }
}

/// Why a worker ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// In order: everything decided is durable and answered.
    GivenUp,
    /// The lease has run out, or somebody else has it.
    Lost,
    /// The lane's row said so.
    Fenced,
    /// PostgreSQL has lost what it had stored: the lane must not be served until it is repaired.
    Restored,
}

pub(crate) struct Worker {
    log: Log,
    committer: Committer<Boxed>,
    feeds: Feeds,
    lease: Lease,
    /// Cancelled where the lane's stream turns out to know more than the log.
    closing: CancellationToken,
    stores: Stores,
    keys: Keys,
    waiting: HashMap<Address, Queue>,
    /// Commands whose first try is in flight.
    repeats: Vec<Boxed>,
    lookup: Lookup,
    replays: JoinSet<(Address, Result<Keep, Error>)>,
    /// What is being read, and the aggregates whose jobs wait for it.
    replaying: HashMap<Address, Vec<Address>>,
}

impl Worker {
    pub fn new(log: Log, committer: Committer<Boxed>, feeds: Feeds, lease: Lease, closing: CancellationToken) -> Self {
        Self {
            stores: Stores::new(&log, lease.lane()),
            keys: Keys::new(clock::now()),
            lookup: Lookup::new(ask_log(log.clone(), lease.lane())),
            log,
            committer,
            feeds,
            lease,
            closing,
            waiting: HashMap::new(),
            repeats: Vec::new(),
            replays: JoinSet::new(),
            replaying: HashMap::new(),
        }
    }

    /// Until the lane goes. What has no answer then is given back, in order.
    pub async fn run(mut self, inbox: &mut Inbox) -> (End, Vec<Boxed>) {
        let mut jobs = Vec::with_capacity(BURST);
        let mut leaving = false;
        let end = loop {
            if leaving && self.is_idle() {
                break End::GivenUp;
            }
            tokio::select! {
                biased;
                () = self.lease.lost() => break End::Lost,
                () = self.closing.cancelled() => break End::Restored,
                settled = self.committer.settled() => {
                    if let Some((end, jobs)) = self.settle(settled).await {
                        return (end, self.recall(jobs));
                    }
                }
                () = self.lookup.done() => self.looked_up().await,
                Some(Ok((address, replayed))) = self.replays.join_next() => self.replayed(address, replayed).await,
                () = self.lease.given_up(), if !leaving => {
                    leaving = true;
                    while let Ok(job) = inbox.try_recv() {
                        self.admit(job).await;
                    }
                }
                count = inbox.recv_many(&mut jobs, BURST), if !leaving => {
                    // The road is closed: the process ends.
                    leaving = count == 0;
                    for job in jobs.drain(..) {
                        self.admit(job).await;
                    }
                }
            }
        };
        let held = self.committer.abandon();
        (end, self.recall(held))
    }

    /// Nothing that was taken waits for anything.
    fn is_idle(&self) -> bool {
        self.committer.waiting() == 0 && self.waiting.is_empty() && self.repeats.is_empty()
    }

    /// Decides a job, or has read what is missing for it.
    async fn admit(&mut self, job: Boxed) {
        if job.deadline() <= Instant::now() {
            metrics::expired();
            return job.fail(Error::Unavailable);
        }
        let address = job.address();
        // Asked also where the job has to wait for others: the keys of all who wait are looked up together.
        let known = self.knows(&job);
        if let Some(queue) = self.waiting.get_mut(&address) {
            return queue.jobs.push_back(job);
        }
        if known && job.missing(&self.stores).is_none() {
            return self.go_on(job).await;
        }
        self.waiting.insert(address, Queue { jobs: VecDeque::from([job]) });
        self.pump(address).await;
    }

    /// Whether it is known if the job's key is new; has it looked up otherwise.
    fn knows(&mut self, job: &Boxed) -> bool {
        let Some(key) = job.key() else { return true };
        let id = key.stored.key;
        if self.lookup.is_wanted(id) {
            return false;
        }
        if self.lookup.has(id) && !self.keys.was_stored(key) {
            return true;
        }
        match self.keys.novelty(key, clock::now()) {
            Novelty::New | Novelty::Likely | Novelty::InFlight => true,
            Novelty::Unsure if self.lookup.has_stored(id) => true,
            Novelty::Unsure => {
                self.lookup.want(id);
                false
            }
        }
    }

    /// Goes on with the aggregate's jobs that need nothing more, up to the first that does.
    async fn pump(&mut self, address: Address) {
        while let Some(job) = self.next_ready(address) {
            self.go_on(job).await;
        }
    }

    fn next_ready(&mut self, address: Address) -> Option<Boxed> {
        let mut queue = self.waiting.remove(&address)?;
        let job = queue.jobs.pop_front()?;
        let missing = job.missing(&self.stores);
        if let Some(missing) = missing {
            self.read(missing, address);
        }
        let ready = missing.is_none() && self.knows(&job);
        let job = if ready {
            Some(job)
        } else {
            queue.jobs.push_front(job);
            None
        };
        self.waiting.insert(address, queue);
        job
    }

    /// Reads what is missing, unless that is under way.
    fn read(&mut self, missing: Missing, waits: Address) {
        let waiting = self.replaying.entry(missing.address).or_insert_with(|| {
            let replayed = missing.replay(self.log.clone(), self.lease.lane());
            self.replays.spawn(replay(missing.address, replayed));
            Vec::new()
        });
        if !waiting.contains(&waits) {
            waiting.push(waits);
        }
    }

    /// Nothing is missing: its aggregate is in memory, and its key was looked up if it had to be.
    async fn go_on(&mut self, mut job: Boxed) {
        let Some(key) = job.key().copied() else { return self.decide(job, true).await };
        if self.keys.is_in_flight(&key) {
            return self.repeats.push(job);
        }
        match self.lookup.take(key.stored.key) {
            Some(Found::Stored(first)) => {
                job.repeat(*first);
                self.committer.queue(Vec::new(), job);
            }
            Some(Found::Failed) => job.fail(Error::Unavailable),
            Some(Found::Nothing) => self.decide(job, true).await,
            None => {
                let is_new = matches!(self.keys.novelty(&key, clock::now()), Novelty::New);
                self.decide(job, is_new).await;
            }
        }
    }

    /// `is_new`: no doubt that it was never done. Else it may have changed what it would now be refused for: what writes
    /// nothing is told only when the log has nothing under its key.
    async fn decide(&mut self, mut job: Boxed, is_new: bool) {
        let now = self.committer.stamp(clock::now());
        let drafts = job.decide(&self.stores, now).await;
        if let Some(key) = drafts.first().and_then(|first| first.key) {
            self.keys.queued(key.key);
        }
        if !is_new && drafts.is_empty() {
            return self.look_up_first(job);
        }
        self.committer.queue(drafts, job);
    }

    /// It is decided again when that is answered; those behind it wait.
    fn look_up_first(&mut self, job: Boxed) {
        if let Some(key) = job.key() {
            self.lookup.want(key.stored.key);
        }
        self.waiting.entry(job.address()).or_default().jobs.push_front(job);
    }

    async fn replayed(&mut self, address: Address, replayed: Result<Keep, Error>) {
        let waiting = self.replaying.remove(&address).unwrap_or_default();
        match replayed {
            Ok(keep) => keep(&self.stores),
            Err(error) => {
                tracing::error!(lane = %self.lease.lane(), noun = %address.noun, id = %address.id, %error, "replay an aggregate");
                let mut error = Some(error);
                for waits in &waiting {
                    self.give_up_on(*waits, error.take().unwrap_or(Error::Unavailable));
                }
            }
        }
        for waits in waiting {
            self.pump(waits).await;
        }
    }

    /// What the first job of the aggregate waits for could not be read.
    fn give_up_on(&mut self, address: Address, error: Error) {
        let Some(queue) = self.waiting.get_mut(&address) else { return };
        if let Some(job) = queue.jobs.pop_front() {
            job.fail(error);
        }
        for job in queue.take_expired(Instant::now()) {
            metrics::expired();
            job.fail(Error::Unavailable);
        }
    }

    async fn looked_up(&mut self) {
        let addresses: Vec<Address> = self.waiting.keys().copied().collect();
        for address in addresses {
            self.pump(address).await;
        }
    }

    /// Something: the worker ends, with these jobs.
    async fn settle(&mut self, settled: Settled<Boxed>) -> Option<(End, Vec<Boxed>)> {
        match settled {
            Settled::Committed { answers, .. } if !self.lease.is_held() => {
                // Stored or not, it is for the next owner to say: it knows every key.
                let jobs = answers.into_iter().map(|(job, _)| job).chain(self.committer.abandon()).collect();
                Some((End::Lost, jobs))
            }
            Settled::Committed { answers, batch, head } => {
                if !batch.is_empty() {
                    // Before the answers: a client may come back with its position at once.
                    self.feeds.lane(head.lane).publish(batch, head);
                }
                let head = Positions::one(head.lane, head.position, head.incarnation);
                let now = clock::now();
                for (job, events) in answers {
                    if let Some(key) = events.first().and_then(|first| first.key) {
                        self.keys.durable(key.key, now);
                    }
                    job.answer(&self.stores, events, head.clone());
                }
                let repeats = std::mem::take(&mut self.repeats);
                self.redo(repeats).await;
                None
            }
            Settled::Ended { jobs, why: Ended::Fenced } => Some((End::Fenced, jobs)),
            Settled::Ended { jobs, why: Ended::Restored } => Some((End::Restored, jobs)),
            Settled::Ended { jobs, why } => {
                tracing::warn!(lane = %self.lease.lane(), ?why, jobs = jobs.len(), "the generation has ended: deciding again");
                self.stores.forget();
                self.keys.forget_in_flight();
                let jobs = self.recall(jobs);
                if why == Ended::Repeated {
                    self.lookup.want_all(jobs.iter().filter_map(|job| job.key()).map(|key| key.stored.key));
                }
                self.redo(jobs).await;
                None
            }
        }
    }

    /// Everything without an answer: what came back from the committer first, for it was decided first; then what
    /// waits for its aggregate, then what waits for its first try. What is being read is forgotten: it was read for
    /// the generation that has ended.
    fn recall(&mut self, committed: Vec<Boxed>) -> Vec<Boxed> {
        self.replays = JoinSet::new();
        self.replaying.clear();
        self.lookup.forget();
        let waiting = self.waiting.drain().flat_map(|(_, queue)| queue.jobs);
        committed.into_iter().chain(waiting).chain(self.repeats.drain(..)).collect()
    }

    async fn redo(&mut self, jobs: Vec<Boxed>) {
        for job in jobs {
            self.admit(job).await;
        }
    }
}

fn ask_log(log: Log, lane: Lane) -> impl Fn(Vec<Uuid>) -> BoxFuture<'static, lookup::Answer> + Send + Sync {
    move |keys| {
        let log = log.clone();
        Box::pin(async move { log.by_keys(lane, &keys).await })
    }
}

async fn replay(address: Address, replay: BoxFuture<'static, Result<Keep, Error>>) -> (Address, Result<Keep, Error>) {
    let panicked = |_| Err(Error::Failed { what: "read an aggregate", source: "it panicked".into() });
    let replayed = tokio::time::timeout(REPLAY, AssertUnwindSafe(replay).catch_unwind()).await;
    (address, replayed.map_or(Err(Error::Unavailable), |replayed| replayed.unwrap_or_else(panicked)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::tests::ADDRESS;

    #[tokio::test(start_paused = true)]
    async fn a_replay_that_does_not_end_is_ended() {
        let begun = Instant::now();
        let (_, replayed) = replay(ADDRESS, Box::pin(std::future::pending())).await;
        assert!(matches!(replayed, Err(Error::Unavailable)));
        assert_eq!(begun.elapsed().as_secs(), REPLAY.as_secs());
    }

    #[test]
    fn who_has_waited_too_long_goes_with_the_first() {
        let now = Instant::now();
        let job = |patience| crate::queue::tests::job_until(now + Duration::from_secs(patience));
        let mut queue = Queue { jobs: [0, 9, 0, 9].into_iter().map(job).collect() };
        assert_eq!(queue.take_expired(now).len(), 2);
        assert_eq!(queue.jobs.len(), 2);
        assert!(queue.jobs.iter().all(|job| job.deadline() > now));
    }
}
