//! Who is here: the people that have a connection to this edge, and the sessions of those connections. One
//! subscription per person, however many devices: the first connection makes it, the last one ends it.
//!
//! What the bus may have lost is not looked for: once it is known to carry again (a mark came back), everybody is told
//! `resync`.

use super::{outbox::Outbox, person::Person};
use crate::metrics;
use natter_commands::Caller;
use natter_domain::{AccountId, SessionId};
use natter_streams::{bus::Bus, id};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a mark may take to come back before another is sent.
pub const MARK_TIMEOUT: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    bus: Bus,
    stop: CancellationToken,
    /// Tells our marks from those of other edges.
    edge: String,
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
    pub fn new(bus: Bus, stop: CancellationToken) -> Self {
        let edge = id::new().to_string();
        let hub = Self(Arc::new(Inner { bus, stop, edge, numbers: AtomicU64::default(), seats: Mutex::default() }));
        tokio::spawn(hub.clone().watch());
        hub
    }

    /// Subscribes the connection to its person's pushes.
    pub fn join(&self, caller: Caller, outbox: Arc<Outbox>) -> Seat {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let mut seats = self.seats();
        let person = match seats.people.entry(caller.account) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(self.welcome(caller.account)).clone(),
        };
        person.add(number, caller.session, outbox.clone());
        seats.sessions.entry(caller.session).or_default().insert(number, outbox);
        metrics::people(seats.people.len());
        drop(seats);
        Seat { hub: self.clone(), person, caller, number }
    }

    fn welcome(&self, account: AccountId) -> Arc<Person> {
        let person = Arc::new(Person::new(account, self.0.edge.clone(), self.0.stop.child_token()));
        tokio::spawn(person.clone().listen(self.0.bus.clone()));
        person
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
                self.prove().await;
                self.resync_all();
            }
        };
        self.0.stop.run_until_cancelled(watched).await;
    }

    /// Whether the bus carries again, by the example of anybody who is here. Subscriptions are renewed in one go, so
    /// one that works speaks for all.
    async fn prove(&self) {
        loop {
            let Some(person) = self.seats().people.values().next().cloned() else { return };
            let mark = person.mark(&self.0.bus).await;
            if timeout(MARK_TIMEOUT, person.echoed(mark)).await.is_ok() {
                return;
            }
        }
    }

    fn resync_all(&self) {
        let people: Vec<_> = self.seats().people.values().cloned().collect();
        people.iter().for_each(|person| person.resync("bus"));
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Resolves once what is published for the person comes here.
    pub fn proven(&self) -> impl Future<Output = ()> + Send + 'static {
        let person = self.person.clone();
        async move { person.echoed(1).await }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self);
    }
}
