//! One task per projection and lane: read, apply, tell who waits. On any error it goes back to the stored checkpoint.

use crate::{
    Error, metrics,
    progress::Progress,
    projector::{Batch, Projector},
};
use natter_streams::{Lane, Log, Record, checkpoint, fault, feed::Feeds, reader::Reader};
use std::{
    convert::Infallible,
    error::Error as _,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Events of one transaction.
const BATCH: usize = 2_000;

const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For completing what is open when told to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Between tries at what only somebody with another binary, or with another log, can mend.
const STUCK_PAUSE: Duration = Duration::from_secs(30);

/// One lane and what is needed to follow it.
pub(crate) struct Place {
    log: Log,
    feeds: Feeds,
    progress: Arc<Progress>,
    lane: Lane,
}

impl Place {
    pub(crate) fn new(log: Log, feeds: Feeds, progress: Arc<Progress>, lane: Lane) -> Self {
        Self { log, feeds, progress, lane }
    }
}

/// Runs until told to stop. Stopping drops a batch in hand, whose transaction has committed wholly or not at all, and
/// completes what was left open behind it.
pub(crate) async fn run<P: Projector>(mut projector: P, place: Place, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let mut progressed = false;
        let ended = tokio::select! {
            Err(error) = follow(&mut projector, &place, &mut progressed) => Some(error),
            () = stop.cancelled() => None,
        };
        let Some(error) = ended else { return settle(&mut projector).await };
        report::<P>(place.lane, &error);
        pause = next_pause(pause, progressed, &error);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Before it ends in good order. Should it fail or take too long, the next start repeats a little.
async fn settle<P: Projector>(projector: &mut P) {
    let _ = tokio::time::timeout(LAST_WORDS, projector.settle()).await;
}

/// From the stored checkpoint on, until something goes wrong.
async fn follow<P: Projector>(projector: &mut P, place: &Place, progressed: &mut bool) -> Result<Infallible, Error> {
    let last = checkpoint::load(&place.log, P::PROJECTION.as_str(), place.lane).await?;
    // May be less than what was told before: PostgreSQL may have lost the newest of our commits in a crash.
    place.progress.set(P::PROJECTION, place.lane, last.position);
    let mut reader = Reader::tap(place.log.clone(), &place.feeds, last);
    let mut applied = None;
    loop {
        pace::<P>(place, applied).await;
        let from = reader.last();
        let records = next(projector, &mut reader).await?;
        fault::reach(P::PROJECTION.before_apply()).await;
        apply(projector, place, Batch::new(from, &records)).await?;
        applied = Some(tokio::time::Instant::now());
        *progressed = true;
    }
}

/// Under load, waits for more events to share a transaction, unless somebody waits for this projection. Found by
/// profile: transactions of a dozen rows cost PostgreSQL more than the rows.
async fn pace<P: Projector>(place: &Place, applied: Option<tokio::time::Instant>) {
    let (Some(applied), Some(pace)) = (applied, P::PACE) else { return };
    tokio::select! {
        () = tokio::time::sleep_until(applied + pace) => {}
        () = place.progress.hurried(P::PROJECTION, place.lane) => {}
    }
}

/// The next events; what the projector left open meanwhile is settled when it is due.
async fn next<P: Projector>(projector: &mut P, reader: &mut Reader) -> Result<Vec<Arc<Record>>, Error> {
    loop {
        let Some(due) = projector.due() else { return Ok(reader.next(BATCH).await?) };
        tokio::select! {
            records = reader.next(BATCH) => return Ok(records?),
            () = tokio::time::sleep_until(due) => projector.settle().await?,
        }
    }
}

/// Applies the batch; where it holds an event that cannot be understood, all that comes before it.
async fn apply<P: Projector>(projector: &mut P, place: &Place, batch: Batch<'_>) -> Result<(), Error> {
    let applied = apply_whole(projector, place, batch).await;
    let readable = applied.as_ref().err().and_then(Error::undecodable).and_then(|position| batch.before(position));
    if let Some(readable) = readable {
        apply_whole(projector, place, readable).await?;
    }
    applied
}

async fn apply_whole<P: Projector>(projector: &mut P, place: &Place, batch: Batch<'_>) -> Result<(), Error> {
    let begin = Instant::now();
    projector.apply(batch).await?;
    place.progress.set(P::PROJECTION, place.lane, batch.step().to.position);
    metrics::applied(P::PROJECTION, batch.records.len(), begin.elapsed());
    metrics::stuck(P::PROJECTION, place.lane, false);
    Ok(())
}

fn report<P: Projector>(lane: Lane, error: &Error) {
    let (projection, cause) = (P::PROJECTION.as_str(), error.source());
    metrics::failed(P::PROJECTION, lane);
    if error.needs_somebody() {
        metrics::stuck(P::PROJECTION, lane, true);
        tracing::error!(projection, %lane, %error, cause, "projection: stuck until somebody mends it");
    } else if error.is_overtaken() {
        tracing::error!(projection, %lane, %error, "projection: it must run once at a time");
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
