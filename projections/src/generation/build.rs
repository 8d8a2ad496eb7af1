//! Brings a generation that nobody reads further: every lane from its checkpoint to a place that the caller names, and
//! not one event beyond, from PostgreSQL's log. Throttled: few lanes at a time, at rest between two batches, and more
//! at rest while the live projections lag. It can be stopped between any two batches, and goes on where it was.

use super::{Entry, aside::Aside, home::Home};
use crate::{
    Error, Projection,
    projector::{Batch, Projector},
};
use natter_streams::{Lane, Link, Log, checkpoint, fault};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Events of one transaction: few, since who sends meanwhile waits for one at the worst.
const BATCH: usize = 250;
/// Lanes at work at a time, where somebody waits.
const AT_ONCE: u32 = 2;
/// Of a hundred, while live projections lag.
const SHARE_UNDER_LAG: u32 = 10;
/// Before another try, where PostgreSQL is away or somebody else moved the checkpoint.
const PAUSE: Duration = Duration::from_millis(300);

/// How much of the time the work may take.
#[derive(Debug)]
pub struct Pace {
    /// Of a hundred.
    share: u32,
    now: AtomicU32,
    slots: Semaphore,
}

impl Pace {
    /// `share` of a hundred, from 1 to 100.
    pub fn new(share: u32) -> Self {
        let share = share.clamp(1, 100);
        Self { share, now: AtomicU32::new(share), slots: Semaphore::new(AT_ONCE as usize) }
    }

    pub(super) fn live_lags(&self, lags: bool) {
        let now = if lags { self.share.min(SHARE_UNDER_LAG) } else { self.share };
        self.now.store(now, Ordering::Relaxed);
    }

    /// What is allowed now, of a hundred.
    pub fn share(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    fn rest_after(&self, work: Duration) -> Duration {
        work * (100 - self.share()) / self.share()
    }

    /// Waits until a lane may work.
    async fn turn(&self, resting: Resting) -> Turn<'_> {
        let slots = match resting {
            Resting::Everybody => AT_ONCE,
            Resting::Lane => 1,
        };
        // It is never closed.
        Turn { resting, _slots: self.slots.acquire_many(slots).await.ok() }
    }

    async fn rest(&self, turn: Turn<'_>, work: Duration) {
        let _held = Some(turn).filter(|turn| turn.resting == Resting::Everybody);
        sleep(self.rest_after(work)).await;
    }
}

/// Who rests when a lane has done a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resting {
    /// All: one lane works at a time, and the share is of all time. What has no hurry, so that those who send meanwhile
    /// notice little of it.
    Everybody,
    /// That lane: its work is little, and a comparison with what moves waits for it.
    Lane,
}

struct Turn<'a> {
    resting: Resting,
    _slots: Option<SemaphorePermit<'a>>,
}

/// How far a building is, for who shows it.
#[derive(Default, Debug)]
pub struct Meter {
    passed: AtomicU64,
    whole: AtomicU64,
}

impl Meter {
    /// Events that it has passed, and that there are.
    pub fn read(&self) -> (u64, u64) {
        let passed = self.passed.load(Ordering::Relaxed);
        (passed, self.whole.load(Ordering::Relaxed).max(passed))
    }

    pub(super) fn set(&self, passed: u64, whole: u64) {
        self.passed.store(passed, Ordering::Relaxed);
        self.whole.store(whole, Ordering::Relaxed);
    }
}

/// Where each lane shall be.
pub(super) type Targets = HashMap<Lane, u64>;

pub(super) struct Builder<'a> {
    pub(super) log: &'a Log,
    pub(super) home: &'a Home,
    pub(super) entry: &'a Entry,
    pub(super) pace: &'a Pace,
    pub(super) resting: Resting,
    pub(super) meter: &'a Meter,
    pub(super) stop: &'a CancellationToken,
}

impl Builder<'_> {
    /// The place of every lane.
    pub(super) async fn places(&self) -> Result<Targets, Error> {
        places(self.log, self.entry.reader()).await
    }

    /// Until every lane is where it shall be; one that is further stays there. False: told to stop before. How many events
    /// were passed is counted by the meter.
    pub(super) async fn bring_to(&self, targets: &Targets) -> Result<bool, Error> {
        let passed: u64 = self.places().await?.values().sum();
        self.meter.set(passed, targets.values().sum());
        let lanes = targets.iter().map(|(&lane, &target)| self.lane(lane, target));
        futures::future::try_join_all(lanes).await?;
        Ok(!self.stop.is_cancelled())
    }

    async fn lane(&self, lane: Lane, target: u64) -> Result<(), Error> {
        while !self.stop.is_cancelled() {
            let ended = match self.entry.projection {
                Projection::Relations => self.follow(self.home.relations(), lane, target).await,
                Projection::History => self.follow(self.home.history(), lane, target).await,
                Projection::Delivery => Ok(()),
            };
            match ended {
                Err(error) if error.is_passing() || error.is_overtaken() => {
                    tracing::warn!(%error, %lane, "build a generation: back to the checkpoint");
                    sleep(PAUSE).await;
                }
                done => return done,
            }
        }
        Ok(())
    }

    async fn follow<P: Projector>(&self, mut projector: P, lane: Lane, target: u64) -> Result<(), Error> {
        let mut last = checkpoint::load(self.log, self.entry.reader(), lane).await?;
        let mut aside = Aside::load(self.log, P::PROJECTION, self.entry.generation, lane).await?;
        while last.position < target && !self.stop.is_cancelled() {
            let turn = self.pace.turn(self.resting).await;
            let (passed, work) = self.batch(&mut projector, &mut aside, &last, target).await?;
            self.meter.passed.fetch_add(passed.position - last.position, Ordering::Relaxed);
            if passed.position == last.position {
                return Ok(());
            }
            last = passed;
            tokio::select! {
                () = self.pace.rest(turn, work) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Never dropped half-way by who stops it: what is begun is ended.
    async fn batch<P: Projector>(
        &self,
        projector: &mut P,
        aside: &mut Aside,
        last: &Link,
        target: u64,
    ) -> Result<(Link, Duration), Error> {
        let begun = Instant::now();
        let mut records = self.log.read(last, BATCH).await?;
        records.retain(|record| record.position <= target);
        if records.is_empty() {
            return Ok((*last, begun.elapsed()));
        }
        fault::reach(P::PROJECTION.before_apply()).await;
        let batch = Batch::new(self.entry.generation, *last, &records);
        aside.apply(projector, batch, |_| ()).await?;
        Ok((batch.step().to, begun.elapsed()))
    }
}

/// Where a reader of the log stands, lane by lane.
pub(super) async fn places(log: &Log, reader: &'static str) -> Result<Targets, Error> {
    let mut places = Targets::new();
    for lane in log.lanes().iter() {
        places.insert(lane, checkpoint::load(log, reader, lane).await?.position);
    }
    Ok(places)
}

/// Where the log ends, lane by lane.
pub(super) async fn heads(log: &Log) -> Result<Targets, Error> {
    let mut heads = Targets::new();
    for lane in log.lanes().iter() {
        heads.insert(lane, log.head(lane, log.incarnation(lane).await?).await?.link.position);
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn work_takes_its_share_of_the_time_and_less_while_live_projections_lag() {
        let pace = Pace::new(50);
        let work = Duration::from_millis(100);
        assert_eq!(pace.rest_after(work), work);
        pace.live_lags(true);
        assert_eq!(pace.rest_after(work), work * 9);
        pace.live_lags(false);
        assert_eq!(pace.rest_after(work), work);
        assert_eq!(Pace::new(100).rest_after(work), Duration::ZERO);
        assert_eq!(Pace::new(0).share(), 1, "it always gets on");
    }

    #[tokio::test]
    async fn what_has_no_hurry_rests_as_a_whole() {
        const LONG: Duration = Duration::from_secs(3600);
        let pace = Pace::new(50);
        let is_free = || pace.turn(Resting::Lane).now_or_never().is_some();
        for (resting, others_work) in [(Resting::Everybody, false), (Resting::Lane, true)] {
            let turn = pace.turn(resting).await;
            assert_eq!(is_free(), others_work, "at work: {resting:?}");
            let mut rest = Box::pin(pace.rest(turn, LONG));
            assert!(futures::poll!(&mut rest).is_pending());
            assert_eq!(is_free(), others_work, "at rest: {resting:?}");
        }
        assert!(is_free());
    }
}
