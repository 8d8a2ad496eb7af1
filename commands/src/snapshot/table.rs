//! The table `snapshots`, and what may be believed of a row in it.

use crate::error::Error;
use natter_domain::{Decider, Noun};
use natter_streams::{
    Hash, Lane, Link, Log, Record,
    statement::{self, ANSWER_TIMEOUT},
};
use sqlx::{Connection, Row};
use uuid::Uuid;

/// What is stored of an aggregate.
pub(super) struct Found {
    /// The number of its newest event; 0 where there is none.
    pub newest: u64,
    pub snapshot: Option<Stored>,
}

/// A row, not yet believed.
pub(super) struct Stored {
    pub sequence: u64,
    version: i32,
    state: String,
    checksum: Vec<u8>,
    /// The event that the row ends with is in the log, there, with that hash: the checksum covers it.
    hash: Option<Hash>,
    /// Tells this row from any that takes its place.
    pub row_version: String,
}

pub(super) async fn find(log: &Log, lane: Lane, noun: Noun, id: Uuid) -> Result<Found, Error> {
    let row = sqlx::query(
        // No join, and no max(): a plan that was made while the table was small would read all of the aggregate's events.
        "SELECT (SELECT sequence FROM events WHERE aggregate_type = $1 AND aggregate_id = $2
                 ORDER BY sequence DESC LIMIT 1) AS newest,
                snapshots.sequence, state_version, state::text AS state, checksum, snapshots.xmin::text AS row_version,
                (SELECT events.hash FROM events
                 WHERE aggregate_type = $1 AND aggregate_id = $2 AND events.sequence = snapshots.sequence
                   AND (events.lane, events.position, events.hash)
                     = (snapshots.lane, snapshots.position, snapshots.hash)) AS hash
         FROM (VALUES (true)) AS one (row)
         LEFT JOIN snapshots ON snapshots.aggregate_type = $1 AND snapshots.aggregate_id = $2",
    )
    .bind(noun.as_str())
    .bind(id.to_string())
    .fetch_one(statement::bounded(log.lane_pool(lane)))
    .await
    .map_err(failed("look for a snapshot", lane))?;
    let snapshot = row.get::<Option<i64>, _>("sequence").map(|sequence| Stored {
        sequence: sequence as u64,
        version: row.get("state_version"),
        state: row.get("state"),
        checksum: row.get("checksum"),
        hash: row.get::<Option<&[u8]>, _>("hash").and_then(|hash| hash.try_into().ok()).map(Hash),
        row_version: row.get("row_version"),
    });
    Ok(Found { newest: row.get::<Option<i64>, _>("newest").unwrap_or(0) as u64, snapshot })
}

impl Stored {
    /// The state that it holds, or why it counts for nothing.
    pub fn state<D: Decider>(&self) -> Result<D::State, &'static str> {
        if self.version != D::STATE_VERSION as i32 {
            return Err("version");
        }
        let Some(hash) = self.hash else { return Err("not_of_this_log") };
        if self.checksum != checksum(&hash, &self.state) {
            return Err("damaged");
        }
        serde_json::from_str(&self.state).map_err(|_| "unreadable")
    }
}

/// Stores what the aggregate of `last` remembers with that event, in the place of the row that was found. False: that row
/// is not there any more, somebody else has put another one. Nobody waits for the disk: a snapshot is never needed.
pub(super) async fn put<D: Decider>(
    log: &Log,
    last: &Record,
    state: &D::State,
    replaced: Option<&Stored>,
) -> Result<bool, Error> {
    let state = serde_json::to_string(state).map_err(Error::failed("encode a snapshot"))?;
    let done = sqlx::query(
        "INSERT INTO snapshots AS mine (aggregate_type, aggregate_id, sequence, lane, position, hash, state_version, state,
                                        checksum)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8::json, $9
         FROM (SELECT set_config('synchronous_commit', 'off', true) AS durability) quick
         ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE
         SET sequence = $3, lane = $4, position = $5, hash = $6, state_version = $7, state = $8::json, checksum = $9
         WHERE mine.xmin::text = $10",
    )
    .bind(last.noun.as_str())
    .bind(last.aggregate_id.to_string())
    .bind(last.sequence as i64)
    .bind(last.lane.number())
    .bind(last.position as i64)
    .bind(&last.hash.0[..])
    .bind(D::STATE_VERSION as i32)
    .bind(&state)
    .bind(checksum(&last.hash, &state))
    .bind(replaced.map(|stored| &*stored.row_version))
    .execute(statement::bounded(log.lane_pool(last.lane)))
    .await
    .map_err(failed("store a snapshot", last.lane))?;
    Ok(done.rows_affected() == 1)
}

/// Over the place in the log as well: a state under another event's name is no snapshot.
fn checksum(hash: &Hash, state: &str) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&hash.0).update(state.as_bytes());
    hasher.finalize().as_bytes().to_vec()
}

/// Removes the checkpoints that projectors of other states left in the lane.
pub(super) async fn forget_checkpoints_but(log: &Log, name: &str, lane: Lane) -> Result<(), Error> {
    sqlx::query("DELETE FROM checkpoints WHERE projection LIKE 'snapshot.%' AND projection <> $1 AND lane = $2")
        .bind(name)
        .bind(lane.number())
        .execute(statement::bounded(log.pool()))
        .await
        .map_err(failed("remove old checkpoints of snapshots", lane))?;
    Ok(())
}

pub(super) async fn forget_checkpoint(log: &Log, name: &str, lane: Lane) -> Result<(), Error> {
    sqlx::query("DELETE FROM checkpoints WHERE projection = $1 AND lane = $2")
        .bind(name)
        .bind(lane.number())
        .execute(statement::bounded(log.pool()))
        .await
        .map_err(failed("remove a checkpoint of snapshots", lane))?;
    Ok(())
}

/// Moves the checkpoint; it may lag behind the snapshots, for making one twice changes nothing.
pub(super) async fn advance(log: &Log, name: &'static str, from: &Link, to: &Link) -> Result<(), Error> {
    let failed = || failed("move a checkpoint", to.lane);
    let moved = async {
        let mut connection = statement::lend(log.pool()).await.map_err(failed())?;
        let mut transaction = connection.begin().await.map_err(failed())?;
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await.map_err(failed())?;
        natter_streams::checkpoint::advance(&mut transaction, name, from, to).await?;
        transaction.commit().await.map_err(failed())?;
        connection.give_back();
        Ok(())
    };
    statement::within(ANSWER_TIMEOUT, failed(), moved).await
}

/// As the log says it, so that a server that is gone for a moment is told from one that is broken.
fn failed(what: &'static str, lane: Lane) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| natter_streams::Error::Lane { what, lane, source }.into()
}

/// Removes the aggregate's snapshot: a state that must not be remembered.
pub(super) async fn remove(log: &Log, lane: Lane, noun: Noun, id: Uuid) -> Result<(), Error> {
    sqlx::query("DELETE FROM snapshots WHERE aggregate_type = $1 AND aggregate_id = $2")
        .bind(noun.as_str())
        .bind(id.to_string())
        .execute(statement::bounded(log.lane_pool(lane)))
        .await
        .map_err(failed("remove a snapshot", lane))?;
    Ok(())
}
