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
//! the only copy, so it is left alone, and loudly.

use crate::{
    Error, Lane, Link, Log, Record,
    bus::Bus,
    fault,
    feed::Feeds,
    metrics,
    reader::Reader,
    stream::{self, Tail},
    subject,
};
use async_nats::jetstream::{context::PublishAckFuture, stream::Stream};
use futures::{StreamExt, stream::FuturesOrdered};
use std::{future::IntoFuture, pin::pin, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Publishes of a lane without an answer yet: no more are sent while there are as many.
pub(crate) const WINDOW: usize = 1_000;

/// How many of a stream's newest messages are compared with the log: more than were ever in flight at once.
const LOOK_BACK: u64 = 2 * WINDOW as u64;

/// An idle stream is compared with the log this often.
const IDLE_CHECK: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Publishes one lane until told to stop.
pub async fn run(log: Log, bus: Bus, feeds: Feeds, lane: Lane, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let relay = Relay { log: log.clone(), bus: bus.clone(), feeds: feeds.clone(), lane };
        let ended = tokio::select! {
            ended = relay.window() => ended,
            () = stop.cancelled() => return,
        };
        metrics::window_lost(lane);
        tracing::warn!(%lane, error = %ended.error, cause = ?std::error::Error::source(&ended.error), "relay: the window is over");
        pause = if ended.progressed { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

struct Relay {
    log: Log,
    bus: Bus,
    feeds: Feeds,
    lane: Lane,
}

struct Ended {
    error: Error,
    progressed: bool,
}

/// What the newest messages of a stream are, compared with the log.
enum Newest {
    Ours(Link),
    /// This one is an event of ours that the log does not have.
    Lost(u64),
    /// This one is somebody else's.
    Foreign(u64),
}

impl Relay {
    /// One window: from the stream's tail on, until something is in doubt.
    async fn window(&self) -> Ended {
        let mut progressed = false;
        match self.tail().await {
            Ok((stream, tail)) => {
                let error = self.publish(&stream, tail, &mut progressed).await;
                Ended { error, progressed }
            }
            Err(error) => Ended { error, progressed },
        }
    }

    /// Where the stream ends, once its end has been compared with the log.
    async fn tail(&self) -> Result<(Stream, Link), Error> {
        let incarnation = self.log.incarnation(self.lane).await?;
        let start = Link::start(self.lane, incarnation);
        let found = stream::open(self.bus.publishing(), &start).await?;
        let tail = stream::tail(&found, self.lane).await?;
        let name = subject::stream(self.lane);
        match self.look_back(&found, &tail, incarnation).await? {
            Newest::Ours(link) => Ok((found, link)),
            Newest::Lost(position) => {
                Err(Error::Unfit(format!("stream {name} holds an event at {position} that the log has lost")))
            }
            Newest::Foreign(position) => {
                tracing::error!(lane = %self.lane, position, "a message of the stream is not ours: filling it anew");
                stream::delete(self.bus.publishing(), self.lane).await?;
                metrics::stream_refilled(self.lane);
                Ok((stream::open(self.bus.publishing(), &start).await?, start))
            }
        }
    }

    /// Compares the stream's newest messages with the log.
    async fn look_back(&self, found: &Stream, tail: &Tail, incarnation: Uuid) -> Result<Newest, Error> {
        if tail.last > 0 && tail.first > tail.last {
            // Nothing in it says whose numbers these are.
            return Ok(Newest::Foreign(tail.last));
        }
        let before = tail.last.saturating_sub(LOOK_BACK).max(tail.first.saturating_sub(1));
        let Some(base) = self.log.link_at(self.lane, incarnation, before).await? else {
            return Ok(Newest::Lost(before));
        };
        let messages = stream::messages(found, self.lane, before + 1..=tail.last).await?;
        let events = self.log.read(&base, messages.len()).await?;
        Ok(newest(base, &messages, &events))
    }

    async fn publish(&self, stream: &Stream, tail: Link, progressed: &mut bool) -> Error {
        let reader = Reader::tap(self.log.clone(), &self.feeds, tail);
        // Kept while acks come, not dropped and begun anew by each of them.
        let mut reading = pin!(read(reader));
        let mut ahead = None;
        let mut window = FuturesOrdered::new();
        let mut confirmed = tail;
        loop {
            let step = tokio::select! {
                biased;
                Some((link, ack)) = window.next() => acknowledged(&link, ack).map(|()| {
                    confirmed = link;
                    *progressed = true;
                    metrics::relayed(self.lane, confirmed.position);
                }),
                (reader, records) = &mut reading, if ahead.is_none() => records.map(|records| {
                    ahead = Some((reader, records));
                }),
                () = tokio::time::sleep(IDLE_CHECK), if window.is_empty() => self.compare(stream, &confirmed).await,
            };
            if let Err(error) = step {
                return error;
            }
            if window.len() < WINDOW
                && let Some((reader, records)) = ahead.take()
            {
                if let Err(error) = self.send(records, &mut window).await {
                    return error;
                }
                reading.set(read(reader));
            }
        }
    }

    /// The stream still ends where it was filled to.
    async fn compare(&self, stream: &Stream, confirmed: &Link) -> Result<(), Error> {
        let tail = stream::tail(stream, self.lane).await?;
        if tail.is_at(confirmed) {
            return Ok(());
        }
        let (name, filled) = (subject::stream(self.lane), confirmed.position);
        Err(Error::Unfit(format!("stream {name} ends at {}, it was filled to {filled}", tail.last)))
    }

    async fn send(&self, records: Vec<Arc<Record>>, window: &mut FuturesOrdered<Ack>) -> Result<(), Error> {
        for record in records {
            fault::reach("relay.before_publish").await;
            let link = record.link();
            let message = stream::encode(&record);
            let ack: PublishAckFuture = self
                .bus
                .publishing()
                .send_publish(subject::event(&record), message)
                .await
                .map_err(Error::bus(format!("publish lane {} position {}", self.lane, link.position)))?;
            window.push_back(Box::pin(async move { (link, ack.into_future().await) }));
        }
        Ok(())
    }
}

/// `messages` and `events` both follow `base`.
fn newest(base: Link, messages: &[Option<Record>], events: &[Arc<Record>]) -> Newest {
    let (mut last, mut foreign) = (base, None);
    for (index, message) in messages.iter().enumerate() {
        match (message, events.get(index)) {
            (Some(message), Some(event)) if message.link() == event.link() => last = event.link(),
            (Some(message), _) => return Newest::Lost(message.position),
            (None, _) => foreign = Some(base.position + 1 + index as u64),
        }
    }
    foreign.map_or(Newest::Ours(last), Newest::Foreign)
}

/// The reader comes back with what it has read.
async fn read(mut reader: Reader) -> (Reader, Result<Vec<Arc<Record>>, Error>) {
    let records = reader.next(WINDOW).await;
    (reader, records)
}

type Acked = Result<async_nats::jetstream::publish::PublishAck, async_nats::jetstream::context::PublishError>;
type Ack = futures::future::BoxFuture<'static, (Link, Acked)>;

fn acknowledged(link: &Link, ack: Acked) -> Result<(), Error> {
    let position = link.position;
    let ack = ack.map_err(Error::bus(format!("publish position {position}")))?;
    if ack.sequence == position {
        return Ok(());
    }
    Err(Error::Unfit(format!("position {position} was stored as message {}", ack.sequence)))
}
