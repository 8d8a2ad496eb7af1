//! How far each projection has come in each lane, and those who wait for it: reads that carry a position, delivery
//! that needs a row.

use crate::{Projection, Wait, metrics};
use natter_streams::{
    Lane, Positions,
    feed::{Feeds, Known},
    position::Place,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// No read waits longer for its position.
pub const WAIT_BOUND: Duration = Duration::from_secs(5);

const REPORT_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Progress {
    feeds: Feeds,
    /// By projection, then lane: the last position that was applied.
    passed: [Vec<watch::Sender<u64>>; Projection::ALL.len()],
    /// Likewise: somebody has begun to wait.
    hurry: [Vec<Notify>; Projection::ALL.len()],
    /// What the lanes held when this process started.
    first_heads: Vec<Known>,
}

impl Progress {
    pub(crate) fn new(feeds: Feeds) -> Self {
        let first_heads = feeds.heads();
        let passed = Projection::ALL.map(|_| first_heads.iter().map(|_| watch::channel(0).0).collect());
        let hurry = Projection::ALL.map(|_| first_heads.iter().map(|_| Notify::new()).collect());
        Self { feeds, passed, hurry, first_heads }
    }

    pub(crate) fn set(&self, projection: Projection, lane: Lane, position: u64) {
        self.of(projection, lane).send_replace(position);
    }

    /// Waits, for ever if need be, until the projection has applied `position`.
    pub(crate) async fn passed(&self, projection: Projection, lane: Lane, position: u64) {
        let mut passed = self.of(projection, lane).subscribe();
        if *passed.borrow() < position {
            self.hurry[projection as usize][lane.index()].notify_one();
        }
        // An error would mean that the sender is gone, which `self` holds.
        let _ = passed.wait_for(|passed| *passed >= position).await;
    }

    /// Resolves where somebody has begun to wait since it was last asked.
    pub(crate) async fn hurried(&self, projection: Projection, lane: Lane) {
        self.hurry[projection as usize][lane.index()].notified().await;
    }

    pub(crate) async fn wait(
        &self,
        bound: Duration,
        positions: &Positions,
        projections: &[Projection],
    ) -> Result<(), Wait> {
        if !positions.iter().all(|(lane, place)| self.can_be(lane, place)) {
            return Err(Wait::Impossible);
        }
        self.all_passed(bound, positions.iter().map(|(lane, place)| (lane, place.position)), projections).await
    }

    pub(crate) async fn catch_up(&self, bound: Duration, projections: &[Projection]) -> Result<(), Wait> {
        let heads = self.feeds.heads();
        self.all_passed(bound, heads.iter().map(|head| (head.lane, head.position)), projections).await
    }

    async fn all_passed(
        &self,
        bound: Duration,
        places: impl Iterator<Item = (Lane, u64)>,
        projections: &[Projection],
    ) -> Result<(), Wait> {
        let passed =
            |(lane, position)| projections.iter().map(move |&projection| self.passed(projection, lane, position));
        // All at once: each hurries its projector.
        let all = futures::future::join_all(places.flat_map(passed));
        timeout(bound, all).await.map(drop).map_err(|_| Wait::TooLate)
    }

    /// Not beyond the head, and of this incarnation of the log.
    fn can_be(&self, lane: Lane, place: Place) -> bool {
        let head = self.feeds.lane(lane).head();
        place == Place::new(place.position, head.incarnation) && place.position <= head.position
    }

    pub(crate) fn is_ready(&self) -> bool {
        let at = |projection, head: &Known| *self.of(projection, head.lane).borrow() >= head.position;
        Projection::ALL.iter().all(|&projection| self.first_heads.iter().all(|head| at(projection, head)))
    }

    fn of(&self, projection: Projection, lane: Lane) -> &watch::Sender<u64> {
        &self.passed[projection as usize][lane.index()]
    }
}

/// Says the lag every second. By a clock, not by the projector: one that hangs would not say so.
pub(crate) async fn report(progress: Arc<Progress>, projections: Vec<Projection>, stop: CancellationToken) {
    while timeout(REPORT_EVERY, stop.cancelled()).await.is_err() {
        for head in progress.feeds.heads() {
            for &projection in &projections {
                let passed = *progress.of(projection, head.lane).borrow();
                metrics::lag(projection, head.lane, head.position.saturating_sub(passed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_streams::Hash;
    use uuid::Uuid;

    const LANE: Lane = Lane::new(0);
    const SOON: Duration = Duration::from_millis(20);

    fn progress(head: u64) -> (Progress, Uuid) {
        let incarnation = Uuid::from_u128(7 << 96);
        let head = Link { lane: LANE, incarnation, position: head, hash: Hash::default() };
        (Progress::new(Feeds::new([head])), incarnation)
    }

    #[tokio::test]
    async fn a_wait_ends_when_every_projection_has_passed() {
        let (progress, incarnation) = progress(10);
        let token = Positions::one(LANE, 9, incarnation);
        let both = [Projection::Relations, Projection::History];
        progress.set(Projection::Relations, LANE, 9);
        assert_eq!(progress.wait(SOON, &token, &both).await, Err(Wait::TooLate));
        progress.set(Projection::History, LANE, 10);
        assert_eq!(progress.wait(SOON, &token, &both).await, Ok(()));
        assert_eq!(progress.catch_up(SOON, &both).await, Err(Wait::TooLate));
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
        let (progress, _) = progress(3);
        for projection in Projection::ALL {
            assert!(!progress.is_ready());
            progress.set(projection, LANE, 3);
        }
        assert!(progress.is_ready());
    }
}
