//! Natter's read side. A *projection* reads every lane of the log in order, from its own checkpoint, and can be thrown
//! away and built again. There are three: `relations` (who there is and who is in what, PostgreSQL), `history` (the
//! messages, behind a trait) and `delivery` (frames for the people who are online).
//!
//! Reading order: `projector` (what a projection does), `run` (the one task per projection and lane), `progress`
//! (how far each has come, and who waits for it); then a noun: `<noun>/project.rs` writes the rows that
//! `<noun>/query.rs` reads. `gate` says who may see which messages. Nothing here decides anything: decisions fold the
//! log, not a view that lags behind it.

pub mod account;
pub mod conversation;
pub mod delivery;
mod error;
pub mod friendship;
pub mod gate;
mod inbox;
pub mod message;
mod metrics;
mod page;
mod progress;
mod projector;
mod relations;
mod run;
pub mod session;
mod sql;

pub use error::{Error, Wait};
pub use page::{Page, Paged};
pub use progress::WAIT_BOUND;
pub use projector::{Projection, Step};

use crate::{
    delivery::Delivery,
    message::{HistoryStore, PostgresHistory, project::History},
    progress::Progress,
    relations::Relations,
    run::Place,
};
use natter_streams::{Log, Positions, bus::Bus, feed::Feeds, keyring::Keyring};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the read side lives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's PostgreSQL: checkpoints stand beside the rows.
    pub database_url: String,
}

/// The read side of this process; a cheap handle.
#[derive(Clone)]
pub struct Projections(Arc<Shared>);

pub(crate) struct Shared {
    /// For queries.
    pub(crate) pool: PgPool,
    /// For projectors, whose transactions need not wait for the disk.
    writing: PgPool,
    pub(crate) history: Arc<dyn HistoryStore>,
    pub(crate) keyring: Arc<Keyring>,
    progress: Arc<Progress>,
    feeds: Feeds,
}

impl Projections {
    /// Opens the read side and runs all of its projections, until told to stop.
    pub async fn start(
        settings: Settings,
        log: Log,
        feeds: Feeds,
        bus: Bus,
        keyring: Arc<Keyring>,
        stop: CancellationToken,
    ) -> Result<(Self, TaskTracker), Error> {
        let projections = Self::open(settings, feeds, keyring).await?;
        let tasks = projections.run(&Projection::ALL, &log, &bus, &stop);
        Ok((projections, tasks))
    }

    /// Opens the read side without running anything: queries work, waits wait.
    pub async fn open(settings: Settings, feeds: Feeds, keyring: Arc<Keyring>) -> Result<Self, Error> {
        let writing = sql::projectors(&settings.database_url).await?;
        let pool = sql::queries(&settings.database_url).await?;
        let history = Arc::new(PostgresHistory::new(pool.clone(), writing.clone()));
        let progress = Arc::new(Progress::new(feeds.clone()));
        Ok(Self(Arc::new(Shared { pool, writing, history, keyring, progress, feeds })))
    }

    /// Runs some of the projections on every lane, until told to stop. A projection runs once at a time: a second
    /// one would find its checkpoint moved, and say so.
    pub fn run(&self, projections: &[Projection], log: &Log, bus: &Bus, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        for lane in log.lanes().iter() {
            for projection in projections {
                let place = Place::new(log.clone(), self.0.feeds.clone(), self.0.progress.clone(), lane);
                match projection {
                    Projection::Relations => tasks.spawn(run::run(self.relations(), place, stop.clone())),
                    Projection::History => tasks.spawn(run::run(self.history(), place, stop.clone())),
                    Projection::Delivery => tasks.spawn(run::run(self.delivery(bus), place, stop.clone())),
                };
            }
        }
        if projections.contains(&Projection::Delivery) {
            tasks.spawn(delivery::mark::run(bus.clone(), stop.clone()));
        }
        tasks.spawn(progress::report(self.0.progress.clone(), projections.to_vec(), stop.clone()));
        tasks.close();
        tasks
    }

    fn relations(&self) -> Relations {
        Relations::new(self.0.writing.clone())
    }

    fn history(&self) -> History {
        History::new(self.0.history.clone())
    }

    fn delivery(&self, bus: &Bus) -> Delivery {
        let Shared { writing, keyring, progress, .. } = &*self.0;
        Delivery::new(bus.clone(), writing.clone(), keyring.clone(), progress.clone())
    }

    /// Waits until these projections have seen what the token names, [`WAIT_BOUND`] at the most.
    pub async fn wait(&self, positions: &Positions, projections: &[Projection]) -> Result<(), Wait> {
        self.wait_within(WAIT_BOUND, positions, projections).await
    }

    /// [`Self::wait`] with a bound of the caller's.
    pub async fn wait_within(
        &self,
        bound: Duration,
        positions: &Positions,
        projections: &[Projection],
    ) -> Result<(), Wait> {
        self.0.progress.wait(bound, positions, projections).await
    }

    /// Waits until these projections have passed where every lane's head is now, [`WAIT_BOUND`] at the most. Asked
    /// before telling the caller that what they write to does not exist.
    pub async fn catch_up(&self, projections: &[Projection]) -> Result<(), Wait> {
        self.0.progress.catch_up(WAIT_BOUND, projections).await
    }

    /// [`Self::catch_up`] with a bound of the caller's.
    pub async fn catch_up_within(&self, bound: Duration, projections: &[Projection]) -> Result<(), Wait> {
        self.0.progress.catch_up(bound, projections).await
    }

    /// Whether every projection has seen, on every lane, what was there when this process started.
    pub fn is_ready(&self) -> bool {
        self.0.progress.is_ready()
    }

    pub fn account(&self) -> account::Query<'_> {
        account::Query(&self.0)
    }

    pub fn session(&self) -> session::Query<'_> {
        session::Query(&self.0)
    }

    pub fn friendship(&self) -> friendship::Query<'_> {
        friendship::Query(&self.0)
    }

    pub fn conversation(&self) -> conversation::Query<'_> {
        conversation::Query(&self.0)
    }

    pub fn message(&self) -> message::Query<'_> {
        message::Query(&self.0)
    }
}
