//! How far each projection has come in each lane, and those who wait for it: reads that carry a position, delivery
//! that needs a row.
//!
//! A projection of a lane that runs in this process says itself how far it is. Of the others nothing is known but what
//! their checkpoints say; these are read while somebody waits, and only then (`elsewhere`).
//!
//! Reads wait for the generation that is read. The next one is counted apart, and takes the other's place once it has
//! passed all that this process has told of the other (`exchange`).

mod elsewhere;
mod exchange;
mod group;

pub(crate) use elsewhere::{listen, look_at, watch};
pub(crate) use group::{Group, Here};

use crate::{Projection, Wait, metrics};
use exchange::Groups;
use group::{Wanting, has_passed};
use natter_streams::{
    Lane, Positions,
    feed::{Feeds, Known},
    position::Place,
};
use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// No read waits longer for its position.
pub const WAIT_BOUND: Duration = Duration::from_secs(5);

const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Who waits says so again and again: what it waits for may not have arrived when the projector was last told.
const HURRY_AGAIN: Duration = Duration::from_millis(20);

/// Until all have caught up for the first time, this is looked for so long, with such pauses.
const LOOK: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(300);

pub(crate) struct Progress {
    feeds: Feeds,
    /// By projection.
    groups: [RwLock<Groups>; Projection::ALL.len()],
    /// What the lanes held when this process started, and that all have seen it once.
    first_heads: Vec<Known>,
    ready: AtomicBool,
    /// Somebody waits for what runs elsewhere.
    asked: Notify,
    /// How often another process told a projector here to hurry.
    hurries: AtomicU64,
}

impl Progress {
    pub(crate) fn new(feeds: Feeds) -> Self {
        let first_heads = feeds.heads();
        Self {
            groups: Projection::ALL.map(|projection| RwLock::new(Groups::first(projection, &first_heads))),
            feeds,
            first_heads,
            ready: AtomicBool::new(false),
            asked: Notify::new(),
            hurries: AtomicU64::new(0),
        }
    }

    /// From now on this process says how far it is.
    pub(crate) fn begin(self: &Arc<Self>, group: &Arc<Group>, lane: Lane) -> Here {
        Here::new(self.clone(), group.clone(), lane)
    }

    /// The last event that the projection has applied, as far as is known.
    pub(crate) fn is_at(&self, projection: Projection, lane: Lane) -> Place {
        self.current(projection).passed(lane)
    }

    /// Waits, for ever if need be, until the projection has applied this event, wherever it runs.
    pub(crate) async fn passed(&self, projection: Projection, lane: Lane, place: Place) {
        // Asked again and again: the incarnation may end while we wait, and the generation.
        let has_passed = |passed| has_passed(passed, place, self.now(lane));
        loop {
            let group = self.current(projection);
            let spot = group.spot(lane);
            let mut passed = spot.passed.subscribe();
            if has_passed(*passed.borrow()) {
                return;
            }
            let _wanting = Wanting::new(spot, place);
            self.asked.notify_one();
            while self.is_current(&group) {
                if spot.is_here() {
                    spot.hurry.notify_one();
                }
                // An error would mean that the sender is gone, which the group holds.
                if timeout(HURRY_AGAIN, passed.wait_for(|&passed| has_passed(passed))).await.is_ok() {
                    return;
                }
            }
        }
    }

    pub(crate) async fn wait(
        &self,
        bound: Duration,
        positions: &Positions,
        projections: &[Projection],
    ) -> Result<(), Wait> {
        let waiting = async {
            if !self.can_all_be(positions) {
                // It may name what was written elsewhere, and that nobody here has heard of yet.
                self.feeds.refresh().await;
            }
            if !self.can_all_be(positions) {
                return Err(Wait::Impossible);
            }
            self.feeds.note(positions);
            self.all_passed(positions.iter(), projections).await;
            Ok(())
        };
        timeout(bound, waiting).await.map_err(|_| Wait::TooLate)?
    }

    /// Waits until the projections have applied all that is durable by now, wherever it was written.
    pub(crate) async fn catch_up(&self, bound: Duration, projections: &[Projection]) -> Result<(), Wait> {
        let waiting = async {
            self.feeds.refresh().await;
            self.all_passed(self.heads(), projections).await;
        };
        timeout(bound, waiting).await.map_err(|_| Wait::TooLate)
    }

    /// Waits until the projections have applied all that this process knows of: what is written elsewhere it may have
    /// heard of a second later.
    pub(crate) async fn freshen(&self, bound: Duration, projections: &[Projection]) -> Result<(), Wait> {
        timeout(bound, self.all_passed(self.heads(), projections)).await.map_err(|_| Wait::TooLate)
    }

    /// The lane's incarnation, as far as is known here.
    fn now(&self, lane: Lane) -> u32 {
        self.feeds.lane(lane).head().place().incarnation
    }

    fn heads(&self) -> impl Iterator<Item = (Lane, Place)> {
        self.feeds.heads().into_iter().map(|head| (head.lane, head.place()))
    }

    async fn all_passed(&self, places: impl Iterator<Item = (Lane, Place)>, projections: &[Projection]) {
        let passed = |(lane, place)| projections.iter().map(move |&projection| self.passed(projection, lane, place));
        // All at once: each hurries its projector.
        futures::future::join_all(places.flat_map(passed)).await;
    }

    /// Not beyond the heads, and of this incarnation of the log, as far as is known.
    fn can_all_be(&self, positions: &Positions) -> bool {
        positions.iter().all(|(lane, place)| {
            let head = self.feeds.lane(lane).head();
            place.is_of(head.incarnation) && place.position <= head.position
        })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready_but_for(|_| false)
    }

    /// Some may be left out, while what they write to is away: that does not keep the others from being read.
    pub(crate) fn is_ready_but_for(&self, is_away: impl Fn(Projection) -> bool) -> bool {
        let at = |projection, head: &Known| {
            has_passed(self.current(projection).passed(head.lane), head.place(), self.now(head.lane))
        };
        let caught_up =
            || Projection::ALL.iter().all(|&one| is_away(one) || self.first_heads.iter().all(|head| at(one, head)));
        // Once is for ever: what comes later is lag.
        if !self.ready.load(Ordering::Relaxed) && caught_up() {
            self.ready.store(true, Ordering::Relaxed);
        }
        self.ready.load(Ordering::Relaxed)
    }

    /// Looks at what runs elsewhere until all have caught up for the first time.
    async fn get_ready(&self) {
        while !self.is_ready() {
            let first_heads = self.first_heads.iter().map(|head| (head.lane, head.place()));
            let _ = timeout(LOOK, self.all_passed(first_heads, &Projection::ALL)).await;
            if !self.is_ready() {
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// How often another process told a projector here to hurry.
    pub(crate) fn hurries(&self) -> u64 {
        self.hurries.load(Ordering::Relaxed)
    }
}

/// Says the lag of what runs here every second, and what it has set aside. By a clock, not by the projector: one that hangs would not say so.
pub(crate) async fn report(progress: Arc<Progress>, stop: CancellationToken) {
    while timeout(REPORT_EVERY, stop.cancelled()).await.is_err() {
        for head in progress.feeds.heads() {
            for projection in Projection::ALL {
                let group = progress.current(projection);
                let spot = group.spot(head.lane);
                if spot.is_here() {
                    let passed = group.passed(head.lane).position;
                    metrics::set_aside_now(projection, head.lane, spot.aside.load(Ordering::Relaxed));
                    metrics::lag(projection, head.lane, head.position.saturating_sub(passed));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_streams::{Hash, Link};
    use uuid::Uuid;

    const LANE: Lane = Lane::new(0);
    const SOON: Duration = Duration::from_millis(20);

    fn progress(head: u64) -> (Arc<Progress>, Uuid) {
        let incarnation = Uuid::from_u128(7);
        let head = Link { lane: LANE, incarnation, position: head, hash: Hash::default() };
        (Arc::new(Progress::new(Feeds::new([head]))), incarnation)
    }

    #[tokio::test]
    async fn a_wait_ends_when_every_projection_has_passed() {
        let (progress, incarnation) = progress(10);
        let token = Positions::one(LANE, 9, incarnation);
        let both = [Projection::Relations, Projection::History];
        progress.current(Projection::Relations).set(LANE, Place::new(9, incarnation));
        assert_eq!(progress.wait(SOON, &token, &both).await, Err(Wait::TooLate));
        progress.current(Projection::History).set(LANE, Place::new(10, incarnation));
        assert_eq!(progress.wait(SOON, &token, &both).await, Ok(()));
        assert_eq!(progress.catch_up(SOON, &both).await, Err(Wait::TooLate));
    }

    #[tokio::test]
    async fn what_another_log_has_passed_says_nothing() {
        let (progress, incarnation) = progress(10);
        progress.current(Projection::History).set(LANE, Place::new(10, Uuid::nil()));
        let token = Positions::one(LANE, 9, incarnation);
        assert_eq!(progress.wait(SOON, &token, &[Projection::History]).await, Err(Wait::TooLate));
    }

    #[tokio::test]
    async fn who_stands_in_the_newest_incarnation_has_passed_what_is_left_of_those_before() {
        let (progress, incarnation) = progress(10);
        let ended = |position| Place::new(position, Uuid::nil());
        let passed = async |place| timeout(SOON, progress.passed(Projection::Relations, LANE, place)).await.is_ok();
        progress.current(Projection::Relations).set(LANE, Place::new(10, incarnation));
        assert!(passed(ended(10)).await && passed(ended(9)).await);
        assert!(!passed(ended(11)).await);
    }

    #[tokio::test]
    async fn what_cannot_be_is_told_at_once() {
        let (progress, incarnation) = progress(10);
        for token in [Positions::one(LANE, 11, incarnation), Positions::one(LANE, 1, Uuid::nil())] {
            assert_eq!(progress.wait(WAIT_BOUND, &token, &[Projection::History]).await, Err(Wait::Impossible));
        }
    }

    #[tokio::test]
    async fn ready_means_all_have_seen_what_was_there() {
        let (progress, incarnation) = progress(3);
        for projection in Projection::ALL {
            assert!(!progress.is_ready());
            progress.current(projection).set(LANE, Place::new(3, incarnation));
        }
        assert!(progress.is_ready());
        progress.current(Projection::Relations).set(LANE, Place::new(1, incarnation));
        assert!(progress.is_ready(), "lag is another thing");
    }

    #[tokio::test]
    async fn what_runs_here_is_not_learned_from_its_checkpoint() {
        let (progress, incarnation) = progress(10);
        let at = |position| Place::new(position, incarnation);
        let told = || progress.current(Projection::History).passed(LANE);
        progress.current(Projection::History).learn(LANE, at(4));
        assert_eq!(told(), at(4));
        let here = progress.begin(&progress.current(Projection::History), LANE);
        progress.current(Projection::History).set(LANE, at(9));
        progress.current(Projection::History).learn(LANE, at(5));
        assert_eq!(told(), at(9));
        drop(here);
        progress.current(Projection::History).learn(LANE, at(5));
        assert_eq!(told(), at(5), "what its next holder found is what there is");
    }

    #[tokio::test]
    async fn who_waits_is_counted_as_long_as_it_waits() {
        let (progress, incarnation) = progress(10);
        let group = progress.current(Projection::History);
        let spot = group.spot(LANE);
        let waiting = progress.passed(Projection::History, LANE, Place::new(9, incarnation));
        assert!(timeout(SOON, waiting).await.is_err());
        assert!(!spot.is_late(progress.now(LANE)) && spot.wanted().is_empty(), "it has given up");
        let mut waiting = Box::pin(progress.passed(Projection::History, LANE, Place::new(9, incarnation)));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        let now = progress.now(LANE);
        assert!(spot.is_late(now));
        progress.current(Projection::History).set(LANE, Place::new(9, incarnation));
        assert!(!spot.is_late(now));
        waiting.await;
        assert!(spot.wanted().is_empty());
    }
}
