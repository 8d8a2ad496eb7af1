//! Taking a lane over, and appending under its epoch.

use super::{Appended, Head, Log, Ownership};
use crate::{Error, Lane, Record, fault, lease::TERM};
use sqlx::{PgConnection, Postgres, Row, postgres::PgArguments, query::Query, types::time::OffsetDateTime};
use std::sync::Arc;

pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// What a server says whose disk is full.
const DISK_FULL: &str =
    "DO $$ BEGIN RAISE EXCEPTION 'no space left (a fault point)' USING ERRCODE = 'disk_full'; END $$";

const APPEND: &str = "
    WITH fence AS (SELECT lane FROM lanes WHERE lane = $1 AND epoch = $2 FOR NO KEY UPDATE)
    INSERT INTO events (lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                        payload, metadata, command_key, fingerprint, time, hash)
    SELECT fence.lane, row.position, row.event_id, row.aggregate_type, row.aggregate_id, row.sequence, row.event_type,
           row.event_version, row.payload::json, row.metadata::json, row.command_key, row.fingerprint, row.time, row.hash
    FROM fence,
         UNNEST($4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[],
                $12::text[], $13::uuid[], $14::bytea[], $15::timestamptz[], $16::bytea[])
         AS row(position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
                metadata, command_key, fingerprint, time, hash)
    WHERE coalesce((SELECT position FROM events WHERE lane = $1 ORDER BY position DESC LIMIT 1), 0) = $3";

impl Log {
    /// Makes `owner` the owner of the lane, whoever has it: for tools and tests; nodes that share lanes take them by
    /// [`crate::lease`]. Waits for an append in flight; later ones of the old owner are fenced. As nobody renews it,
    /// the lane is free again after a default term.
    pub async fn take_over(&self, lane: Lane, owner: &str) -> Result<(Ownership, Head), Error> {
        let take = sqlx::query(
            "UPDATE lanes SET epoch = epoch + 1, owner = $2, expires_at = now() + make_interval(secs => $3)
             WHERE lane = $1 RETURNING epoch, incarnation",
        )
        .bind(lane.number())
        .bind(owner)
        .bind(TERM.as_secs_f64());
        let take = async |connection: &mut PgConnection| take.fetch_one(connection).await;
        let row =
            self.ask(lane, self.lane_writers(lane), take).await.map_err(Error::lane("take over the row", lane))?;
        let ownership = Ownership { lane, epoch: row.get("epoch"), incarnation: row.get("incarnation") };
        let head = self.head(lane, ownership.incarnation).await?;
        Ok((ownership, head))
    }

    /// Takes our own lane over again, to settle an append of unknown outcome: the statement waits for an orphan
    /// that still runs, or shuts it out. `None`: the lane is not ours any more.
    pub async fn retake(&self, before: &Ownership, owner: &str) -> Result<Option<(Ownership, Head)>, Error> {
        // `owner = $2` lets a retake whose own answer was lost be repeated.
        let retake = sqlx::query_scalar(
            "UPDATE lanes SET epoch = epoch + 1 WHERE lane = $1 AND owner = $2 AND epoch >= $3 RETURNING epoch",
        )
        .bind(before.lane.number())
        .bind(owner)
        .bind(before.epoch);
        let retake = async |connection: &mut PgConnection| retake.fetch_optional(connection).await;
        let writers = self.lane_writers(before.lane);
        let epoch =
            self.ask(before.lane, writers, retake).await.map_err(Error::lane("take over again", before.lane))?;
        let Some(epoch) = epoch else { return Ok(None) };
        Ok(Some((Ownership { epoch, ..*before }, self.head(before.lane, before.incarnation).await?)))
    }

    /// Stores a batch behind `base`, wholly or not at all, if the epoch is still ours.
    pub async fn append(&self, ownership: &Ownership, base: u64, batch: &[Arc<Record>]) -> Appended {
        let insert = async |connection: &mut PgConnection| insert(connection, ownership, base, batch).await;
        match self.ask(ownership.lane, self.lane_writers(ownership.lane), insert).await {
            Ok(rows) if rows == batch.len() as u64 => Appended::Durable,
            Ok(_) => Appended::Fenced,
            Err(error) if is_repeated_key(&error) => Appended::Repeated,
            Err(error) => Appended::Unknown(Arc::new(error)),
        }
    }

    /// Whether the lane is still ours and ends where we left it. Asked after a decision, it proves that nobody had
    /// written before it, and that what it rests on is still stored.
    pub async fn still_owns(&self, ownership: &Ownership, base: u64) -> Result<bool, sqlx::Error> {
        const STILL: &str = "SELECT EXISTS (SELECT FROM lanes WHERE lane = $1 AND epoch = $2)
            AND coalesce((SELECT position FROM events WHERE lane = $1 ORDER BY position DESC LIMIT 1), 0) = $3";
        let owns = sqlx::query_scalar(STILL).bind(ownership.lane.number()).bind(ownership.epoch).bind(base as i64);
        let owns = async |connection: &mut PgConnection| owns.fetch_one(connection).await;
        self.ask(ownership.lane, self.lane_writers(ownership.lane), owns).await
    }
}

/// A fault point: the server refuses, as one whose disk is full.
pub(super) async fn refuse_as_told(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if fault::fails("log.append") {
        sqlx::query(DISK_FULL).execute(connection).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    ownership: &Ownership,
    base: u64,
    batch: &[Arc<Record>],
) -> Result<u64, sqlx::Error> {
    let records: Vec<&Record> = batch.iter().map(|record| &**record).collect();
    refuse_as_told(connection).await?;
    let append = sqlx::query(APPEND).bind(ownership.lane.number()).bind(ownership.epoch).bind(base as i64);
    Ok(bind_rows(append, &records).execute(connection).await?.rows_affected())
}

/// The events' rows, a column at a time: position, event_id, aggregate_type, aggregate_id, sequence, event_type,
/// event_version, payload, metadata, command_key, fingerprint, time, hash.
pub(super) fn bind_rows<'q>(query: Statement<'q>, records: &[&'q Record]) -> Statement<'q> {
    fn column<'q, T>(records: &[&'q Record], field: impl Fn(&'q Record) -> T) -> Vec<T> {
        records.iter().map(|record| field(record)).collect()
    }
    query
        .bind(column(records, |record| record.position as i64))
        .bind(column(records, |record| record.event_id.0))
        .bind(column(records, |record| record.noun.as_str()))
        .bind(column(records, |record| record.aggregate_id.to_string()))
        .bind(column(records, |record| record.sequence as i64))
        .bind(column(records, |record| &*record.event_type))
        .bind(column(records, |record| record.version.to_string()))
        .bind(column(records, |record| &*record.payload))
        .bind(column(records, |record| &*record.metadata))
        .bind(column(records, |record| record.key.map(|key| key.key)))
        .bind(column(records, |record| record.key.as_ref().map(|key| &key.fingerprint[..])))
        .bind(column(records, |record| OffsetDateTime::from(record.time)))
        .bind(column(records, |record| &record.hash.0[..]))
}

fn is_repeated_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some("events_command_key"))
}
