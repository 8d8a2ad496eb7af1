//! What can go wrong with the log: the world's failures, never a refusal.

use crate::Lane;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} of lane {lane}")]
    Lane {
        what: &'static str,
        lane: Lane,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what}")]
    Database {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what} {store}")]
    Store {
        what: &'static str,
        /// `host:port/database`
        store: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("lane {lane} is broken at position {position}: {what}")]
    Broken { lane: Lane, position: u64, what: &'static str },
    #[error("checkpoint {projection} of lane {lane} was moved by another reader")]
    Overtaken { projection: &'static str, lane: Lane },
    #[error("checkpoint {projection} of lane {lane} belongs to another incarnation of the log")]
    Foreign { projection: &'static str, lane: Lane },
    #[error("event {event_type} at lane {lane} position {position} cannot be read")]
    Undecodable {
        lane: Lane,
        position: u64,
        event_type: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("event {event_type} has {size} bytes encoded, at most {} are allowed", crate::event::MAX_BYTES)]
    Oversized { event_type: &'static str, size: usize },
    #[error("encode event {event_type}")]
    Unencodable {
        event_type: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("lane {lane} cannot be repaired so: {why}")]
    Unmendable { lane: Lane, why: String },
    #[error("start check: {0}")]
    Unfit(String),
    /// Not to be taken for the world's failure: there will never be another key.
    #[error("the key of {owner} was destroyed")]
    Erased { owner: uuid::Uuid },
    /// The key is there, and cannot be used before somebody brings its master key.
    #[error("keys are wrapped with master key {master}, which is not here: is NATTER_MASTER_KEY_FILE the newest?")]
    NoMaster { master: String },
    #[error("the key of {owner} is damaged, or was lost: it does not open")]
    KeyLost { owner: uuid::Uuid },
    #[error("{what}")]
    Bus {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Whether PostgreSQL may well do what it did not do now, without anybody's changing the statement: it is gone, starts,
/// has no connection left, or no room on its disk.
pub fn is_passing(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Database, Io, PoolTimedOut, Protocol, Tls};
    match error {
        Io(_) | Tls(_) | Protocol(_) | PoolTimedOut => true,
        // Connection lost, out of something, cancelled or shut down, its own system's error.
        Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

impl Error {
    /// Trying again later may well help: a server is gone, or has run out of something.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Lane { source, .. } | Self::Database { source, .. } | Self::Store { source, .. } => {
                is_passing(source)
            }
            // Nothing is wrong with what it is asked for.
            Self::NoMaster { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }

    pub(crate) fn lane(what: &'static str, lane: Lane) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Lane { what, lane, source }
    }

    pub(crate) fn store(what: &'static str, store: &str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Store { what, store: store.to_owned(), source }
    }

    pub(crate) fn bus<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Bus { what: what.into(), source: source.into() }
    }
}
