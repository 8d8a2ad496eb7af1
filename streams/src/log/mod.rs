//! The log in PostgreSQL: take a lane over, append under its epoch, read it verified.
//!
//! Tried, both orders of the race: an append is one autocommit statement that locks the lane's row and compares
//! the epoch; a takeover updates that row, so it waits for an append in flight and shuts out later ones. The head
//! is read by the statement *after* the takeover: its own RETURNING would tell of an older snapshot.

mod append;
mod group;
mod installation;
mod keys;
mod places;
mod read;
mod seams;
mod store;

use crate::{Draft, Error, Lane, Lanes, Link, Record, keyring::Keyring, placement::Placement, statement};
use natter_domain::Timestamp;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use store::{Reached, Store};
use uuid::Uuid;

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
    /// Somebody else owns the lane now, or its head is not where we left it: nothing was stored.
    Fenced,
    /// One command's key is in the log already: nothing was stored.
    Repeated,
    /// The outcome is not known until the lane has been taken over again.
    Unknown(Arc<sqlx::Error>),
}

/// The event store: one PostgreSQL server, or several that share the lanes. Each lane has its events and its row on one
/// of them, so no transaction ever spans two, and the loss of one stops its own lanes only.
#[derive(Clone)]
pub struct Log {
    /// The first one first.
    stores: Arc<[Store]>,
    /// By the lane's number.
    homes: Arc<[usize]>,
    lanes: Lanes,
}

impl Log {
    /// [`Self::open`] on one server.
    pub async fn connect(url: &str, lanes: Option<u16>) -> Result<Self, Error> {
        Self::open(&Placement::one(url), lanes).await
    }

    /// Connects to every server, checks that it keeps what it acknowledges, that all are of one installation, that each
    /// lane is where it is placed, and that the log has as many lanes as asked for. `lanes` counts at an
    /// installation's first start; later it must agree or be `None`.
    pub async fn open(placement: &Placement, lanes: Option<u16>) -> Result<Self, Error> {
        let mut reached = Vec::new();
        for url in placement.urls() {
            reached.push(Reached::connect(url).await?);
        }
        let (lanes, identities) = installation::agree(&mut reached, lanes).await?;
        let homes = places::settle(&mut reached, &identities, placement, lanes).await?;
        let opening = reached.into_iter().zip(identities).map(|(store, identity)| store.open(identity));
        let stores = futures::future::try_join_all(opening).await?;
        Ok(Self { stores: stores.into(), homes: homes.into(), lanes })
    }

    /// Refuses another installation's key, with which everything sealed would look erased.
    pub async fn check_key(&self, keyring: &Keyring) -> Result<(), Error> {
        for store in &*self.stores {
            let stored: Vec<u8> =
                sqlx::query_scalar("UPDATE installation SET key_check = coalesce(key_check, $1) RETURNING key_check")
                    .bind(&keyring.check()[..])
                    .fetch_one(statement::bounded(&store.readers))
                    .await
                    .map_err(Error::store("compare the installation's key on", &store.name))?;
            if stored != keyring.check() {
                return Err(Error::Unfit("this is not the key that the log was sealed with".to_owned()));
            }
        }
        Ok(())
    }

    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Connections to the first server, for what stands beside the log: checkpoints, tables of projections, the leases
    /// of readers.
    pub fn pool(&self) -> &PgPool {
        &self.stores[0].readers
    }

    /// Connections for reading from the server that holds the lane: its events and its row.
    pub fn lane_pool(&self, lane: Lane) -> &PgPool {
        &self.store(lane).readers
    }

    /// Connections for writing to the server that holds the lane. They are few: nothing may wait on one of them.
    pub fn lane_writers(&self, lane: Lane) -> &PgPool {
        &self.store(lane).writers
    }

    /// The lanes of each server that has any: one query of [`Self::lane_pool`] tells of all of them.
    pub(crate) fn lanes_by_server(&self) -> Vec<Vec<Lane>> {
        let mut servers = vec![Vec::new(); self.stores.len()];
        for lane in self.lanes.iter() {
            servers[self.row_store(lane)].push(lane);
        }
        servers.retain(|lanes| !lanes.is_empty());
        servers
    }

    /// Connections for leases that are not a lane's row: to the first server.
    pub(crate) fn lease_pool(&self) -> &PgPool {
        &self.stores[0].leases
    }

    /// Connections for the lane's row.
    pub(crate) fn row_pool(&self, lane: Lane) -> &PgPool {
        &self.store(lane).leases
    }

    /// Each server that holds lanes, to be asked once for all of them.
    pub(crate) fn row_pools(&self) -> Vec<&PgPool> {
        self.stores.iter().map(|store| &store.leases).collect()
    }

    /// Which of those has the lane's row.
    pub(crate) fn row_store(&self, lane: Lane) -> usize {
        self.homes.get(lane.index()).copied().unwrap_or_default()
    }

    fn store(&self, lane: Lane) -> &Store {
        &self.stores[self.row_store(lane)]
    }

    /// Runs a statement on a lane's server. What the lane waits for must not wait for a server that has vanished without
    /// a word; and one that has no connection left is to be told from one that is gone.
    async fn ask<T>(
        &self,
        lane: Lane,
        pool: &PgPool,
        asked: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        match statement::run(pool, statement::ANSWER_TIMEOUT, asked).await {
            Err(error) => Err(self.store(lane).explained(error).await),
            done => done,
        }
    }

    /// Loads a lane's aggregates the way `postgres-es` does.
    pub fn repository(&self, lane: Lane) -> postgres_es::PostgresEventRepository {
        postgres_es::PostgresEventRepository::new(self.lane_pool(lane).clone())
    }

    /// The same, for aggregates too long to be loaded at once: none of their events is numbered above `until`. The crate
    /// knows no pages, but it takes any name for its table; PostgreSQL finds the rows by the primary key either way.
    pub fn repository_until(&self, lane: Lane, until: u64) -> postgres_es::PostgresEventRepository {
        let page = format!("(SELECT * FROM events WHERE sequence <= {until}) AS page");
        self.repository(lane).with_tables(&page, "snapshots")
    }
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
