//! One lane's timers: its events begin and end them, and what is due is given as an order.

use super::{Change, NAME, Subject, change, table};
use crate::{
    error::Error,
    process::{Around, Flight, Follower, Here, rest},
};
use futures::FutureExt;
use natter_domain::Timestamp;
use natter_streams::{Lane, Link, Record, checkpoint, clock::Clock, fault};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Timers that one look finds.
const BATCH: usize = 256;

/// Timers that wait for an answer at the most: whoever looks for more names them all.
const GIVEN: usize = 16_384;

/// Changes of this long share a transaction: what begins and ends at once needs hardly any.
const GATHER: Duration = Duration::from_millis(100);

/// How long to sleep at most while a timer is set: a clock can be set forward.
const TICK: Duration = Duration::from_secs(1);

/// Events that may pass before an idle checkpoint is written.
const STRIDE: u64 = 10_000;

/// Runs until told to stop; then it takes nothing more and waits for the answers to what it has given. Dropped instead,
/// it repeats a little at its next start, without effect.
pub(crate) async fn run(around: Around, clock: Clock, lane: Lane, stop: CancellationToken) {
    let here = Here::new(NAME, lane, around.feeds.clone());
    here.during(attend(around, clock, &here, lane, stop)).await;
}

async fn attend(around: Around, clock: Clock, here: &Arc<Here>, lane: Lane, stop: CancellationToken) {
    loop {
        let ended = tokio::select! {
            started = Running::start(&around, &clock, here, lane) => match started {
                Ok(running) => running.follow(&stop).await,
                Err(error) => Err(error),
            },
            () = stop.cancelled() => return,
        };
        let Err(error) = ended else { return };
        rest(here, error, &stop).await;
    }
}

struct Running {
    around: Around,
    here: Arc<Here>,
    clock: Clock,
    lane: Lane,
    follower: Follower,
    /// The checkpoint as it stands in the database.
    stored: Link,
    read: Link,
    /// What was read and is not written, and since when.
    changes: BTreeMap<Subject, Change>,
    since: Instant,
    flight: Flight<uuid::Uuid>,
    /// Timers that this one no longer looks for: given and not answered, or not understood.
    given: HashSet<uuid::Uuid>,
    /// When to look; `None`: no timer is set.
    next: Option<Timestamp>,
}

impl Running {
    async fn start(around: &Around, clock: &Clock, here: &Arc<Here>, lane: Lane) -> Result<Self, Error> {
        let stored = checkpoint::load(&around.log, NAME, lane).await?;
        here.stuck(false);
        Ok(Self {
            around: around.clone(),
            here: here.clone(),
            clock: clock.clone(),
            lane,
            follower: Follower::new(NAME, around.clone(), here.clone(), stored),
            stored,
            read: stored,
            changes: BTreeMap::new(),
            since: Instant::now(),
            flight: Flight::new(NAME, "timer.before_fire", around.clone()),
            given: HashSet::new(),
            next: table::next(&around.log, lane, &[]).await?,
        })
    }

    async fn follow(mut self, stop: &CancellationToken) -> Result<(), Error> {
        loop {
            self.here.done(self.read.position);
            if self.is_write_due() {
                self.write().await?;
            }
            let has_room = self.given.len() < GIVEN;
            if self.is_due() && has_room {
                self.fire().await?;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.land().await,
                Some(id) = self.flight.answered() => self.answered(id).await?,
                () = tokio::time::sleep_until(self.since + GATHER), if !self.changes.is_empty() => {}
                () = sleep_until(&self.clock, self.next), if has_room => {}
                records = self.follower.next() => self.take(&records?),
            }
        }
    }

    fn take(&mut self, records: &[Arc<Record>]) {
        for record in records {
            match change(record) {
                Ok(Some(change)) => self.note(change),
                Ok(None) => {}
                Err(error) => return self.follower.go_back(self.read, &error.into()),
            }
            self.read = record.link();
        }
        self.follower.went_on();
    }

    fn note(&mut self, change: Change) {
        if self.changes.is_empty() {
            self.since = Instant::now();
        }
        self.changes.insert(change.subject(), change);
    }

    fn is_write_due(&self) -> bool {
        let gathered = !self.changes.is_empty() && self.since.elapsed() >= GATHER;
        gathered || self.read.position - self.stored.position >= STRIDE
    }

    async fn write(&mut self) -> Result<(), Error> {
        if self.read.position == self.stored.position {
            return Ok(());
        }
        table::write(&self.around.log, &self.changes, &self.stored, &self.read).await?;
        let begun = self.changes.values().filter_map(|change| match change {
            Change::Begin(timer) => Some(timer.at),
            Change::End(_) => None,
        });
        self.next = begun.chain(self.next).min();
        self.changes.clear();
        self.stored = self.read;
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= self.clock.now())
    }

    /// Gives what is due, and sees when to look again.
    async fn fire(&mut self) -> Result<(), Error> {
        let given: Vec<_> = self.given.iter().copied().collect();
        let found = table::due(&self.around.log, self.lane, self.clock.now(), &given, BATCH).await?;
        for (id, due) in &found {
            self.given.insert(*id);
            match due {
                Some(due) => self.flight.put(*id, due.order(*id)),
                None => tracing::error!(timer = %id, lane = %self.lane, "a timer that this binary does not know"),
            }
        }
        let given: Vec<_> = self.given.iter().copied().collect();
        self.next = table::next(&self.around.log, self.lane, &given).await?;
        Ok(())
    }

    /// What was answered together goes together.
    async fn answered(&mut self, id: uuid::Uuid) -> Result<(), Error> {
        fault::reach("timer.after_fire").await;
        let mut ids = vec![id];
        while let Some(Some(id)) = self.flight.answered().now_or_never() {
            ids.push(id);
        }
        table::delete(&self.around.log, &ids).await?;
        for id in &ids {
            self.given.remove(id);
        }
        Ok(())
    }

    async fn land(mut self) -> Result<(), Error> {
        self.flight.close();
        while let Some(id) = self.flight.answered().await {
            self.answered(id).await?;
        }
        self.write().await
    }
}

/// Looks at the clock again and again; never, while no timer is set.
async fn sleep_until(clock: &Clock, next: Option<Timestamp>) {
    let Some(next) = next else { return std::future::pending().await };
    let left = next.as_millis().saturating_sub(clock.now().as_millis());
    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
    tokio::time::sleep(left.min(TICK)).await;
}
