//! One PostgreSQL server: its pools, and what every new connection to it demands.

use super::{group::Group, installation::Identity};
use crate::Error;
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Connections that append; PostgreSQL shares one fsync among those that commit together. More make thin batches.
const WRITERS: u32 = 4;
const READERS: u32 = 8;
/// What may wait for somebody's row (`lease::board`), and one more.
const LEASES: u32 = 5;

/// An append that takes longer is given up, and its outcome settled by a takeover. A paused client must not sit on a
/// lane's lock, nor a dead one keep its backend.
const SESSION: &str = "SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '2s';
    SET client_connection_check_interval = '1s'";

/// How long a statement waits for a connection, and a start for a server that is just starting too.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// How long a server that did not answer is spared what need not be asked.
const REST: Duration = Duration::from_secs(5);

/// For finding out why a pool has no connection.
const DIAGNOSIS: Duration = Duration::from_secs(2);

const DURABILITY: &str = "SELECT name FROM UNNEST(ARRAY['fsync', 'full_page_writes', 'synchronous_commit']) AS name
    WHERE current_setting(name) = 'off'";

/// A server that is reached and keeps what it acknowledges, before it is known what it holds.
pub(super) struct Reached {
    pub name: Arc<str>,
    pub connection: PgConnection,
    options: PgConnectOptions,
}

/// A server of the log.
pub(super) struct Store {
    /// `host:port/database`, for people.
    pub name: Arc<str>,
    pub identity: Identity,
    pub readers: PgPool,
    pub writers: PgPool,
    /// What waits for one of them.
    pub group: Group,
    /// Made when they are first needed: not every process shares lanes.
    pub leases: PgPool,
    options: PgConnectOptions,
    resting: Mutex<Option<Instant>>,
}

impl Reached {
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::database("read the database url"))?;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let name = format!("{}:{}/{database}", options.get_host(), options.get_port());
        let name: Arc<str> = name.into();
        let options = options.application_name("natter start");
        let mut connection = first_connection(&options).await.map_err(Error::store("connect to PostgreSQL", &name))?;
        check_durability(&mut connection).await.map_err(|error| unfit(&name, error))?;
        Ok(Self { name, connection, options })
    }

    /// Opens the pools: their connections take nothing but this very database.
    pub async fn open(self, identity: Identity) -> Result<Store, Error> {
        let Self { name, connection, options } = self;
        let _ = connection.close().await;
        // Asked before each use whether they still live, so that a restart of PostgreSQL fails no read. Writers are not:
        // a round trip per append would cost more than the append that is settled now and then.
        let open = async |size, role: &str, tested| {
            let pool = pool(size, identity).test_before_acquire(tested);
            let opened = pool.connect_with(options.clone().application_name(role)).await;
            opened.map_err(Error::store("connect to PostgreSQL", &name))
        };
        let readers = open(READERS, "natter readers", true).await?;
        let writers = open(WRITERS, "natter writers", false).await?;
        let leasing = options.clone().application_name("natter leases");
        let leases = pool(LEASES, identity).connect_lazy_with(leasing);
        let group = Group::new(WRITERS as usize);
        Ok(Store { name, identity, readers, writers, group, leases, options, resting: Mutex::default() })
    }
}

impl Store {
    /// Not to be asked what need not be asked.
    pub fn rests(&self) -> bool {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    pub fn rest(&self) {
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    /// A pool that has no connection says nothing more than that: asks the server why. What else failed is left as it is.
    pub async fn explained(&self, error: sqlx::Error) -> sqlx::Error {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return error;
        }
        let why = tokio::time::timeout(DIAGNOSIS, try_once(&self.options, &self.identity)).await;
        match why {
            Ok(Err(why)) => why,
            Ok(Ok(())) => error,
            Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn try_once(options: &PgConnectOptions, identity: &Identity) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    check(&mut connection, identity).await?;
    connection.close().await
}

/// A server that starts at the same time as we do is waited for.
async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if !crate::error::is_passing(&error) || begun.elapsed() > PATIENCE => return Err(error),
            Ok(Err(_)) => tokio::time::sleep(PAUSE).await,
            Err(_) => return Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// A server that comes back may have been started with other settings, and an address may lead to another server
/// tomorrow: each new connection is checked.
fn pool(size: u32, identity: Identity) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(size).acquire_timeout(PATIENCE).after_connect(move |connection, _| {
        Box::pin(async move {
            connection.execute(SESSION).await?;
            check(connection, &identity).await
        })
    })
}

async fn check(connection: &mut PgConnection, identity: &Identity) -> Result<(), sqlx::Error> {
    check_durability(connection).await?;
    let row = sqlx::query("SELECT installation_id, store_id FROM installation").fetch_optional(connection).await?;
    if row.is_some_and(|row| (row.get(0), row.get(1)) == (identity.installation, identity.store)) {
        return Ok(());
    }
    Err(refused("this is not the database that the log was opened on".to_owned()))
}

/// Acknowledged means on disk: a server that is told otherwise is refused.
async fn check_durability(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let off: Option<String> = sqlx::query_scalar(DURABILITY).fetch_optional(connection).await?;
    match off {
        Some(setting) => Err(refused(format!("PostgreSQL has {setting} = off: acknowledged messages could be lost"))),
        None => Ok(()),
    }
}

fn refused(why: String) -> sqlx::Error {
    sqlx::Error::Configuration(why.into())
}

fn unfit(name: &str, error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Configuration(why) => Error::Unfit(format!("{name}: {why}")),
        error => Error::store("read PostgreSQL's settings", name)(error),
    }
}
