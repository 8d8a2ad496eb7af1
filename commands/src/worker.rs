//! One lane's worker: a task that owns the lane's states and its committer, so that a decision is a plain function
//! call with nobody else in the room.
//!
//! A job is decided as soon as its aggregate is in memory and its key known to be new; what has to be read first is
//! read beside the loop, and the jobs of that aggregate wait in order meanwhile. Commands on one aggregate do not
//! wait for each other's fsync: the new state is in place at once, the answers leave when their batch is durable. A
//! failed batch ends the generation: all states are dropped and all jobs decided again, in order.

use crate::{
    dispatch::{DEADLINE, Dispatch},
    error::Error,
    job::{Keep, Work},
    keys::{Keys, Novelty},
    metrics,
    store::Stores,
};
use futures::{FutureExt, future::BoxFuture};
use natter_domain::Address;
use natter_streams::{
    Lane, Log, Positions, Record, clock,
    committer::{Committer, Ended, Settled},
    feed::Feeds,
    id,
};
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Jobs that may wait at a lane's door.
const INBOX: usize = 1_024;

/// Jobs that a lane may hold undecided or undurable; beyond it the inbox fills, and its callers hear `unavailable`.
const HELD: usize = 8_192;

/// Jobs decided between two looks at the committer.
const BURST: usize = 256;

type Boxed = Box<dyn Work>;

/// Takes every lane over, then starts a worker for each.
pub(crate) async fn start_all(
    log: &Log,
    node: &str,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    fenced: &CancellationToken,
) -> Result<(Dispatch, Feeds), Error> {
    // Another start of the same node is another owner: settling an append must not take a lane back from it.
    let owner: Arc<str> = format!("{node} {}", id::new()).into();
    let starts = log.lanes().iter().map(|lane| Committer::start(log.clone(), lane, owner.clone()));
    let committers: Vec<Committer<Boxed>> = futures::future::try_join_all(starts).await?;
    let feeds = Feeds::new(committers.iter().map(Committer::head));
    committers.iter().map(Committer::head).for_each(|head| feeds.lane(head.lane).open(head));
    let mut doors = Vec::new();
    for committer in committers {
        let (door, inbox) = mpsc::channel(INBOX);
        doors.push(door);
        let worker = Worker::new(log.clone(), committer, feeds.clone());
        tasks.spawn(worker.run(inbox, stop.clone(), fenced.clone()));
    }
    Ok((Dispatch::new(log.lanes(), doors), feeds))
}

/// What was read for an aggregate whose jobs wait.
struct Read {
    keep: Option<Keep>,
    found: Option<Record>,
}

struct Worker {
    log: Log,
    lane: Lane,
    committer: Committer<Boxed>,
    feeds: Feeds,
    stores: Stores,
    keys: Keys,
    /// Aggregates being prepared: first the job that needs it, then those that came meanwhile.
    waiting: HashMap<Address, VecDeque<Boxed>>,
    /// Commands whose first try is in flight.
    repeats: Vec<Boxed>,
    preparing: JoinSet<(Address, Result<Read, Error>)>,
    /// Jobs without an answer, wherever they are.
    held: usize,
}

impl Worker {
    fn new(log: Log, committer: Committer<Boxed>, feeds: Feeds) -> Self {
        Self {
            lane: committer.head().lane,
            stores: Stores::new(&log),
            keys: Keys::new(clock::now()),
            log,
            committer,
            feeds,
            waiting: HashMap::new(),
            repeats: Vec::new(),
            preparing: JoinSet::new(),
            held: 0,
        }
    }

    /// Once told to stop, it takes nothing more and answers what it holds; what has no answer when every caller has
    /// given up gets none.
    async fn run(mut self, mut inbox: mpsc::Receiver<Boxed>, stop: CancellationToken, fenced: CancellationToken) {
        // Also for a panic: a process must not go on with a lane that nobody serves.
        let lost = fenced.drop_guard();
        let mut jobs = Vec::with_capacity(BURST);
        let (mut open, mut patience) = (true, None);
        while open || self.held > 0 {
            tokio::select! {
                biased;
                settled = self.committer.settled() => {
                    if !self.settle(settled).await {
                        tracing::error!(lane = %self.lane, "another node has taken the lane: nothing more is answered here");
                        return;
                    }
                }
                Some(Ok((address, read))) = self.preparing.join_next() => self.prepared(address, read).await,
                () = stop.cancelled(), if patience.is_none() => {
                    inbox.close();
                    patience = Some(Instant::now() + DEADLINE);
                }
                () = passed(patience) => break,
                count = inbox.recv_many(&mut jobs, BURST), if open && self.held < HELD => {
                    open = count > 0;
                    self.held += count;
                    for job in jobs.drain(..) {
                        self.admit(job).await;
                    }
                }
            }
        }
        lost.disarm();
    }

    /// Decides a job, or has read what is missing for it.
    async fn admit(&mut self, job: Boxed) {
        if job.deadline() <= Instant::now() {
            self.held -= 1;
            metrics::expired();
            return job.fail(Error::Unavailable);
        }
        if let Some(queue) = self.waiting.get_mut(&job.address()) {
            return queue.push_back(job);
        }
        let novelty = job.key().map_or(Novelty::New, |key| self.keys.novelty(key, clock::now()));
        match novelty {
            Novelty::InFlight => self.repeats.push(job),
            Novelty::Unsure => self.prepare(job, true),
            Novelty::New if !job.is_in_memory(&self.stores) => self.prepare(job, false),
            Novelty::New => self.decide(job).await,
        }
    }

    /// Reads what is missing beside the loop; jobs of the same aggregate wait in order.
    fn prepare(&mut self, job: Boxed, look_up: bool) {
        let address = job.address();
        let replay = (!job.is_in_memory(&self.stores)).then(|| job.replay(self.log.clone()));
        let key = job.key().filter(|_| look_up).map(|key| key.stored.key);
        let read = AssertUnwindSafe(read(self.log.clone(), replay, key)).catch_unwind();
        self.waiting.insert(address, VecDeque::from([job]));
        self.preparing.spawn(async move {
            let panicked = |_| Err(Error::Failed { what: "read an aggregate", source: "it panicked".into() });
            (address, read.await.unwrap_or_else(panicked))
        });
    }

    async fn prepared(&mut self, address: Address, read: Result<Read, Error>) {
        let mut jobs = self.waiting.remove(&address).unwrap_or_default();
        let Some(job) = jobs.pop_front() else { return };
        match read {
            Ok(read) => self.go_on(job, read).await,
            Err(error) => {
                self.held -= 1;
                tracing::error!(lane = %self.lane, noun = %address.noun, id = %address.id, %error, "read an aggregate");
                job.fail(error);
            }
        }
        for job in jobs {
            self.admit(job).await;
        }
    }

    async fn go_on(&mut self, mut job: Boxed, Read { keep, found }: Read) {
        if let Some(keep) = keep {
            keep(&self.stores);
        }
        let overtaken = found.is_none() && job.key().is_some_and(|key| self.keys.was_stored(key));
        if overtaken || !job.is_in_memory(&self.stores) {
            // While it was looked up, the key was stored, or the aggregate forgotten.
            let look_up = job.key().is_some();
            return self.prepare(job, look_up);
        }
        match found {
            Some(first) => {
                job.repeat(&self.stores, first);
                self.committer.queue(Vec::new(), job);
            }
            // Its key came with another aggregate's command, and that one was decided meanwhile.
            None if job.key().is_some_and(|key| self.keys.is_in_flight(key)) => self.repeats.push(job),
            None => self.decide(job).await,
        }
    }

    async fn decide(&mut self, mut job: Boxed) {
        let now = self.committer.stamp(clock::now());
        let drafts = job.decide(&self.stores, now).await;
        if let Some(key) = drafts.first().and_then(|first| first.key) {
            self.keys.queued(key.key);
        }
        self.committer.queue(drafts, job);
    }

    /// False: the lane is somebody else's now.
    async fn settle(&mut self, settled: Settled<Boxed>) -> bool {
        match settled {
            Settled::Committed { answers, batch, head } => {
                if !batch.is_empty() {
                    // Before the answers: a client may come back with its position at once.
                    self.feeds.lane(self.lane).publish(batch, head);
                }
                let now = clock::now();
                let head = Positions::one(head.lane, head.position, head.incarnation);
                self.held -= answers.len();
                for (job, events) in answers {
                    if let Some(key) = events.first().and_then(|first| first.key) {
                        self.keys.durable(key.key, now);
                    }
                    job.answer(&self.stores, events, head.clone());
                }
                let repeats = std::mem::take(&mut self.repeats);
                self.redo(repeats).await;
                true
            }
            Settled::Ended { jobs, why: Ended::Fenced } => {
                self.give_up(jobs);
                false
            }
            Settled::Ended { jobs, why } => {
                tracing::warn!(lane = %self.lane, ?why, jobs = jobs.len(), "the generation has ended: deciding again");
                self.stores.forget();
                self.keys.forget_in_flight();
                if why == Ended::Repeated {
                    self.keys.distrust(clock::now());
                }
                let jobs = self.recall(jobs);
                self.redo(jobs).await;
                true
            }
        }
    }

    /// Everything without an answer: what came back from the committer first, for it was decided first; then what
    /// waits for its aggregate, then what waits for its first try. What is being read is forgotten: it was read for
    /// the generation that has ended.
    fn recall(&mut self, committed: Vec<Boxed>) -> Vec<Boxed> {
        self.preparing = JoinSet::new();
        let waiting = self.waiting.drain().flat_map(|(_, jobs)| jobs);
        committed.into_iter().chain(waiting).chain(self.repeats.drain(..)).collect()
    }

    async fn redo(&mut self, jobs: Vec<Boxed>) {
        for job in jobs {
            self.admit(job).await;
        }
    }

    fn give_up(&mut self, jobs: Vec<Boxed>) {
        self.stores.forget();
        for job in self.recall(jobs) {
            job.fail(Error::Unavailable);
        }
    }
}

/// What a job needs: its aggregate, where it is not in memory, and the first event of its key, if it is to be looked up.
async fn read(
    log: Log,
    replay: Option<BoxFuture<'static, Result<Keep, Error>>>,
    key: Option<Uuid>,
) -> Result<Read, Error> {
    let keep = match replay {
        Some(replay) => Some(replay.await?),
        None => None,
    };
    let found = match key {
        Some(key) => log.by_keys(&[key]).await?.into_values().next(),
        None => None,
    };
    Ok(Read { keep, found })
}

/// Never, while there is no such moment.
async fn passed(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
