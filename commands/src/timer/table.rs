//! The table `timers`, in the PostgreSQL that holds the checkpoints.

use super::{Change, Due, NAME, Subject, Timer};
use crate::error::Error;
use natter_domain::Timestamp;
use natter_streams::{
    Lane, Link, Log, checkpoint,
    statement::{self, ANSWER_TIMEOUT},
};
use sqlx::{Connection, PgConnection, Row, types::time::OffsetDateTime};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a lane's events change, and the checkpoint with it.
pub(super) async fn write(log: &Log, changes: &BTreeMap<Subject, Change>, from: &Link, to: &Link) -> Result<(), Error> {
    let failed = || Error::failed::<sqlx::Error>("write timers");
    let written = async {
        let mut connection = statement::lend(log.pool()).await.map_err(failed())?;
        let mut transaction = connection.begin().await.map_err(failed())?;
        // On disk when it is committed, unlike views: a crash would take rows and checkpoint back together, but who has read
        // on would not look again, and nobody misses a timer. They are few, and written ten times a second at the most.
        // First, so that a second one waits here, and is refused before it has written anything.
        checkpoint::advance(&mut transaction, NAME, from, to).await?;
        end(&mut transaction, changes).await.map_err(failed())?;
        begin(&mut transaction, to.lane, changes).await?;
        transaction.commit().await.map_err(failed())?;
        connection.give_back();
        Ok(())
    };
    statement::within(ANSWER_TIMEOUT, failed(), written).await
}

async fn end(connection: &mut PgConnection, changes: &BTreeMap<Subject, Change>) -> Result<(), sqlx::Error> {
    let ended = changes.iter().filter(|(_, change)| matches!(change, Change::End(_)));
    let (kinds, ids): (Vec<&str>, Vec<Uuid>) = ended.map(|(subject, _)| (subject.kind, subject.id)).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM timers WHERE (kind, subject) IN (SELECT * FROM UNNEST($1::text[], $2::uuid[]))")
        .bind(kinds)
        .bind(ids)
        .execute(connection)
        .await
        .map(drop)
}

async fn begin(connection: &mut PgConnection, lane: Lane, changes: &BTreeMap<Subject, Change>) -> Result<(), Error> {
    let begun = changes.values().filter_map(|change| match change {
        Change::Begin(timer) => Some(timer),
        Change::End(_) => None,
    });
    let begun: Vec<&Timer> = begun.collect();
    if begun.is_empty() {
        return Ok(());
    }
    let subjects = begun.iter().map(|timer| timer.due.subject());
    let (kinds, subjects): (Vec<&str>, Vec<Uuid>) = subjects.map(|subject| (subject.kind, subject.id)).unzip();
    let payloads = begun.iter().map(|timer| serde_json::to_string(&timer.due));
    let payloads: Vec<String> = payloads.collect::<Result<_, _>>().map_err(Error::failed("encode a timer"))?;
    sqlx::query(
        "INSERT INTO timers (lane, id, kind, subject, due_at, payload, position)
         SELECT $1, row.id, row.kind, row.subject, row.due_at, row.payload::json, row.position
         FROM UNNEST($2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[], $7::bigint[])
              AS row(id, kind, subject, due_at, payload, position)
         ON CONFLICT (kind, subject) DO UPDATE
         SET lane = excluded.lane, id = excluded.id, due_at = excluded.due_at, payload = excluded.payload,
             position = excluded.position",
    )
    .bind(lane.number())
    .bind(begun.iter().map(|timer| timer.id).collect::<Vec<_>>())
    .bind(kinds)
    .bind(subjects)
    .bind(begun.iter().map(|timer| OffsetDateTime::from(timer.at)).collect::<Vec<_>>())
    .bind(payloads)
    .bind(begun.iter().map(|timer| timer.position as i64).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::failed("begin timers"))?;
    Ok(())
}

/// The ids of what is due, the oldest first, of one moment what was asked for first, and what is to be done: `None` where this binary does not know it.
pub(super) async fn due(
    log: &Log,
    lane: Lane,
    now: Timestamp,
    without: &[Uuid],
    limit: usize,
) -> Result<Vec<(Uuid, Option<Due>)>, Error> {
    let rows = sqlx::query(
        "SELECT id, payload::text AS payload FROM timers WHERE lane = $1 AND due_at <= $2 AND id <> ALL($3)
         ORDER BY due_at, position LIMIT $4",
    )
    .bind(lane.number())
    .bind(OffsetDateTime::from(now))
    .bind(without)
    .bind(limit as i64)
    .fetch_all(statement::bounded(log.pool()))
    .await
    .map_err(Error::failed("look what is due"))?;
    Ok(rows.iter().map(|row| (row.get("id"), serde_json::from_str(row.get("payload")).ok())).collect())
}

/// When the next one is due.
pub(super) async fn next(log: &Log, lane: Lane, without: &[Uuid]) -> Result<Option<Timestamp>, Error> {
    let next: Option<OffsetDateTime> =
        sqlx::query_scalar("SELECT min(due_at) FROM timers WHERE lane = $1 AND id <> ALL($2)")
            .bind(lane.number())
            .bind(without)
            .fetch_one(statement::bounded(log.pool()))
            .await
            .map_err(Error::failed("look what is due next"))?;
    Ok(next.map(Timestamp::from))
}

pub(super) async fn delete(log: &Log, ids: &[Uuid]) -> Result<(), Error> {
    let deleted =
        sqlx::query("DELETE FROM timers WHERE id = ANY($1)").bind(ids).execute(statement::bounded(log.pool())).await;
    deleted.map(drop).map_err(Error::failed("remove a timer"))
}
