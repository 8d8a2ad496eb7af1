//! Connections to PostgreSQL: few for the projectors, which batch; others for queries, so that neither starves.

use crate::Error;
use sqlx::{
    Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use uuid::Uuid;

const PROJECTORS: u32 = 6;
const QUERIES: u32 = 10;

/// A projector's commit does not wait for the disk: its rows and its checkpoint are one transaction, so a crash of
/// PostgreSQL takes both or none, and what it takes is read from the log again. The log itself never does this. A
/// projector that has vanished must not sit on its checkpoint: whoever comes next would wait for it for hours.
const WRITING: &str = "SET synchronous_commit = off; SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '5s'; SET client_connection_check_interval = '1s'";

/// A projector's transaction is given up after this: long enough for one that only waits for a slow disk, which would be
/// begun anew for ever otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const READING: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'";

/// Not asked before each use whether they still live: a round trip per transaction costs more than the try that a
/// restart of PostgreSQL fails.
pub(crate) async fn projectors(url: &str) -> Result<PgPool, Error> {
    connect(url, "natter projectors", PROJECTORS, WRITING, false).await
}

pub(crate) async fn queries(url: &str) -> Result<PgPool, Error> {
    connect(url, "natter queries", QUERIES, READING, true).await
}

async fn connect(url: &str, name: &str, size: u32, settings: &'static str, tested: bool) -> Result<PgPool, Error> {
    let options = PgConnectOptions::from_str(url).map_err(Error::database("read the database url"))?;
    let first = Arc::default();
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(tested)
        .after_connect(move |connection, _| {
            let first = Arc::clone(&first);
            Box::pin(async move {
                connection.execute(settings).await?;
                leads_where_the_first_did(connection, &first).await
            })
        })
        .connect_with(options.application_name(name))
        .await
        .map_err(Error::database("connect to PostgreSQL"))
}

/// An address may lead to another server tomorrow, with other people's rows under the same ids of lanes.
async fn leads_where_the_first_did(
    connection: &mut PgConnection,
    first: &OnceLock<(Uuid, Uuid)>,
) -> Result<(), sqlx::Error> {
    let found = sqlx::query_as("SELECT installation_id, store_id FROM installation").fetch_one(connection).await?;
    if *first.get_or_init(|| found) == found {
        return Ok(());
    }
    Err(sqlx::Error::Configuration("this is not the database that the read side was opened on".into()))
}
