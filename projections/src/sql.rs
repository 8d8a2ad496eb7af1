//! Connections to PostgreSQL: few for the projectors, which batch; others for queries, so that neither starves.

use crate::Error;
use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

const PROJECTORS: u32 = 6;
const QUERIES: u32 = 10;

/// A projector's commit does not wait for the disk: its rows and its checkpoint are one transaction, so a crash of
/// PostgreSQL takes both or none, and what it takes is read from the log again. The log itself never does this.
const WRITING: &str = "SET synchronous_commit = off; SET statement_timeout = '60s'";

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
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(tested)
        .after_connect(move |connection, _| Box::pin(async move { connection.execute(settings).await.map(|_| ()) }))
        .connect_with(options.application_name(name))
        .await
        .map_err(Error::database("connect to PostgreSQL"))
}
