//! Who is here: the people that have a connection to this edge, and the sessions of those connections. One
//! subscription per person, however many devices: the first connection makes it, the last one ends it. One more for all
//! crowds together.
//!
//! What the bus may have lost is not looked for: once it is known to carry again (marks came back), everybody is told
//! `resync`.

use super::{crowd::Crowds, deliverers::Deliverers, outbox::Outbox, person::Person};
use crate::metrics;
use futures::StreamExt;
use natter_commands::Caller;
use natter_domain::{AccountId, SessionId};
use natter_projections::Projections;
use natter_streams::{bus::Bus, id, subject};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How often it is asked who delivers.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    bus: Bus,
    stop: CancellationToken,
    deliverers: watch::Sender<Deliverers>,
    crowds: Crowds,
    numbers: AtomicU64,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    people: HashMap<AccountId, Arc<Person>>,
    sessions: HashMap<SessionId, HashMap<u64, Arc<Outbox>>>,
}

/// One connection's place. Dropping it leaves.
pub struct Seat {
    hub: Hub,
    person: Arc<Person>,
    caller: Caller,
    number: u64,
}

impl Hub {
    pub fn new(bus: Bus, projections: Projections, stop: CancellationToken) -> Self {
        let deliverers = watch::Sender::default();
        let (crowds, numbers, seats) = (Crowds::new(projections.clone()), AtomicU64::default(), Mutex::default());
        let hub = Self(Arc::new(Inner { bus, stop, deliverers, crowds, numbers, seats }));
        hub.spawn(hub.clone().follow_crowds());
        tokio::spawn(hub.clone().watch());
        tokio::spawn(hub.clone().follow_deliverers(projections));
        tokio::spawn(hub.clone().hear());
        hub
    }

    /// Subscribes the connection to its person's pushes.
    pub fn join(&self, caller: Caller, outbox: Arc<Outbox>) -> Seat {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let mut seats = self.seats();
        let person = match seats.people.entry(caller.account) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let person = place.insert(self.welcome(caller.account)).clone();
                self.spawn(self.clone().introduce(caller.account, person.clone()));
                person
            }
        };
        person.add(number, caller.session, outbox.clone());
        seats.sessions.entry(caller.session).or_default().insert(number, outbox);
        metrics::people(seats.people.len());
        drop(seats);
        Seat { hub: self.clone(), person, caller, number }
    }

    fn welcome(&self, account: AccountId) -> Arc<Person> {
        let person = Person::new(account, self.0.deliverers.subscribe(), self.0.stop.child_token());
        let person = Arc::new(person);
        tokio::spawn(person.clone().listen(self.0.bus.clone(), self.0.crowds.listens()));
        person
    }

    async fn introduce(self, account: AccountId, person: Arc<Person>) {
        person.settle(self.0.crowds.arrive(account, &person)).await;
    }

    async fn follow_crowds(self) {
        let again = || self.spawn(self.clone().stop_or_resync());
        self.0.crowds.listen(&self.0.bus, &self, again).await;
    }

    /// Until the process ends.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(task));
    }

    /// Somebody who has a connection here.
    pub(super) fn find(&self, account: AccountId) -> Option<Arc<Person>> {
        self.seats().people.get(&account).cloned()
    }

    /// All who have one.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        self.seats().people.keys().copied().collect()
    }

    fn leave(&self, seat: &Seat) {
        let mut seats = self.seats();
        if let Entry::Occupied(mut session) = seats.sessions.entry(seat.caller.session) {
            session.get_mut().remove(&seat.number);
            if session.get().is_empty() {
                session.remove();
            }
        }
        if seat.person.remove(seat.number) {
            seats.people.remove(&seat.caller.account);
            seat.person.dismiss();
        }
        metrics::people(seats.people.len());
    }

    /// Closes the connections of a session.
    pub fn end(&self, session: SessionId, reason: &str) {
        if let Some(connections) = self.seats().sessions.get(&session) {
            connections.values().for_each(|outbox| outbox.end(reason));
        }
    }

    /// Each doubt about the bus becomes a `resync`, once the bus carries again.
    async fn watch(self) {
        let mut doubts = self.0.bus.doubts();
        let watched = async {
            loop {
                if let Err(RecvError::Closed) = doubts.recv().await {
                    return;
                }
                while !self.0.bus.is_connected() {
                    sleep(Duration::from_millis(100)).await;
                }
                while doubts.try_recv().is_ok() {}
                self.prove_and_resync().await;
            }
        };
        self.0.stop.run_until_cancelled(watched).await;
    }

    /// Asks now and then who delivers. In a cluster one that begins is a doubt.
    async fn follow_deliverers(self, projections: Projections) {
        let followed = async {
            loop {
                match projections.delivery().nodes().await {
                    Ok(nodes) => {
                        let mut has_newcomer = false;
                        self.0.deliverers.send_modify(|deliverers| has_newcomer = deliverers.learn(nodes));
                        if has_newcomer && self.0.bus.is_clustered() {
                            tokio::spawn(self.clone().stop_or_resync());
                        }
                    }
                    Err(error) => tracing::warn!(%error, "ask who delivers"),
                }
                sleep(LOOK_EVERY).await;
            }
        };
        self.0.stop.run_until_cancelled(followed).await;
    }

    async fn stop_or_resync(self) {
        self.0.stop.run_until_cancelled(self.prove_and_resync()).await;
    }

    /// Whether the bus carries again, by the example of somebody who does not exist. Servers are told of subscriptions in
    /// their order, so one that is made now and works speaks for all before it.
    async fn prove_and_resync(&self) {
        let nobody = self.welcome(AccountId(id::new()));
        nobody.proven().await;
        nobody.dismiss();
        self.resync_all("bus");
    }

    /// An operator's word that the log went back: what everybody knows may be wrong. A subscription that was lost
    /// meanwhile is a doubt, and ends in `resync` all the same.
    async fn hear(self) {
        let heard = async {
            loop {
                match self.0.bus.live().subscribe(subject::RESYNC).await {
                    Ok(mut words) => {
                        while words.next().await.is_some() {
                            self.resync_all("restored");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "listen for a restored log"),
                }
                sleep(LOOK_EVERY).await;
            }
        };
        self.0.stop.run_until_cancelled(heard).await;
    }

    /// Everybody who has a connection here may have missed something.
    pub(super) fn resync_all(&self, reason: &'static str) {
        let people: Vec<_> = self.seats().people.values().cloned().collect();
        people.iter().for_each(|person| person.resync(reason));
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Resolves once what is published for the person comes here, and what is published for the crowds that they are in.
    pub fn proven(&self) -> impl Future<Output = ()> + Send + 'static {
        let person = self.person.clone();
        async move {
            person.proven().await;
            person.settled().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self);
    }
}
