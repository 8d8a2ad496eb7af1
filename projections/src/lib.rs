//! Natter's read side. A *projection* reads every lane of the log in order, from its own checkpoint, and can be thrown
//! away and built again. There are three: `relations` (who there is and who is in what, PostgreSQL), `history` (the
//! messages, behind a trait) and `delivery` (frames for the people who are online).
//!
//! Each projection of each lane runs in one process at a time, held by a lease; queries are answered by any process.
//!
//! Reading order: `projector` (what a projection does), `run` (the one task per projection and lane), `progress`
//! (how far each has come, wherever it runs, and who waits for it); then a noun: `<noun>/project.rs` writes the rows that
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
pub mod repair;
mod run;
pub mod session;
mod shelf;
mod sql;
pub mod sync;

pub use error::{Error, Wait};
pub use page::{Page, Paged};
pub use progress::WAIT_BOUND;
pub use projector::{Projection, Step};

use crate::{
    delivery::Delivery,
    message::{
        HistoryStore, PostgresHistory, ScyllaHistory,
        pages::{Fresh, Pages},
        project::History,
    },
    progress::Progress,
    projector::Projector,
    relations::Relations,
    run::Access,
};
use natter_domain::ConversationId;
use natter_streams::{
    Positions,
    bus::Bus,
    feed::Feeds,
    keyring::Keyring,
    lease::{self, Context, Share},
    position::Place,
};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the read side lives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's PostgreSQL: checkpoints stand beside the rows.
    pub database_url: String,
    /// Where messages are kept.
    pub history: HistoryKind,
}

/// The homes that message history can have.
#[derive(Clone, Default, Debug)]
pub enum HistoryKind {
    /// Beside the log: for one machine.
    #[default]
    Postgres,
    /// A cluster that speaks CQL.
    Scylla(Box<message::scylla::Settings>),
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
    pub(crate) pages: Pages,
    pub(crate) keyring: Arc<Keyring>,
    progress: Arc<Progress>,
    feeds: Feeds,
}

impl Shared {
    /// How old a page of the conversation may be. `changed`: where, in its lane, something of it last did.
    pub(crate) fn fresh(&self, conversation: ConversationId, changed: u64) -> Fresh {
        let lane = self.feeds.lanes().of(conversation.0);
        let now = self.progress.is_at(Projection::History, lane);
        Fresh { changed: Place { position: changed, ..now }, now }
    }
}

impl Projections {
    /// Opens the read side, for queries and waits, until told to stop. With `run`, this process also takes its part of
    /// running the projections.
    pub async fn start(
        settings: Settings,
        context: Context,
        feeds: Feeds,
        keyring: Arc<Keyring>,
        run: bool,
        stop: CancellationToken,
    ) -> Result<(Self, TaskTracker), Error> {
        let projections = Self::open(settings, &context.bus, feeds, keyring, &stop).await?;
        let which: &[Projection] = if run { &Projection::ALL } else { &[] };
        let tasks = projections.run(which, &context, &stop);
        Ok((projections, tasks))
    }

    /// Opens the read side without running anything: queries work, waits wait for what other processes run.
    pub async fn open(
        settings: Settings,
        bus: &Bus,
        feeds: Feeds,
        keyring: Arc<Keyring>,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let writing = sql::projectors(&settings.database_url).await?;
        let pool = sql::queries(&settings.database_url).await?;
        let history = history(settings.history, &pool, &writing, stop)?;
        let pages = Pages::new(history.clone());
        let progress = Arc::new(Progress::new(feeds.clone()));
        tokio::spawn(progress::watch(progress.clone(), pool.clone(), bus.clone(), stop.clone()));
        Ok(Self(Arc::new(Shared { pool, writing, history, pages, keyring, progress, feeds })))
    }

    /// Takes part in running some of the projections, until told to stop: each runs once at a time on each lane, and the
    /// processes that run it share the lanes.
    pub fn run(&self, projections: &[Projection], context: &Context, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        let shared = self.clone();
        for projection in projections {
            let (shared, bus) = (shared.clone(), context.bus.clone());
            match projection {
                Projection::Relations => tasks.spawn(self.keep(context, move || shared.relations(), stop)),
                Projection::History => tasks.spawn(self.keep(context, move || shared.history(), stop)),
                Projection::Delivery => tasks.spawn(self.keep(context, move || shared.deliver(&bus), stop)),
            };
        }
        if projections.contains(&Projection::Delivery) {
            tasks.spawn(delivery::mark::run(context.bus.clone(), context.node.start, stop.clone()));
        }
        if !projections.is_empty() {
            tasks.spawn(progress::listen(self.0.progress.clone(), context.bus.clone(), stop.clone()));
            tasks.spawn(progress::report(self.0.progress.clone(), stop.clone()));
        }
        tasks.close();
        tasks
    }

    /// Runs a projection on the lanes whose leases this process holds.
    fn keep<P: Projector, M: Fn() -> P + Send + Sync + 'static>(
        &self,
        context: &Context,
        make: M,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<P, M> {
        let access = Access::new(context, self.0.feeds.clone(), self.0.progress.clone());
        let share = Share::Reader(P::PROJECTION.as_str());
        lease::keep(context.clone(), share, move |lease| run::hold(make(), access.clone(), lease), stop.clone())
    }

    fn relations(&self) -> Relations {
        Relations::new(self.0.writing.clone())
    }

    fn history(&self) -> History {
        History::new(self.0.history.clone())
    }

    fn deliver(&self, bus: &Bus) -> Delivery {
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

    /// Waits until these projections have passed all that is durable by now, wherever it was written, [`WAIT_BOUND`] at
    /// the most. Asked before telling the caller that what they write to does not exist.
    pub async fn catch_up(&self, projections: &[Projection]) -> Result<(), Wait> {
        self.0.progress.catch_up(WAIT_BOUND, projections).await
    }

    /// Waits until these projections have passed all that this process has heard of: exact for lanes that are written
    /// here, up to a second older for the others. It asks nobody, so a read can afford it.
    pub async fn freshen(&self, bound: Duration, projections: &[Projection]) -> Result<(), Wait> {
        self.0.progress.freshen(bound, projections).await
    }

    /// How often another process that waited has hurried a projection here.
    pub fn hurries(&self) -> u64 {
        self.0.progress.hurries()
    }

    /// Whether every projection, wherever it runs, has seen on every lane what was there when this process started.
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

    pub fn delivery(&self) -> delivery::Query<'_> {
        delivery::Query(&self.0)
    }

    pub fn message(&self) -> message::Query<'_> {
        message::Query(&self.0)
    }

    pub fn sync(&self) -> sync::Query<'_> {
        sync::Query(&self.0)
    }
}

fn history(
    kind: HistoryKind,
    pool: &PgPool,
    writing: &PgPool,
    stop: &CancellationToken,
) -> Result<Arc<dyn HistoryStore>, Error> {
    Ok(match kind {
        HistoryKind::Postgres => Arc::new(PostgresHistory::new(pool.clone(), writing.clone())),
        HistoryKind::Scylla(settings) => Arc::new(ScyllaHistory::open(*settings, writing.clone(), stop)?),
    })
}
