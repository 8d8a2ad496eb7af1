//! The generations that this process reads, and the change from one to the next while people read. The table is looked
//! at every second. A read takes what it needs of a generation in hand and goes on there until it ends, so nothing is
//! taken from under it; the connections of the old one are gone with the last who uses it.

use super::{Entry, Generation, home::Home, table};
use crate::{
    Error, Projection,
    progress::{self, Group, Progress},
    sql::Entrance,
};
use natter_streams::{bus::Bus, position::Place};
use sqlx::PgPool;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// The projections that have rows.
pub(crate) const WITH_ROWS: [Projection; 2] = [Projection::Relations, Projection::History];

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at how far the next one is.
const NEXT_EVERY: Duration = Duration::from_millis(20);
/// For a cluster that is switched to; afterwards the table is looked at again.
const CLUSTER: Duration = Duration::from_secs(30);
/// Tries at a change until the table is looked at again: it may have been taken back.
const TRIES: usize = 100;

/// What is read. One of each projection in [`WITH_ROWS`].
pub(crate) struct Live {
    entrance: Entrance,
    /// What belongs to no generation.
    control: PgPool,
    progress: Arc<Progress>,
    homes: [RwLock<Arc<Home>>; WITH_ROWS.len()],
    /// The generations that are to be run: one, and during a change two.
    running: [watch::Sender<Vec<Arc<Home>>>; WITH_ROWS.len()],
}

impl Live {
    pub(crate) async fn open(entrance: Entrance, control: PgPool, progress: Arc<Progress>) -> Result<Self, Error> {
        let mut homes = Vec::new();
        for projection in WITH_ROWS {
            let entry = table::live(&control, projection).await?;
            progress.begin_with(projection, entry.generation);
            homes.push(Arc::new(Home::open(&entrance, &entry).await?));
        }
        let running = [0, 1].map(|index| watch::channel(vec![Arc::clone(&homes[index])]).0);
        let homes = [0, 1].map(|index| RwLock::new(Arc::clone(&homes[index])));
        Ok(Self { entrance, control, progress, homes, running })
    }

    pub(crate) fn home(&self, projection: Projection) -> Arc<Home> {
        self.homes[index(projection)].read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The homes whose projectors are to be run.
    pub(crate) fn running(&self, projection: Projection) -> watch::Receiver<Vec<Arc<Home>>> {
        self.running[index(projection)].subscribe()
    }

    /// Goes with the table, until told to stop.
    pub(crate) async fn follow(self: Arc<Self>, bus: Bus, stop: CancellationToken) {
        let following = WITH_ROWS.map(|projection| self.follow_one(projection, &bus));
        stop.run_until_cancelled(futures::future::join_all(following)).await;
    }

    async fn follow_one(&self, projection: Projection, bus: &Bus) {
        let mut seen = None;
        loop {
            sleep(LOOK_EVERY).await;
            let looked = async {
                let home = self.home(projection);
                // Who reads it is seen by who would drop it, also where nothing but this goes through PostgreSQL.
                if let Err(error) = home.reading.acquire().await {
                    tracing::warn!(%error, projection = projection.as_str(), "no connection to the generation that is read");
                }
                self.forget_after_retries(projection, &mut seen).await?;
                let entry = table::live(&self.control, projection).await?;
                if entry.generation == home.generation {
                    return Ok(());
                }
                self.change(&entry, bus).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(%error, projection = projection.as_str(), "look which generation is live: going on with the one that was");
            }
        }
    }

    /// What was set aside and applied later is in no page that was kept before.
    async fn forget_after_retries(&self, projection: Projection, seen: &mut Option<i64>) -> Result<(), Error> {
        let home = self.home(projection);
        let last = table::last_retry(&self.control, super::reader(projection, home.generation)).await?;
        if *seen != Some(last) {
            home.pages.forget();
            *seen = Some(last);
        }
        Ok(())
    }

    /// From the generation that is read to this one.
    async fn change(&self, entry: &Entry, bus: &Bus) -> Result<(), Error> {
        let projection = entry.projection;
        let (old, new) = (self.home(projection), Arc::new(Home::open(&self.entrance, entry).await?));
        if let Some(cluster) = &new.cluster {
            // Not read before it can be.
            cluster.reached(CLUSTER).await?;
        }
        tracing::info!(from = %old.generation, to = entry.reader(), "a generation was switched to");
        let next = self.progress.prepare(projection, entry.generation);
        self.running[index(projection)].send_replace(vec![old.clone(), new.clone()]);
        let reached = self.reach(entry, &next, &new, bus).await;
        if !matches!(reached, Ok(true)) {
            self.progress.abandon(projection);
            // Begun anew, its projectors say how far they are: they were not listened to.
            self.running[index(projection)].send_replace(vec![Arc::new(Home::clone(&old))]);
            return reached.map(drop);
        }
        // In this order: who waited for the old one reads the new, which has passed the same; never the other way round.
        *self.homes[index(projection)].write().unwrap_or_else(PoisonError::into_inner) = new;
        self.progress.exchange(projection);
        tracing::info!(generation = entry.reader(), "it is read here now");
        Ok(())
    }

    /// Until the next generation has passed all that was told of the current one, and all that could be read of it. False:
    /// it is not to be read any more.
    async fn reach(&self, entry: &Entry, next: &Arc<Group>, new: &Arc<Home>, bus: &Bus) -> Result<bool, Error> {
        // First as near as may be, while reads that wait for the newest are still served.
        let told = self.progress.told(entry.projection);
        if !self.passes(entry, next, &told, bus).await? {
            return Ok(false);
        }
        self.progress.freeze(entry.projection);
        self.running[index(entry.projection)].send_replace(vec![new.clone()]);
        loop {
            // A process that does not know of the change yet may still write rows of the current one, which are read
            // here: the next one is not behind those either.
            let written = self.progress.written(entry.projection, &self.control).await?;
            if self.progress.late(next, &written).is_empty() {
                return Ok(true);
            }
            if !self.passes(entry, next, &written, bus).await? {
                return Ok(false);
            }
        }
    }

    async fn passes(&self, entry: &Entry, next: &Arc<Group>, told: &[Place], bus: &Bus) -> Result<bool, Error> {
        loop {
            for _ in 0..TRIES {
                let late = self.progress.late(next, told);
                if late.is_empty() {
                    return Ok(true);
                }
                progress::look_at(&self.control, bus, &late).await?;
                sleep(NEXT_EVERY).await;
            }
            if table::live(&self.control, entry.projection).await?.generation != entry.generation {
                return Ok(false);
            }
        }
    }

    /// The names in checkpoints of what is read.
    pub(crate) fn readers(&self) -> Vec<&'static str> {
        self.generations().into_iter().map(|(projection, generation)| super::reader(projection, generation)).collect()
    }

    pub(crate) fn generations(&self) -> Vec<(Projection, Generation)> {
        WITH_ROWS.iter().map(|&projection| (projection, self.home(projection).generation)).collect()
    }
}

fn index(projection: Projection) -> usize {
    // Relations and history, in the order of their numbers; delivery has no home, and nobody asks for it.
    (projection as usize).min(WITH_ROWS.len() - 1)
}
