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
mod erasure;
mod error;
pub mod friendship;
pub mod gate;
pub mod generation;
pub mod inbox;
pub mod message;
mod metrics;
mod page;
pub mod pending;
pub mod presence;
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
pub use generation::{Generation, Store};
pub use page::Page;
pub use progress::WAIT_BOUND;
pub use projector::{Projection, Step};

use crate::{
    account::card::Cards,
    delivery::Delivery,
    generation::{home::Home, live::Live},
    message::{
        HistoryStore,
        pages::{Fresh, Pages},
    },
    progress::Progress,
    projector::Projector,
    run::Access,
    sql::{Entrance, Use},
};
use natter_domain::{AccountId, ConversationId, conversation::own_id};
use natter_streams::{
    Positions,
    bus::Bus,
    feed::Feeds,
    keyring::Keyring,
    lease::{self, Context, Share},
    position::Place,
    sealing::{Forgotten, Keys},
};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinHandle,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Where the read side lives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's PostgreSQL: checkpoints stand beside the rows.
    pub database_url: String,
    /// Where a new installation keeps message history.
    pub history: Store,
    /// The cluster that speaks CQL, where message history may be.
    pub cluster: Option<Box<message::scylla::Settings>>,
    /// So many members make a crowd, [`delivery::crowd::MIN`] usually.
    pub crowd_min: u64,
}

/// The read side of this process; a cheap handle.
#[derive(Clone)]
pub struct Projections(Arc<Shared>);

pub(crate) struct Shared {
    /// For what belongs to no generation: checkpoints, leases.
    pub(crate) control: PgPool,
    /// The same, for delivery's checkpoint.
    writing: PgPool,
    live: Arc<Live>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) keys: Keys,
    pub(crate) cards: Cards,
    progress: Arc<Progress>,
    feeds: Feeds,
    crowd_min: u64,
}

impl Shared {
    /// How old a page of the conversation may be. `changed`: where, in its lane, something of it last did.
    pub(crate) fn fresh(&self, conversation: ConversationId, changed: u64) -> Fresh {
        let lane = self.feeds.lanes().of(conversation.0);
        let now = self.progress.is_at(Projection::History, lane);
        Fresh { changed: Place { position: changed, ..now }, now }
    }

    /// What a read that begins now counts of the conversation: both relations and history have come so far in its lane.
    pub(crate) fn counted_to(&self, conversation: ConversationId) -> Positions {
        let lane = self.feeds.lanes().of(conversation.0);
        let [one, other] = [Projection::Relations, Projection::History].map(|it| self.progress.is_at(it, lane));
        Positions::at(lane, if one.position < other.position { one } else { other })
    }

    /// For pages of messages; to be asked for after a wait, not before it.
    pub(crate) fn pages(&self) -> Arc<Pages> {
        self.live.home(Projection::History).pages.clone()
    }

    /// For queries of relations; to be asked for after a wait, not before it.
    pub(crate) fn pool(&self) -> PgPool {
        self.live.home(Projection::Relations).reading.clone()
    }

    /// For queries of messages; to be asked for after a wait, not before it.
    pub(crate) fn history(&self) -> Arc<dyn HistoryStore> {
        self.live.home(Projection::History).history.clone()
    }
}

/// A generation whose projectors run.
struct Running {
    home: Arc<Home>,
    end: DropGuard,
    task: JoinHandle<()>,
}

impl Running {
    fn is_one_of(&self, homes: &[Arc<Home>]) -> bool {
        homes.iter().any(|home| Arc::ptr_eq(home, &self.home))
    }

    async fn end(self) {
        drop(self.end);
        let _ = self.task.await;
    }
}

impl Projections {
    /// Opens the read side, for queries and waits, until told to stop. With `run`, this process also takes its part of
    /// running the projections.
    pub async fn start(
        settings: Settings,
        context: Context,
        feeds: Feeds,
        keys: Keys,
        run: bool,
        stop: CancellationToken,
    ) -> Result<(Self, TaskTracker), Error> {
        let projections = Self::open(settings, &context.bus, feeds, keys, &stop).await?;
        let which: &[Projection] = if run { &Projection::ALL } else { &[] };
        let tasks = projections.run(which, &context, &stop);
        Ok((projections, tasks))
    }

    /// Opens the read side without running anything: queries work, waits wait for what other processes run.
    pub async fn open(
        settings: Settings,
        bus: &Bus,
        feeds: Feeds,
        keys: Keys,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let entrance = Entrance::new(&settings.database_url, settings.cluster.as_deref());
        let writing = entrance.connect(Use::Projectors, None).await?;
        let control = entrance.connect(Use::Queries, None).await?;
        generation::begin_in(&writing, settings.history).await?;
        let progress = Arc::new(Progress::new(feeds.clone()));
        let live = Arc::new(Live::open(entrance, control.clone(), progress.clone()).await?);
        let cards = Cards::default();
        tokio::spawn(live.clone().follow(bus.clone(), stop.clone()));
        tokio::spawn(progress::watch(progress.clone(), control.clone(), bus.clone(), stop.clone()));
        let keyring = keys.ring().clone();
        let crowd_min = settings.crowd_min;
        let shared = Arc::new(Shared { control, writing, live, keyring, keys, cards, progress, feeds, crowd_min });
        tokio::spawn(forget(shared.clone(), shared.keys.forgotten(), stop.clone()));
        Ok(Self(shared))
    }

    /// Takes part in running some of the projections, until told to stop: each runs once at a time on each lane, and the
    /// processes that run it share the lanes.
    pub fn run(&self, projections: &[Projection], context: &Context, stop: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        for &projection in projections {
            match projection {
                Projection::Relations => tasks.spawn(self.keep_live(projection, Home::relations, context, stop)),
                Projection::History => tasks.spawn(self.keep_live(projection, Home::history, context, stop)),
                Projection::Delivery => {
                    let (shared, bus) = (self.clone(), context.bus.clone());
                    let make = move || shared.deliver(&bus);
                    tasks.spawn(self.keep(Generation::FIRST, context, make, stop))
                }
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
        generation: Generation,
        context: &Context,
        make: M,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<P, M> {
        let access = Access::new(context, self.0.feeds.clone(), self.0.progress.clone());
        let share = Share::Reader(generation::reader(P::PROJECTION, generation));
        let work = move |lease| run::hold(make(), generation, access.clone(), lease);
        lease::keep(context.clone(), share, work, stop.clone())
    }

    /// Runs the generations of a projection that are to be run; others are handed over and end.
    fn keep_live<P: Projector>(
        &self,
        projection: Projection,
        make: fn(&Home) -> P,
        context: &Context,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<P> {
        let (this, context, stop) = (self.clone(), context.clone(), stop.clone());
        let mut wanted = self.0.live.running(projection);
        async move {
            let mut running: Vec<Running> = Vec::new();
            while !stop.is_cancelled() {
                let homes = wanted.borrow_and_update().clone();
                // Two of one name would release each other's leases: those that end have ended before another begins.
                for ended in running.extract_if(.., |running| !running.is_one_of(&homes)).collect::<Vec<_>>() {
                    ended.end().await;
                }
                for home in homes {
                    if running.iter().all(|running| !Arc::ptr_eq(&running.home, &home)) {
                        running.push(this.run_home(home, make, &context, &stop));
                    }
                }
                tokio::select! {
                    Ok(()) = wanted.changed() => {}
                    () = stop.cancelled() => {}
                }
            }
            futures::future::join_all(running.into_iter().map(Running::end)).await;
        }
    }

    fn run_home<P: Projector>(
        &self,
        home: Arc<Home>,
        make: fn(&Home) -> P,
        context: &Context,
        stop: &CancellationToken,
    ) -> Running {
        let (end, made) = (stop.child_token(), home.clone());
        let task = tokio::spawn(self.keep(home.generation, context, move || make(&made), &end));
        Running { home, end: end.drop_guard(), task }
    }

    fn deliver(&self, bus: &Bus) -> Delivery {
        let Shared { writing, keys, progress, live, crowd_min, .. } = &*self.0;
        Delivery::new(bus.clone(), writing.clone(), live.clone(), keys.clone(), progress.clone(), *crowd_min)
    }

    /// Which generation of each projection is read here.
    pub fn generations(&self) -> Vec<(Projection, Generation)> {
        self.0.live.generations()
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

    /// How many cards of accounts were read from PostgreSQL; the others that were shown came from memory.
    pub fn card_reads(&self) -> u64 {
        self.0.cards.reads()
    }

    /// Whether every projection, wherever it runs, has seen on every lane what was there when this process started.
    /// History is not waited for while its cluster is away: a node serves all else without it.
    pub fn is_ready(&self) -> bool {
        let history = self.0.history();
        self.0.progress.is_ready_but_for(|projection| projection == Projection::History && history.is_away())
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

    /// Who waits at the doors of groups, and what groups remember for their admins.
    pub fn door(&self) -> conversation::Doors<'_> {
        conversation::Doors(&self.0)
    }

    /// When people were here last, and who may be shown it.
    pub fn presence(&self) -> presence::Query<'_> {
        presence::Query(&self.0)
    }

    pub fn delivery(&self) -> delivery::Query<'_> {
        delivery::Query(&self.0)
    }

    pub fn message(&self) -> message::Query<'_> {
        message::Query(&self.0)
    }

    /// What waits to be said.
    /// What people have deleted for themselves.
    pub fn inbox(&self) -> inbox::Query<'_> {
        inbox::Query(&self.0)
    }

    pub fn pending(&self) -> pending::Query<'_> {
        pending::Query(&self.0)
    }

    pub fn sync(&self) -> sync::Query<'_> {
        sync::Query(&self.0)
    }
}

/// What is kept opened goes with its key.
async fn forget(shared: Arc<Shared>, mut forgotten: Receiver<Forgotten>, stop: CancellationToken) {
    loop {
        let heard = tokio::select! {
            heard = forgotten.recv() => heard,
            () = stop.cancelled() => return,
        };
        match heard {
            Ok(Forgotten::Of(owner)) => {
                shared.cards.forget(AccountId(owner));
                shared.pages().forget_all_of(own_id(AccountId(owner)));
            }
            Ok(Forgotten::All) | Err(RecvError::Lagged(_)) => {
                shared.cards.forget_all();
                shared.pages().forget();
            }
            Err(RecvError::Closed) => return,
        }
    }
}
