//! Where a generation's rows are, and the connections to them. The one place to teach another store: a home makes the
//! projector's side and the reader's side of a generation from its `store`.

use super::{Entry, Generation};
use crate::{
    Error,
    message::{HistoryStore, PostgresHistory, ScyllaHistory, pages::Pages, project::History},
    relations::Relations,
    sql::{self, Use},
};
use sqlx::PgPool;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What keeps rows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Store {
    /// Each generation in its schema.
    #[default]
    Postgres,
    /// A cluster that speaks CQL, for message history; each generation in its keyspace.
    Scylla,
}

impl Store {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Scylla => "scylla",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Postgres, Self::Scylla].into_iter().find(|store| store.as_str() == name)
    }
}

/// One generation, reached; a cheap handle.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) generation: Generation,
    /// For queries.
    pub(crate) reading: PgPool,
    /// For projectors, whose transactions need not wait for the disk.
    pub(crate) writing: PgPool,
    /// Of a generation of history.
    pub(crate) history: Arc<dyn HistoryStore>,
    /// The same, where it is in a cluster.
    pub(crate) cluster: Option<Arc<ScyllaHistory>>,
    pub(crate) pages: Arc<Pages>,
    /// Ends what connects in the background.
    _end: Arc<DropGuard>,
}

impl Home {
    pub(crate) async fn open(entrance: &sql::Entrance, entry: &Entry) -> Result<Self, Error> {
        // First: who does not know the way does not look like somebody who reads there.
        let keyspace = match entry.store()? {
            Store::Postgres => None,
            Store::Scylla => Some(entrance.keyspace(entry)?),
        };
        let writing = entrance.connect(Use::Projectors, Some(entry)).await?;
        let reading = entrance.connect(Use::Queries, Some(entry)).await?;
        let end = CancellationToken::new();
        let cluster = match keyspace {
            None => None,
            Some(settings) => Some(Arc::new(ScyllaHistory::open(settings, writing.clone(), &end)?)),
        };
        let history: Arc<dyn HistoryStore> = match &cluster {
            None => Arc::new(PostgresHistory::new(reading.clone(), writing.clone())),
            Some(cluster) => cluster.clone(),
        };
        let pages = Arc::new(Pages::new(history.clone()));
        let end = Arc::new(end.drop_guard());
        Ok(Self { generation: entry.generation, reading, writing, history, cluster, pages, _end: end })
    }

    pub(crate) fn relations(&self) -> Relations {
        Relations::new(self.writing.clone())
    }

    pub(crate) fn history(&self) -> History {
        History::new(self.history.clone())
    }
}
