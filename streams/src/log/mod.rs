//! The log in PostgreSQL: take a lane over, append under its epoch, read it verified.
//!
//! Tried, both orders of the race: an append is one autocommit statement that locks the lane's row and compares
//! the epoch; a takeover updates that row, so it waits for an append in flight and shuts out later ones. The head
//! is read by the statement *after* the takeover: its own RETURNING would tell of an older snapshot.

mod append;
mod read;
mod store;

use crate::{Draft, Error, Lane, Lanes, Link, Record, keyring::Keyring};
use natter_domain::Timestamp;
use sqlx::{PgPool, postgres::PgConnectOptions};
use std::{str::FromStr, sync::Arc, time::Duration};
use store::{READERS, WRITERS, check_durability, installed_lanes, pool};
use uuid::Uuid;

/// The server's own limit says nothing when its answer never arrives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The right to append to a lane, until somebody takes it over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ownership {
    pub lane: Lane,
    pub epoch: i64,
    pub incarnation: Uuid,
}

/// The newest event of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub link: Link,
    /// No later event of the lane may be stamped earlier.
    pub time: Timestamp,
}

/// How an append ended.
#[derive(Debug)]
pub enum Appended {
    Durable,
    /// Somebody else owns the lane now, or its head is not where we thought: nothing was stored.
    Fenced,
    /// One command's key is in the log already: nothing was stored.
    Repeated,
    /// The outcome is not known until the lane has been taken over again.
    Unknown(sqlx::Error),
}

/// The event store.
#[derive(Clone)]
pub struct Log {
    writers: PgPool,
    readers: PgPool,
    lanes: Lanes,
}

impl Log {
    /// Connects, checks that this PostgreSQL keeps what it acknowledges, and that the log has as many lanes as
    /// asked for. `lanes` counts at an installation's first start; later it must agree or be `None`.
    pub async fn connect(url: &str, lanes: Option<u16>) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::database("read the database url"))?;
        // Asked before each use whether they still live, so that a restart of PostgreSQL fails no read. Writers are not:
        // a round trip per append would cost more than the append that is settled now and then.
        let readers = pool(READERS, &options, "natter readers", true).await?;
        check_durability(&readers).await?;
        let lanes = installed_lanes(&readers, lanes).await?;
        let writers = pool(WRITERS, &options, "natter writers", false).await?;
        Ok(Self { writers, readers, lanes })
    }

    /// Refuses another installation's key, with which everything sealed would look erased.
    pub async fn check_key(&self, keyring: &Keyring) -> Result<(), Error> {
        let stored: Vec<u8> =
            sqlx::query_scalar("UPDATE installation SET key_check = coalesce(key_check, $1) RETURNING key_check")
                .bind(&keyring.check()[..])
                .fetch_one(&self.readers)
                .await
                .map_err(Error::database("compare the installation's key"))?;
        if stored == keyring.check() {
            return Ok(());
        }
        Err(Error::Unfit("this is not the key that the log was sealed with".to_owned()))
    }

    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Connections to the first server, for what stands beside the log: checkpoints, tables of projections, the leases
    /// of readers.
    pub fn pool(&self) -> &PgPool {
        &self.readers
    }

    /// Connections for reading from the server that holds the lane: its events and its row.
    pub fn lane_pool(&self, _lane: Lane) -> &PgPool {
        &self.readers
    }

    /// Connections for writing to the server that holds the lane. They are few: nothing may wait on one of them.
    pub fn lane_writers(&self, _lane: Lane) -> &PgPool {
        &self.writers
    }

    /// Loads a lane's aggregates the way `postgres-es` does.
    pub fn repository(&self, lane: Lane) -> postgres_es::PostgresEventRepository {
        postgres_es::PostgresEventRepository::new(self.lane_pool(lane).clone())
    }
}

/// What the lane waits for must not wait for a server that has vanished without a word.
async fn answered<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(ANSWER_TIMEOUT, statement).await.unwrap_or_else(late)
}

/// Decided events, numbered and chained behind `base`.
pub fn chain(base: &Link, drafts: impl IntoIterator<Item = Draft>) -> Vec<Arc<Record>> {
    let mut last = *base;
    drafts
        .into_iter()
        .map(|draft| {
            let record = draft.record(&last);
            last = record.link();
            Arc::new(record)
        })
        .collect()
}
