//! Reading a lane, each event checked against the chain.

use super::{Head, Log};
use crate::{Error, Hash, Lane, Link, Record, event::CommandKey};
use natter_domain::{EventId, Noun, Timestamp};
use sqlx::{PgConnection, Row, postgres::PgRow, types::time::OffsetDateTime};
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

pub(super) const COLUMNS: &str =
    "lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
    payload::text AS payload, metadata::text AS metadata, command_key, fingerprint, time, hash";

/// The incarnation that an event was written in: of the last seam before it, or the lane's where it never lost anything.
const INCARNATION: &str = "coalesce(
    (SELECT incarnation FROM seams WHERE seams.lane = events.lane AND seams.position < events.position
     ORDER BY seams.position DESC LIMIT 1),
    (SELECT incarnation FROM lanes WHERE lanes.lane = events.lane)) AS incarnation";

impl Log {
    /// The lane's newest event, read from the log itself; the link says the incarnation of what comes next.
    pub async fn head(&self, lane: Lane, incarnation: Uuid) -> Result<Head, Error> {
        let newest =
            sqlx::query("SELECT position, hash, time FROM events WHERE lane = $1 ORDER BY position DESC LIMIT 1")
                .bind(lane.number());
        let newest = async |connection: &mut PgConnection| newest.fetch_optional(connection).await;
        let row = self.ask(lane, self.lane_pool(lane), newest).await.map_err(Error::lane("read the head", lane))?;
        let Some(row) = row else {
            return Ok(Head { link: Link::start(lane, incarnation), time: Timestamp::default() });
        };
        let position: i64 = row.get("position");
        let link = Link { lane, incarnation, position: position as u64, hash: hash(&row)? };
        Ok(Head { link, time: row.get::<OffsetDateTime, _>("time").into() })
    }

    pub async fn incarnation(&self, lane: Lane) -> Result<Uuid, Error> {
        let found = sqlx::query_scalar("SELECT incarnation FROM lanes WHERE lane = $1").bind(lane.number());
        let found = async |connection: &mut PgConnection| found.fetch_one(connection).await;
        self.ask(lane, self.lane_pool(lane), found).await.map_err(Error::lane("read the incarnation", lane))
    }

    /// The next events behind `after`, at most `limit`, each checked against the chain.
    pub async fn read(&self, after: &Link, limit: usize) -> Result<Vec<Arc<Record>>, Error> {
        let sql = format!(
            "SELECT {COLUMNS}, {INCARNATION} FROM events WHERE lane = $1 AND position > $2 ORDER BY position LIMIT $3"
        );
        let page = sqlx::query(&sql).bind(after.lane.number()).bind(after.position as i64).bind(limit as i64);
        let page = async |connection: &mut PgConnection| page.fetch_all(connection).await;
        let rows = self
            .ask(after.lane, self.lane_pool(after.lane), page)
            .await
            .map_err(Error::lane("read events", after.lane))?;
        let mut last = *after;
        rows.iter()
            .map(|row| {
                let record = record(row, &Link { incarnation: row.get("incarnation"), ..last })?;
                last = crate::reader::next_link(&last, &record)?;
                Ok(Arc::new(record))
            })
            .collect()
    }

    /// The newest event of that type of one aggregate, unchecked: what it says is compared with nothing.
    pub async fn newest_of(&self, lane: Lane, noun: Noun, id: Uuid, event_type: &str) -> Result<Option<Record>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND event_type = $3
             ORDER BY sequence DESC LIMIT 1"
        );
        let one = sqlx::query(&sql).bind(noun.as_str()).bind(id.to_string()).bind(event_type);
        let one = async |connection: &mut PgConnection| one.fetch_optional(connection).await;
        let row = self.ask(lane, self.lane_pool(lane), one).await.map_err(Error::lane("read one event", lane))?;
        row.map(|row| record(&row, &Link::start(lane, Uuid::nil()))).transpose()
    }

    /// Where a reader that has accepted everything up to `position` stands, in the incarnation that it asks for. `None`:
    /// the lane is not that long.
    pub async fn link_at(&self, lane: Lane, incarnation: Uuid, position: u64) -> Result<Option<Link>, Error> {
        if position == 0 {
            return Ok(Some(Link::start(lane, incarnation)));
        }
        let one = sqlx::query("SELECT hash FROM events WHERE lane = $1 AND position = $2")
            .bind(lane.number())
            .bind(position as i64);
        let one = async |connection: &mut PgConnection| one.fetch_optional(connection).await;
        let row = self.ask(lane, self.lane_pool(lane), one).await.map_err(Error::lane("read one event", lane))?;
        row.map(|row| Ok(Link { lane, incarnation, position, hash: hash(&row)? })).transpose()
    }
}

pub(super) fn record(row: &PgRow, last: &Link) -> Result<Record, Error> {
    let position: i64 = row.get("position");
    let broken = |what| Error::Broken { lane: last.lane, position: position as u64, what };
    let fingerprint: Option<Vec<u8>> = row.get("fingerprint");
    let key = match (row.get("command_key"), fingerprint.and_then(|bytes| bytes.try_into().ok())) {
        (Some(key), Some(fingerprint)) => Some(CommandKey { key, fingerprint }),
        _ => None,
    };
    Ok(Record {
        lane: last.lane,
        incarnation: last.incarnation,
        position: position as u64,
        event_id: EventId(row.get("event_id")),
        noun: Noun::parse(row.get("aggregate_type")).ok_or_else(|| broken("the noun is unknown"))?,
        aggregate_id: row
            .get::<&str, _>("aggregate_id")
            .parse()
            .map_err(|_| broken("the aggregate's id is no UUID"))?,
        sequence: row.get::<i64, _>("sequence") as u64,
        event_type: Cow::Owned(row.get("event_type")),
        version: row.get::<&str, _>("event_version").parse().map_err(|_| broken("the version is no number"))?,
        payload: row.get::<&str, _>("payload").into(),
        metadata: row.get::<&str, _>("metadata").into(),
        key,
        time: row.get::<OffsetDateTime, _>("time").into(),
        previous: last.hash,
        hash: hash(row)?,
    })
}

fn hash(row: &PgRow) -> Result<Hash, Error> {
    let bytes: &[u8] = row.get("hash");
    bytes.try_into().map(Hash).map_err(|_| Error::Unfit("a stored hash has not 32 bytes".to_owned()))
}
