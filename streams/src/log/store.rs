//! One PostgreSQL server: its pools, and what a start demands of it.

use crate::{
    Error, Lanes,
    lane::{DEFAULT_COUNT, HASH},
};
use sqlx::{
    Executor, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::Duration;

/// Connections that append; PostgreSQL shares one fsync among those that commit together. More make thin batches.
pub(super) const WRITERS: u32 = 4;
pub(super) const READERS: u32 = 8;

/// An append that takes longer is given up, and its outcome settled by a takeover.
const STATEMENT_TIMEOUT: &str = "10s";

pub(super) async fn pool(size: u32, options: &PgConnectOptions, name: &str, tested: bool) -> Result<PgPool, Error> {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(tested)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // A paused client must not sit on a lane's lock, nor a dead one keep its backend.
                connection.execute("SET idle_in_transaction_session_timeout = '2s'").await?;
                connection.execute(format!("SET statement_timeout = '{STATEMENT_TIMEOUT}'").as_str()).await?;
                connection.execute("SET client_connection_check_interval = '1s'").await?;
                Ok(())
            })
        })
        .connect_with(options.clone().application_name(name))
        .await
        .map_err(Error::database("connect to PostgreSQL"))
}

/// Acknowledged means on disk: a server that is told otherwise is refused.
pub(super) async fn check_durability(pool: &PgPool) -> Result<(), Error> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await
            .map_err(Error::database("read PostgreSQL's settings"))?;
        if value == "off" {
            return Err(Error::Unfit(format!("PostgreSQL has {setting} = off: acknowledged messages could be lost")));
        }
    }
    Ok(())
}

/// The installation's lanes; made at the first start.
pub(super) async fn installed_lanes(pool: &PgPool, asked: Option<u16>) -> Result<Lanes, Error> {
    let count = asked.unwrap_or(DEFAULT_COUNT);
    let lanes = Lanes::new(count).ok_or_else(|| Error::Unfit(format!("{count} lanes: 1 to 256 are possible")))?;
    let first = sqlx::query("INSERT INTO installation (lanes, lane_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(count as i16)
        .bind(HASH)
        .execute(pool)
        .await
        .map_err(Error::database("write the installation's row"))?;
    let row = sqlx::query("SELECT lanes, lane_hash FROM installation")
        .fetch_one(pool)
        .await
        .map_err(Error::database("read the installation's row"))?;
    let (stored, stored_hash): (i16, String) = (row.get("lanes"), row.get("lane_hash"));
    if stored_hash != HASH || asked.is_some_and(|asked| asked as i16 != stored) {
        return Err(Error::Unfit(format!("the log has {stored} lanes by {stored_hash}, asked for {count} by {HASH}")));
    }
    let lanes = if first.rows_affected() == 1 { lanes } else { Lanes::new(stored as u16).unwrap_or(lanes) };
    for lane in lanes.iter() {
        sqlx::query(
            "INSERT INTO lanes (lane, incarnation, epoch, owner) VALUES ($1, $2, 0, '') ON CONFLICT DO NOTHING",
        )
        .bind(lane.number())
        .bind(crate::id::new())
        .execute(pool)
        .await
        .map_err(Error::lane("make the row", lane))?;
    }
    Ok(lanes)
}
