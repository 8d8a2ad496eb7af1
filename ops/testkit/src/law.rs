//! The log and the streams themselves, and the law that ties them: **event N of a lane in PostgreSQL is message
//! N of the lane's stream**, in every byte that the chain covers.

use crate::{Stack, eventually};
use async_nats::{HeaderMap, jetstream};
use futures::StreamExt;
use natter_streams::{Hash, Lane, Lanes, Link, Record, stream, subject};
use sqlx::Row;
use std::time::Duration;
use uuid::Uuid;

/// How long the relay may take to catch up.
const BOUND: Duration = Duration::from_secs(60);
const PAGE: usize = 1_000;

/// An event as PostgreSQL has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    pub lane: Lane,
    pub position: u64,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub event_type: String,
    pub payload: String,
    pub metadata: String,
    pub hash: Vec<u8>,
    pub command_key: Option<Uuid>,
}

/// A message as JetStream has it.
#[derive(Clone, Debug)]
pub struct Carried {
    pub sequence: u64,
    pub headers: HeaderMap,
    pub payload: Vec<u8>,
}

impl Stack {
    /// Every event of every server, by lane and position.
    pub async fn log(&self) -> Vec<Stored> {
        let mut rows = Vec::new();
        for pool in self.pools() {
            let events = sqlx::query(
                "SELECT lane, position, event_id, aggregate_type, aggregate_id, event_type, payload::text AS payload,
                        metadata::text AS metadata, hash, command_key FROM events",
            );
            rows.append(&mut events.fetch_all(pool).await.expect("read the log"));
        }
        let stored = |row: &sqlx::postgres::PgRow| Stored {
            lane: Lane::new(u8::try_from(row.get::<i16, _>("lane")).expect("a lane's number is a byte")),
            position: u64::try_from(row.get::<i64, _>("position")).expect("positions are positive"),
            event_id: row.get("event_id"),
            aggregate_type: row.get("aggregate_type"),
            aggregate_id: row.get("aggregate_id"),
            event_type: row.get("event_type"),
            payload: row.get("payload"),
            metadata: row.get("metadata"),
            hash: row.get("hash"),
            command_key: row.get("command_key"),
        };
        let mut log: Vec<Stored> = rows.iter().map(stored).collect();
        log.sort_by_key(|event| (event.lane, event.position));
        log
    }

    /// Every message of a lane's stream, by sequence; none where there is no stream.
    pub async fn stream(&self, lane: Lane) -> Vec<Carried> {
        let Ok(found) = self.jetstream().await.get_stream(subject::stream(lane)).await else { return Vec::new() };
        let state = &found.cached_info().state;
        if state.messages == 0 {
            return Vec::new();
        }
        let last = state.last_sequence;
        let whole = jetstream::consumer::pull::OrderedConfig::default();
        let consumer = found.create_consumer(whole).await.expect("read a stream from its beginning");
        let mut messages = consumer.messages().await.expect("read a stream");
        let mut carried = Vec::new();
        while carried.last().is_none_or(|newest: &Carried| newest.sequence < last) {
            let message = crate::within("the next message of a stream", BOUND, messages.next()).await;
            let message = message.expect("the stream goes on").expect("read a message");
            let sequence = message.info().expect("a stream's message says its place").stream_sequence;
            let (headers, payload) = (message.headers.clone().unwrap_or_default(), message.payload.to_vec());
            carried.push(Carried { sequence, headers, payload });
        }
        carried
    }
}

impl Stack {
    /// Takes a lane's stream away, as an operator with rights on it could.
    pub async fn delete_stream(&self, lane: Lane) {
        self.jetstream().await.delete_stream(subject::stream(lane)).await.expect("delete a stream");
    }

    /// Publishes what is no event to a lane's stream.
    pub async fn intrude(&self, lane: Lane) {
        let subject = subject::lane_events(lane).replace('>', "intruder.said");
        // The answer comes to the context that asked.
        let context = self.jetstream().await;
        let sent = context.publish(subject, "boo".into()).await.expect("publish to a stream");
        sent.await.expect("the stream takes it");
    }
}

/// Waits until every projection's checkpoint is at its lane's head: what a restart does from there on is new.
pub async fn projections_are_at_the_head(stack: &Stack) {
    const HEADS: &str = "SELECT lane, max(position) FROM events GROUP BY lane";
    const BEHIND: &str = "
        SELECT count(*) FROM UNNEST($1::smallint[], $2::bigint[]) AS lanes(lane, head)
        CROSS JOIN UNNEST(ARRAY['relations', 'history', 'delivery']) AS projections(projection)
        LEFT JOIN checkpoints USING (projection, lane) WHERE coalesce(position, 0) < head";
    eventually("projections are at the head", BOUND, async || {
        let mut heads: Vec<(i16, i64)> = Vec::new();
        for pool in stack.pools() {
            heads.append(&mut sqlx::query_as(HEADS).fetch_all(pool).await.expect("read the heads"));
        }
        let (lanes, heads): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
        let behind = sqlx::query_scalar(BEHIND).bind(lanes).bind(heads).fetch_one(stack.pool()).await;
        let behind: i64 = behind.expect("read the checkpoints");
        if behind == 0 { Ok(()) } else { Err(format!("{behind} checkpoints are behind")) }
    })
    .await;
}

/// Waits until the relay has published everything, then demands that every lane is its stream.
pub async fn log_is_stream(stack: &Stack) {
    let compared = compare_log_and_streams(stack).await.unwrap_or_else(|difference| panic!("{difference}"));
    assert!(compared > 0, "a law about nothing holds by itself");
}

/// Waits until the relay has published everything, then compares every lane in every byte: how many events are the
/// same, or the first place that is not.
pub async fn compare_log_and_streams(stack: &Stack) -> Result<usize, String> {
    let log = stack.log().await;
    for lane in lanes(stack).await.iter() {
        let stored: Vec<&Stored> = log.iter().filter(|event| event.lane == lane).collect();
        let carried = eventually(&format!("lane {lane} is published"), BOUND, async || {
            let carried = stack.stream(lane).await;
            let last = carried.last().map_or(0, |message| message.sequence);
            if last >= stored.len() as u64 { Ok(carried) } else { Err(format!("{last} of {}", stored.len())) }
        })
        .await;
        compare(&stored, &carried).map_err(|what| format!("lane {lane} {what}"))?;
    }
    Ok(log.len())
}

fn compare(stored: &[&Stored], carried: &[Carried]) -> Result<(), String> {
    if stored.len() != carried.len() {
        return Err(format!("has {} events and {} messages", stored.len(), carried.len()));
    }
    let mut previous = Hash::default();
    for ((number, event), message) in (1..).zip(stored).zip(carried) {
        let wrong = |what: &str| Err(format!("position {number}: {what}\n{event:?}\n{message:?}"));
        if event.position != number || message.sequence != number {
            return wrong("numbers have a gap before it");
        }
        let Some(record) = stream::decode(&message.headers, &message.payload, message.sequence) else {
            return wrong("the message is no event or does not fit its hash");
        };
        if as_stored(&record) != comparable(event) {
            return wrong("the message is not the event");
        }
        // The hash, which is the stored one, covers the incarnation.
        if record.previous != previous {
            return wrong("it does not continue the chain");
        }
        previous = record.hash;
    }
    Ok(())
}

/// A message in the shape of a row; the command's key is not published.
fn as_stored(record: &Record) -> Stored {
    Stored {
        lane: record.lane,
        position: record.position,
        event_id: record.event_id.0,
        aggregate_type: record.noun.to_string(),
        aggregate_id: record.aggregate_id.to_string(),
        event_type: record.event_type.to_string(),
        payload: record.payload.to_string(),
        metadata: record.metadata.to_string(),
        hash: record.hash.0.to_vec(),
        command_key: None,
    }
}

fn comparable(event: &Stored) -> Stored {
    Stored { command_key: None, ..event.clone() }
}

/// Recomputes the chain over the whole log in PostgreSQL, the way the server does; the first broken place.
pub async fn check_chain(stack: &Stack) -> Result<u64, natter_streams::Error> {
    let log = stack.verified_log().await;
    let mut count = 0;
    for lane in log.lanes().iter() {
        let mut last = Link::start(lane, log.incarnation(lane).await?);
        loop {
            let page = log.read(&last, PAGE).await?;
            let Some(newest) = page.last() else { break };
            last = newest.link();
            count += page.len() as u64;
        }
    }
    Ok(count)
}

/// The lanes of the installation.
pub async fn lanes(stack: &Stack) -> Lanes {
    let count: i16 =
        sqlx::query_scalar("SELECT lanes FROM installation").fetch_one(stack.pool()).await.expect("read the lanes");
    u16::try_from(count).ok().and_then(Lanes::new).expect("an installation has 1 to 256 lanes")
}
