//! One task per projection and lane, in the one process that holds its lease: read, apply, tell who waits. On any error
//! it goes back to the stored checkpoint. Neither the lane's owner nor the other projections need be in this process.

use crate::{
    Error, Generation,
    generation::aside::Aside,
    metrics,
    progress::{Group, Progress},
    projector::{Batch, Projector, Step},
};
use natter_streams::{
    Lane, Link, Log, Record,
    bus::Bus,
    checkpoint, fault,
    feed::Feeds,
    lease::{Context, Lease},
    position,
    reader::Reader,
};
use std::{
    convert::Infallible,
    error::Error as _,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Events of one transaction.
const BATCH: usize = 2_000;

/// Events with which a transaction is worth its cost: half a page of the log.
const THICK: usize = 500;

const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For completing what is open when told to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// An idle projector compares its checkpoint with the stored one this often: a view that was emptied for a new beginning
/// tells nobody.
const IDLE_CHECK: Duration = Duration::from_secs(3);
/// Between tries at what only somebody with another binary, or with another log, can mend.
const STUCK_PAUSE: Duration = Duration::from_secs(30);

/// What is needed to follow lanes.
#[derive(Clone)]
pub(crate) struct Access {
    log: Log,
    bus: Bus,
    feeds: Feeds,
    progress: Arc<Progress>,
}

impl Access {
    pub(crate) fn new(context: &Context, feeds: Feeds, progress: Arc<Progress>) -> Self {
        Self { log: context.log.clone(), bus: context.bus.clone(), feeds, progress }
    }
}

/// One lane, and what is needed to follow it.
struct Place {
    access: Access,
    lane: Lane,
    /// Of the generation that runs.
    group: Arc<Group>,
}

impl Place {
    /// The name of its checkpoint.
    fn reader(&self) -> &'static str {
        self.group.reader()
    }
}

/// Runs a projection on the lane of a lease. Told to give up, it completes what it has left open. One that lost its lease
/// drops everything: whoever has it now goes on from the checkpoint, which only one of them can move.
pub(crate) async fn hold<P: Projector>(projector: P, generation: Generation, access: Access, lease: Lease) {
    let group = access.progress.group(P::PROJECTION, generation);
    let place = Place { access, lane: lease.lane(), group };
    let _here = place.access.progress.begin(&place.group, place.lane);
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let given_up = async {
        lease.given_up().await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = lease.lost() => tracing::warn!(projection = place.reader(), lane = %place.lane, "projection: the lease is lost"),
        () = given_up => {}
        () = run(projector, &place, &stop) => {}
    }
}

/// Runs until told to stop. Stopping drops a batch in hand, whose transaction has committed wholly or not at all, and
/// completes what was left open behind it.
async fn run<P: Projector>(mut projector: P, place: &Place, stop: &CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let mut progressed = false;
        let ended = tokio::select! {
            Err(error) = follow(&mut projector, place, &mut progressed) => Some(error),
            () = stop.cancelled() => None,
        };
        // Also after an error: what is open is measured against a checkpoint that may not be the stored one next time.
        settle(&mut projector).await;
        let Some(error) = ended else { return };
        report::<P>(place, &error);
        pause = next_pause(pause, progressed, &error);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What is left open, once nothing is read any more. Should it fail or take too long, a little is repeated.
async fn settle<P: Projector>(projector: &mut P) {
    let _ = tokio::time::timeout(LAST_WORDS, projector.settle()).await;
}

/// From the stored checkpoint on, until something goes wrong.
async fn follow<P: Projector>(projector: &mut P, place: &Place, progressed: &mut bool) -> Result<Infallible, Error> {
    let Access { log, bus, feeds, .. } = &place.access;
    let last = checkpoint::load(log, place.reader(), place.lane).await?;
    // May be less than what was told before: PostgreSQL may have lost the newest of our commits in a crash.
    tell(place, &last);
    let mut aside = Aside::load(log, P::PROJECTION, place.group.generation, place.lane).await?;
    place.group.set_aside(place.lane, aside.count());
    let mut reader = Reader::new(log.clone(), bus, feeds, last);
    let mut applied = None;
    loop {
        pace::<P>(place, applied).await;
        applied = None;
        let from = reader.last();
        let records = next(projector, place, &mut aside, &mut reader).await?;
        fault::reach(P::PROJECTION.before_apply()).await;
        apply(projector, place, &mut aside, Batch::new(place.group.generation, from, &records)).await?;
        if is_thin(records.len()) {
            applied = Some(tokio::time::Instant::now());
        }
        *progressed = true;
    }
}

fn tell(place: &Place, passed: &Link) {
    place.group.set(place.lane, position::Place::new(passed.position, passed.incarnation));
}

/// Under load, waits for more events to share a transaction, unless somebody waits for this projection. Found by
/// profile: transactions of a dozen rows cost PostgreSQL more than the rows.
async fn pace<P: Projector>(place: &Place, applied: Option<tokio::time::Instant>) {
    let (Some(applied), Some(pace)) = (applied, P::PACE) else { return };
    tokio::select! {
        () = tokio::time::sleep_until(applied + pace) => {}
        () = place.group.hurried(place.lane) => {}
    }
}

/// Whether its transaction cost more than its rows. Who reads thick ones is behind and rests for nobody: found by a
/// measurement of catching up, which was no more than a page for each rest.
const fn is_thin(events: usize) -> bool {
    events < THICK
}

/// The next events; meanwhile what the projector left open is settled when it is due, and what was set aside looked at.
/// Both have their turn also where the next events are always there.
async fn next<P: Projector>(
    projector: &mut P,
    place: &Place,
    aside: &mut Aside,
    reader: &mut Reader,
) -> Result<Vec<Arc<Record>>, Error> {
    let last = reader.last();
    // Kept over the looks: a page that takes longer than the time between two would be begun anew for ever.
    let mut reading = pin!(reader.next(BATCH));
    loop {
        let due = projector.due();
        tokio::select! {
            records = &mut reading => return Ok(records?),
            () = until(due) => projector.settle().await?,
            () = until(aside.due()) => {
                aside.tend(projector).await?;
                place.group.set_aside(place.lane, aside.count());
            }
            checked = idle_check(place, last), if due.is_none() => checked?,
        }
    }
}

/// For ever, where nothing is due.
async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn idle_check(place: &Place, last: Link) -> Result<(), Error> {
    tokio::time::sleep(IDLE_CHECK).await;
    stands_where_it_was(place, last).await
}

/// With nothing left open, the stored checkpoint is where the reader stands. Should an incarnation begin just behind it,
/// that is said: who waits for the head of such a lane waits for its incarnation.
async fn stands_where_it_was(place: &Place, last: Link) -> Result<(), Error> {
    let (log, projection, lane) = (&place.access.log, place.reader(), place.lane);
    let stored = checkpoint::load(log, projection, lane).await?;
    if !stored.is_same_event(&last) {
        return Err(natter_streams::Error::Overtaken { projection, lane }.into());
    }
    if stored.incarnation != last.incarnation {
        checkpoint::rename(log, projection, &stored).await?;
        tell(place, &stored);
    }
    Ok(())
}

/// Applies the batch, part by part where some of it must be set aside; what comes before a part that fails is done.
async fn apply<P: Projector>(
    projector: &mut P,
    place: &Place,
    aside: &mut Aside,
    batch: Batch<'_>,
) -> Result<(), Error> {
    let begin = Instant::now();
    let applied = |step: &Step| {
        tell(place, &step.to);
        metrics::stuck(P::PROJECTION, place.lane, false);
    };
    let done = aside.apply(projector, batch, applied).await;
    place.group.set_aside(place.lane, aside.count());
    done?;
    metrics::applied(P::PROJECTION, batch.records.len(), begin.elapsed());
    Ok(())
}

fn report<P: Projector>(place: &Place, error: &Error) {
    let (lane, projection, cause) = (place.lane, place.reader(), error.source());
    metrics::failed(P::PROJECTION, lane);
    if error.needs_somebody() {
        metrics::stuck(P::PROJECTION, lane, true);
        tracing::error!(projection, %lane, %error, cause, "projection: stuck until somebody mends it");
    } else if error.is_overtaken() {
        tracing::warn!(projection, %lane, %error, "projection: somebody else has run it meanwhile");
    } else {
        tracing::warn!(projection, %lane, %error, cause, "projection: back to the checkpoint");
    }
}

fn next_pause(last: Duration, progressed: bool, error: &Error) -> Duration {
    if error.needs_somebody() {
        STUCK_PAUSE
    } else if progressed {
        PAUSE
    } else {
        (last * 2).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_whole_pages_does_not_rest() {
        const PAGE: usize = 1_000;
        assert!(is_thin(12) && !is_thin(PAGE) && !is_thin(BATCH));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_progress() {
        let error = Error::Disconnected;
        let mut pause = PAUSE;
        for _ in 0..10 {
            pause = next_pause(pause, false, &error);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        assert_eq!(next_pause(pause, true, &error), PAUSE);
    }
}
