//! Connections to PostgreSQL: few for the projectors, which batch; others for queries, so that neither starves. Those of a
//! generation find its tables alone: where they are gone, a statement fails and does not read another generation's.

use crate::{
    Error,
    generation::{Entry, State},
    message::scylla,
};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use uuid::Uuid;

/// A projector's commit does not wait for the disk: its rows and its checkpoint are one transaction, so a crash of
/// PostgreSQL takes both or none, and what it takes is read from the log again. The log itself never does this. A
/// projector that has vanished must not sit on its checkpoint: whoever comes next would wait for it for hours.
const WRITING: &str = "SET synchronous_commit = off; SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '5s'; SET client_connection_check_interval = '1s'";

/// A projector's transaction is given up after this: long enough for one that only waits for a slow disk, which would be
/// begun anew for ever otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const READING: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'";

/// What connections are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// Not asked before each use whether they still live: a round trip per transaction costs more than the try that a
    /// restart of PostgreSQL fails.
    Projectors,
    Queries,
}

impl Use {
    const fn name(self) -> &'static str {
        match self {
            Self::Projectors => "projectors",
            Self::Queries => "queries",
        }
    }

    /// Of one generation, of which a process reads two; and of what belongs to none.
    const fn size(self, has_generation: bool) -> u32 {
        match (self, has_generation) {
            (Self::Projectors, true) => 4,
            (Self::Queries, true) => 7,
            (_, false) => 2,
        }
    }
}

/// How `natter queries history@2` is called in PostgreSQL's list of connections; without a generation, what belongs to
/// none. Who drops a generation looks there for those that still read it.
pub(crate) fn application(of: Use, entry: Option<&Entry>) -> String {
    entry.map_or_else(|| format!("natter {}", of.name()), |entry| format!("natter {} {}", of.name(), entry.reader()))
}

/// The way to the first PostgreSQL, and to the cluster of message history where there is one; a cheap handle.
#[derive(Clone)]
pub(crate) struct Entrance {
    url: Arc<str>,
    first: Arc<OnceLock<(Uuid, Uuid)>>,
    cluster: Option<Arc<scylla::Settings>>,
}

impl Entrance {
    pub(crate) fn new(url: &str, cluster: Option<&scylla::Settings>) -> Self {
        Self { url: url.into(), first: Arc::default(), cluster: cluster.cloned().map(Arc::new) }
    }

    /// Of a generation of message history: each has its own.
    pub(crate) fn keyspace(&self, entry: &Entry) -> Result<scylla::Settings, Error> {
        let unknown =
            || Error::Generation(format!("{} is in a CQL cluster: name its nodes in NATTER_CQL_NODES", entry.reader()));
        let cluster = self.cluster.as_deref().ok_or_else(unknown)?;
        Ok(scylla::Settings { keyspace: format!("{}_{}", cluster.keyspace, entry.generation), ..cluster.clone() })
    }

    /// Connections for one use, to the tables of a generation, or to those that belong to none.
    pub(crate) async fn connect(&self, of: Use, entry: Option<&Entry>) -> Result<PgPool, Error> {
        let entry = entry.cloned();
        let name = application(of, entry.as_ref());
        let schema = entry.as_ref().map_or_else(|| "public".to_owned(), Entry::schema);
        let settings = match of {
            Use::Projectors => WRITING,
            Use::Queries => READING,
        };
        let settings: Arc<str> = format!("{settings}; SET search_path = {schema}").into();
        let first = self.first.clone();
        PgPoolOptions::new()
            .max_connections(of.size(entry.is_some()))
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(of == Use::Queries)
            .after_connect(move |connection, _| {
                let (first, settings, entry) = (Arc::clone(&first), Arc::clone(&settings), entry.clone());
                Box::pin(async move {
                    connection.execute(&*settings).await?;
                    leads_where_the_first_did(connection, &first).await?;
                    match entry {
                        Some(entry) => is_there(connection, &entry).await,
                        None => Ok(()),
                    }
                })
            })
            .connect_with(self.options()?.application_name(&name))
            .await
            .map_err(Error::database("connect to PostgreSQL"))
    }

    /// One connection without limits of time, for an operator's command.
    pub(crate) async fn alone(&self, name: &str) -> Result<PgConnection, Error> {
        let options = self.options()?.application_name(name);
        PgConnection::connect_with(&options).await.map_err(Error::database("connect to PostgreSQL"))
    }

    fn options(&self) -> Result<PgConnectOptions, Error> {
        PgConnectOptions::from_str(&self.url).map_err(Error::database("read the database url"))
    }
}

/// A connection is seen by who drops its generation, or sees here that it is dropped.
async fn is_there(connection: &mut PgConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    let gone = "SELECT state IN ($3, $4) FROM public.projection_generation WHERE projection = $1 AND generation = $2";
    let row = sqlx::query(gone)
        .bind(entry.projection.as_str())
        .bind(entry.generation.number() as i32)
        .bind(State::Dropping.as_str())
        .bind(State::Dropped.as_str())
        .fetch_one(connection)
        .await?;
    if row.get(0) { Err(sqlx::Error::Configuration("this generation was dropped".into())) } else { Ok(()) }
}

/// An address may lead to another server tomorrow, with other people's rows under the same ids of lanes.
async fn leads_where_the_first_did(
    connection: &mut PgConnection,
    first: &OnceLock<(Uuid, Uuid)>,
) -> Result<(), sqlx::Error> {
    let found =
        sqlx::query_as("SELECT installation_id, store_id FROM public.installation").fetch_one(connection).await?;
    if *first.get_or_init(|| found) == found {
        return Ok(());
    }
    Err(sqlx::Error::Configuration("this is not the database that the read side was opened on".into()))
}
