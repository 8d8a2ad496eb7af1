//! A lane's road: the way of commands to the lane's owner, wherever it is. In process they go straight to the worker's
//! door; to another node by request; and while there is no owner they wait, each until its deadline.
//!
//! Commands of a lane stay in their order, also over a change of the owner: what was asked of the old one is answered or
//! refused before anything goes to the new one. What is lost on the way (a node that died, a message that was dropped) is
//! asked again under the same key, so it is done once. Nobody outside notices but by the time it takes.

use crate::{
    admission::{Admission, Permit},
    job::Work,
    metrics,
    queue::{Queue, Way},
    remote::{self, Asker, Envelope, Reply},
    store::decode,
};
use natter_streams::{Lane, Lanes, Node, bus::Bus, lease::Directory};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How often deadlines are looked at while something waits.
const TICK: Duration = Duration::from_millis(50);

pub(crate) type Boxed = Box<dyn Work>;
pub(crate) type Door = mpsc::UnboundedSender<Boxed>;
pub(crate) type Inbox = mpsc::UnboundedReceiver<Boxed>;

/// One lane's road.
pub(crate) struct Road {
    lane: Lane,
    queue: Mutex<Queue>,
    wake: Notify,
    admission: Admission,
}

impl Road {
    pub fn new(lane: Lane, admission: Admission) -> Self {
        Self { lane, queue: Mutex::new(Queue::new()), wake: Notify::new(), admission }
    }

    /// Room for a command; `None` is to be told at once.
    pub fn admit(&self, bytes: usize) -> Option<Permit> {
        let permit = self.admission.admit(bytes);
        if permit.is_none() {
            metrics::shed(self.lane);
        }
        permit
    }

    /// Behind what was queued before it.
    pub fn put(&self, job: Boxed) {
        let mut queue = self.lock();
        queue.put(job);
        if !matches!(queue.way, Way::Here(_)) {
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// The lane's worker is here from now on.
    pub fn open(&self, door: Door) {
        let mut queue = self.lock();
        if matches!(queue.way, Way::Closed) {
            return;
        }
        queue.turn();
        queue.way = Way::Here(door);
        for waiting in std::mem::take(&mut queue.backlog) {
            queue.put(waiting.job);
        }
    }

    /// The worker is gone, with what it `held` in order and what still lies at its door. Those who asked from afar are
    /// told, what was asked here waits for the next owner.
    pub fn close(&self, held: Vec<Boxed>, inbox: &mut Inbox, owner: Option<&Node>) {
        let mut queue = self.lock();
        let closed = matches!(queue.way, Way::Closed);
        queue.runs.forget();
        let left = std::iter::from_fn(|| inbox.try_recv().ok());
        let ours: Vec<Boxed> = held.into_iter().chain(left).filter_map(|job| job.give_back(owner)).collect();
        if closed {
            return ours.into_iter().for_each(|job| job.fail(crate::Error::Unavailable));
        }
        metrics::given_back(self.lane, ours.len());
        queue.way = Way::Nowhere;
        for job in ours.into_iter().rev() {
            queue.backlog.push_front(job.into());
        }
        drop(queue);
        self.wake.notify_one();
    }

    #[cfg(test)]
    pub fn waits(&self) -> bool {
        !self.lock().is_idle()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every lane's road. A cheap handle.
#[derive(Clone)]
pub(crate) struct Roads {
    lanes: Lanes,
    roads: Arc<[Road]>,
    directory: Directory,
}

impl Roads {
    pub fn new(lanes: Lanes, directory: Directory) -> Self {
        let admission = Admission::default();
        let roads = lanes.iter().map(|lane| Road::new(lane, admission.another())).collect();
        Self { lanes, roads, directory }
    }

    pub fn of(&self, route: uuid::Uuid) -> &Road {
        self.lane(self.lanes.of(route))
    }

    pub fn lane(&self, lane: Lane) -> &Road {
        &self.roads[lane.index()]
    }

    /// A command from another node: for the worker here, or refused with the name of who may have it.
    pub fn receive(&self, asker: Asker, envelope: &Envelope) {
        let Some(address) = envelope.address() else { return asker.say(Reply::Failed) };
        let road = self.of(address.route);
        if !road.lock().takes(&asker.subject, envelope.run, asker.number) {
            metrics::moved(road.lane);
            return asker.say(Reply::moved(self.directory.owner(road.lane).as_ref()));
        }
        let size = envelope.command.as_ref().map_or(0, |command| command.get().len());
        let Some(permit) = road.admit(size) else { return asker.say(Reply::Unavailable) };
        let job = match decode(address, envelope, asker, permit) {
            Ok(job) => job,
            Err(asker) => return asker.say(Reply::Failed),
        };
        let refused = road.lock().hand(job);
        if let Some(job) = refused {
            metrics::moved(road.lane);
            let none = job.give_back(self.directory.owner(road.lane).as_ref());
            debug_assert!(none.is_none(), "what came from afar goes back there");
        }
    }

    /// The reply to what was asked of another node.
    pub fn hear(&self, lane: Lane, number: u64, reply: Reply) {
        if !self.lanes.contains(lane) {
            return;
        }
        let road = self.lane(lane);
        let (answered, due) = {
            let mut queue = road.lock();
            let answered = match reply {
                Reply::Moved { .. } => {
                    queue.moved(number, Instant::now());
                    None
                }
                _ => queue.answered(number),
            };
            (answered, queue.is_due())
        };
        if let Reply::Moved { owner } = &reply {
            metrics::retried(lane);
            match owner.as_deref().and_then(Node::parse) {
                Some(owner) => self.directory.learn(lane, Some(owner)),
                None => self.directory.refresh(),
            }
        }
        if due {
            road.wake.notify_one();
        }
        if let Some(job) = answered {
            job.hear(reply, self.lanes);
        }
    }

    /// Somebody who was asked is gone. What was asked counts as lost when its time has come, or once another is named.
    pub fn nobody_there(&self) {
        self.directory.refresh();
    }

    /// Keeps one lane's road moving while its owner is not here.
    pub async fn tend(self, lane: Lane, me: Node, bus: Bus, stop: CancellationToken) {
        let tended = async {
            let road = self.lane(lane);
            let mut known = self.directory.owner(lane);
            loop {
                let idle = road.lock().is_idle();
                tokio::select! {
                    () = road.wake.notified() => {}
                    _ = self.directory.changed(lane, known.clone()) => {}
                    () = sleep(TICK), if !idle => {}
                }
                known = self.directory.owner(lane);
                self.step(road, known.as_ref(), &me, &bus).await;
            }
        };
        stop.run_until_cancelled(tended).await;
        self.end(lane);
    }

    async fn step(&self, road: &Road, owner: Option<&Node>, me: &Node, bus: &Bus) {
        let now = Instant::now();
        let (expired, envelopes) = {
            let mut queue = road.lock();
            (queue.take_expired(now), queue.next_asks(owner, me, now))
        };
        for job in expired {
            metrics::expired();
            job.fail(crate::Error::Unavailable);
        }
        let Some(owner) = owner else { return };
        for (number, envelope) in envelopes {
            remote::ask(bus, me, owner, road.lane, number, envelope).await;
        }
    }

    /// The process ends: who waits is told so, and who comes. What the worker has it still answers.
    fn end(&self, lane: Lane) {
        let mut queue = self.lane(lane).lock();
        queue.turn();
        queue.way = Way::Closed;
        for waiting in std::mem::take(&mut queue.backlog) {
            waiting.job.fail(crate::Error::Unavailable);
        }
    }

    /// Says how much waits, every second.
    pub async fn report(self, stop: CancellationToken) {
        while tokio::time::timeout(Duration::from_secs(1), stop.cancelled()).await.is_err() {
            for road in self.roads.iter() {
                metrics::queued(road.lane, road.admission.held());
            }
        }
    }
}
