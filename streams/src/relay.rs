//! The relay: a reader of the log that publishes. Its state is the stream's tail.
//!
//! Every publish carries its position as the expected last sequence + 1, so the server itself refuses a gap, a
//! double and a reorder. On *any* negative answer, timeout or reconnect the window is over: the stream is asked
//! where it ends (a timeout says nothing), the event there is compared with the log, and publishing goes on from
//! the next one, backwards too. Only committed rows are ever published. An idle stream is compared as well: one that
//! lost its tail or was written to by somebody else tells nobody.
//!
//! A message that is not an event of this lane is somebody else's: the stream is deleted and filled again. It need not
//! be the last one: it made our publish of that position fail, but those behind it in the window fitted. A message that
//! *is* an event of ours, but not the log's, means that PostgreSQL lost what it had acknowledged: the stream may hold
//! the only copy, so it is left alone, and the relay ends with the reason (see `seam`).

use crate::{
    Error, Lane, Link, Log, Record,
    bus::Bus,
    fault,
    feed::Feeds,
    metrics,
    publisher::Publisher,
    reader::Reader,
    seam::{self, Examined, Seam},
    stream, subject,
};
use async_nats::jetstream::stream::Stream;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Publishes of a lane without an answer yet: no more are sent while there are as many.
pub(crate) const WINDOW: usize = 1_000;

/// An idle stream is compared with the log this often.
const IDLE_CHECK: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The stream knows of events that the log has lost: the lane must not be served until somebody has repaired it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("lane {lane}: {seam}")]
pub struct Refused {
    pub lane: Lane,
    pub seam: Seam,
}

/// Publishes one lane until told to stop, or until it is seen that the lane must not be served: its owner closes it then,
/// and starts another relay once it has taken a repaired lane.
pub async fn run(log: Log, bus: Bus, feeds: Feeds, lane: Lane, stop: CancellationToken) -> Result<(), Refused> {
    let mut pause = PAUSE;
    let mut lag = Lag::new(feeds.clone(), lane);
    loop {
        let relay = Relay { log: log.clone(), bus: bus.clone(), feeds: feeds.clone(), lane };
        let (trouble, progressed) = tokio::select! {
            ended = relay.window(&mut lag) => ended,
            () = stop.cancelled() => return Ok(()),
        };
        metrics::window_lost(lane);
        lag.tell();
        let error = match trouble {
            Trouble::Refused(seam) => return Err(refused(lane, seam)),
            Trouble::Passing(error) => error,
        };
        tracing::warn!(%lane, %error, cause = ?std::error::Error::source(&error), "relay: the window is over");
        pause = if progressed { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

fn refused(lane: Lane, seam: Seam) -> Refused {
    tracing::error!(%lane, %seam, "relay: the lane must not be served, see `natter streams check`");
    Refused { lane, seam }
}

/// How far the stream is behind the log; told while the relay runs.
struct Lag {
    feeds: Feeds,
    lane: Lane,
    gauges: metrics::Relayed,
    /// Where the lane ended when the relay began: until the stream has been asked, it lacks at least what came later.
    begun: u64,
    /// The newest event that the stream is known to hold.
    confirmed: Option<u64>,
}

impl Lag {
    fn new(feeds: Feeds, lane: Lane) -> Self {
        let begun = feeds.lane(lane).head().position;
        Self { feeds, lane, gauges: metrics::Relayed::of(lane), begun, confirmed: None }
    }

    fn confirmed(&mut self, position: u64) {
        self.confirmed = Some(position);
        self.gauges.position.set(position as f64);
        self.tell();
    }

    fn tell(&self) {
        let head = self.feeds.lane(self.lane).head().position;
        self.gauges.lag.set(head.saturating_sub(self.confirmed.unwrap_or(self.begun)) as f64);
    }
}

impl Drop for Lag {
    /// Whoever runs the lane's relay now says how it does.
    fn drop(&mut self) {
        self.gauges.lag.set(0.0);
    }
}

struct Relay {
    log: Log,
    bus: Bus,
    feeds: Feeds,
    lane: Lane,
}

/// Why a window is over.
enum Trouble {
    /// To be tried again.
    Passing(Error),
    Refused(Seam),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Passing(error)
    }
}

impl Relay {
    /// One window: from the stream's tail on, until something is in doubt. Also tells whether anything was published.
    async fn window(&self, lag: &mut Lag) -> (Trouble, bool) {
        match self.tail().await {
            Ok((stream, tail)) => {
                lag.confirmed(tail.position);
                let error = self.publish(&stream, tail, lag).await;
                (error.into(), lag.confirmed != Some(tail.position))
            }
            Err(trouble) => (trouble, false),
        }
    }

    /// Where the stream ends, once its end has been compared with the log.
    async fn tail(&self) -> Result<(Stream, Link), Trouble> {
        let context = self.bus.publishing();
        let Examined { findings, stream, agreed } =
            seam::examine(&self.log, context, self.lane, seam::LOOK_BACK).await?;
        match (findings.seam, stream) {
            (seam, _) if seam.refuses() => Err(Trouble::Refused(seam)),
            (Seam::Same | Seam::Behind { .. }, Some(found)) => Ok((found, agreed)),
            (_, None) => Ok((stream::create(context, &agreed).await?, agreed)),
            (seam, Some(_)) => {
                tracing::error!(lane = %self.lane, %seam, "filling the stream anew");
                stream::delete(context, self.lane).await?;
                metrics::stream_refilled(self.lane);
                fault::reach("relay.before_create").await;
                Ok((stream::create(context, &agreed).await?, agreed))
            }
        }
    }

    async fn publish(&self, stream: &Stream, tail: Link, lag: &mut Lag) -> Error {
        let mut publisher = match Publisher::start(&self.bus).await {
            Ok(publisher) => publisher,
            Err(error) => return error,
        };
        let reader = Reader::tap(self.log.clone(), &self.feeds, tail);
        // Kept while acks come, not dropped and begun anew by each of them.
        let mut reading = pin!(read(reader));
        let (mut ahead, mut confirmed) = (None, tail);
        loop {
            let is_idle = publisher.waiting() == 0;
            let step = tokio::select! {
                biased;
                newest = publisher.acknowledged() => newest.map(|link| {
                    confirmed = link;
                    lag.confirmed(confirmed.position);
                }),
                (reader, records) = &mut reading, if ahead.is_none() => records.map(|records| {
                    ahead = Some((reader, records));
                }),
                () = tokio::time::sleep(IDLE_CHECK), if is_idle => self.compare(stream, &confirmed).await,
            };
            if let Err(error) = step {
                return error;
            }
            if publisher.waiting() < WINDOW
                && let Some((reader, records)) = ahead.take()
            {
                if let Err(error) = self.send(records, &mut publisher).await {
                    return error;
                }
                lag.tell();
                reading.set(read(reader));
            }
        }
    }

    /// The stream still ends where it was filled to, and the log still has it.
    async fn compare(&self, stream: &Stream, confirmed: &Link) -> Result<(), Error> {
        let tail = stream::tail(stream, self.lane).await?;
        if !self.log.holds(confirmed).await? {
            let (lane, position) = (self.lane, confirmed.position);
            return Err(Error::Broken { lane, position, what: "the log does not hold what was published" });
        }
        if tail.is_at(confirmed) {
            return Ok(());
        }
        let (name, filled) = (subject::stream(self.lane), confirmed.position);
        Err(Error::Unfit(format!("stream {name} ends at {}, it was filled to {filled}", tail.last)))
    }

    async fn send(&self, records: Vec<Arc<Record>>, publisher: &mut Publisher) -> Result<(), Error> {
        for record in records {
            fault::reach("relay.before_publish").await;
            publisher.publish(subject::event(&record), &record).await?;
        }
        Ok(())
    }
}

/// The reader comes back with what it has read.
async fn read(mut reader: Reader) -> (Reader, Result<Vec<Arc<Record>>, Error>) {
    let records = reader.next(WINDOW).await;
    (reader, records)
}
