//! How far one generation of a projection is, lane by lane, and who waits for it.

use super::Progress;
use crate::{Generation, Projection, generation, metrics};
use natter_streams::{Lane, feed::Known, position::Place};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, watch as channel};

/// See the module's page.
pub(crate) struct Group {
    pub(crate) projection: Projection,
    pub(crate) generation: Generation,
    spots: Vec<Spot>,
    /// What it has passed counts no more: reads are about to look elsewhere.
    frozen: AtomicBool,
}

impl Group {
    pub(super) fn new(projection: Projection, generation: Generation, heads: &[Known]) -> Arc<Self> {
        let spots = heads.iter().map(Spot::new).collect();
        Arc::new(Self { projection, generation, spots, frozen: AtomicBool::new(false) })
    }

    /// Its name in checkpoints.
    pub(crate) fn reader(&self) -> &'static str {
        generation::reader(self.projection, self.generation)
    }

    pub(super) fn spot(&self, lane: Lane) -> &Spot {
        &self.spots[lane.index()]
    }

    pub(super) fn lanes(&self) -> usize {
        self.spots.len()
    }

    pub(super) fn passed(&self, lane: Lane) -> Place {
        *self.spot(lane).passed.borrow()
    }

    /// Said by who runs it here.
    pub(crate) fn set(&self, lane: Lane, place: Place) {
        self.spot(lane).passed.send_if_modified(|passed| {
            let counts = !self.is_frozen();
            if counts {
                *passed = place;
            }
            counts
        });
    }

    /// What the checkpoint of one that runs elsewhere says. It may say less than before: PostgreSQL may have lost the
    /// newest of its commits in a crash.
    pub(super) fn learn(&self, lane: Lane, place: Place) {
        let spot = self.spot(lane);
        spot.passed.send_if_modified(|passed| {
            // One that has begun here meanwhile knows better.
            let is_news = !spot.is_here() && !self.is_frozen() && *passed != place;
            if is_news {
                *passed = place;
            }
            is_news
        });
    }

    /// How many events wait that could not be applied: said by who runs it here.
    pub(crate) fn set_aside(&self, lane: Lane, events: u64) {
        self.spot(lane).aside.store(events, Ordering::Relaxed);
    }

    /// Resolves where somebody has begun to wait since it was last asked.
    pub(crate) async fn hurried(&self, lane: Lane) {
        self.spot(lane).hurry.notified().await;
    }

    pub(super) fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

/// One projection of one lane.
pub(super) struct Spot {
    /// The last event that was applied, as far as is known.
    pub(super) passed: channel::Sender<Place>,
    /// Events that were set aside, where it runs here.
    pub(super) aside: AtomicU64,
    /// Somebody waits.
    pub(super) hurry: Notify,
    /// How many run it in this process: one or none.
    here: AtomicUsize,
    /// What is waited for, by incarnation and position, and by how many.
    wanted: Mutex<BTreeMap<(u32, u64), usize>>,
}

impl Spot {
    fn new(head: &Known) -> Self {
        let (passed, _) = channel::channel(Place { position: 0, ..head.place() });
        let (aside, hurry) = (AtomicU64::new(0), Notify::new());
        Self { passed, aside, hurry, here: AtomicUsize::new(0), wanted: Mutex::default() }
    }

    pub(super) fn is_here(&self) -> bool {
        self.here.load(Ordering::SeqCst) > 0
    }

    pub(super) fn wanted(&self) -> MutexGuard<'_, BTreeMap<(u32, u64), usize>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for what it has not passed. `now`: the lane's incarnation.
    pub(super) fn is_late(&self, now: u32) -> bool {
        let passed = *self.passed.borrow();
        self.wanted().keys().any(|&(incarnation, position)| !has_passed(passed, Place { position, incarnation }, now))
    }
}

/// Who stands in the lane's newest incarnation has read the log as it is, and with it all that is left of those which a
/// declared loss has ended. Who stands in one of those says nothing of what came after it.
pub(super) fn has_passed(passed: Place, place: Place, now: u32) -> bool {
    let same_log = passed.incarnation == place.incarnation || passed.incarnation == now;
    place.position == 0 || (same_log && passed.position >= place.position)
}

/// Somebody waits, until this is dropped.
pub(super) struct Wanting<'a> {
    spot: &'a Spot,
    place: (u32, u64),
}

impl<'a> Wanting<'a> {
    pub(super) fn new(spot: &'a Spot, place: Place) -> Self {
        let place = (place.incarnation, place.position);
        *spot.wanted().entry(place).or_default() += 1;
        Self { spot, place }
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        let mut wanted = self.spot.wanted();
        if let Some(count) = wanted.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                wanted.remove(&self.place);
            }
        }
    }
}

/// A projection of a lane runs in this process, until this is dropped.
pub(crate) struct Here {
    progress: Arc<Progress>,
    group: Arc<Group>,
    lane: Lane,
}

impl Here {
    pub(super) fn new(progress: Arc<Progress>, group: Arc<Group>, lane: Lane) -> Self {
        group.spot(lane).here.fetch_add(1, Ordering::SeqCst);
        Self { progress, group, lane }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.group.spot(self.lane).here.fetch_sub(1, Ordering::SeqCst);
        // Who waited for it here now waits for it elsewhere.
        self.progress.asked.notify_one();
        if self.progress.is_current(&self.group) {
            metrics::gone(self.group.projection, self.lane);
        }
    }
}
