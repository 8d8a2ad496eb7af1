//! What can go wrong on the read side, and how a wait can end without what was waited for.

use natter_domain::{ConversationId, RequestId};
use natter_streams::Error as LogError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}")]
    Database {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The cluster of message history: not there, too slow, or of another mind.
    #[error("{what}")]
    History {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{what}")]
    Bus {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("deliver a batch: not connected to NATS")]
    Disconnected,
    #[error("deliver a batch: NATS did not confirm all of it")]
    Unconfirmed,
    #[error("deliver to conversation {0}: relations has passed, but knows nobody in it")]
    NobodyIn(ConversationId),
    #[error("deliver friend request {0}: relations has passed, but does not know it")]
    NoRequest(RequestId),
    #[error("encode a frame")]
    Frame(#[source] serde_json::Error),
    #[error(transparent)]
    Shared(std::sync::Arc<Self>),
    #[error("read or write settings as JSON")]
    Settings(#[source] serde_json::Error),
    #[error("a query ended without an answer")]
    Unanswered,
    /// What an operator asked of a generation cannot be, and why.
    #[error("{0}")]
    Generation(String),
    /// The caller's fault, not ours.
    #[error("the cursor cannot be read")]
    BadCursor,
    #[error("the cursor is of a log that is no more")]
    CursorGone,
}

impl Error {
    pub(crate) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }

    pub(crate) fn history<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::History { what, source: source.into() }
    }

    pub(crate) fn bus<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Bus { what, source: source.into() }
    }

    /// The event that this binary does not understand, if that is what happened: its position.
    pub(crate) fn undecodable(&self) -> Option<u64> {
        match self {
            Self::Log(LogError::Undecodable { position, .. }) => Some(*position),
            _ => None,
        }
    }

    /// Trying again does not help: another binary is needed, or another log, or the rows must be built again.
    pub(crate) fn needs_somebody(&self) -> bool {
        use LogError::{Broken, Foreign, Undecodable};
        matches!(self, Self::Log(Broken { .. } | Foreign { .. } | Undecodable { .. }))
    }

    /// A server is gone or has run out of something: to be tried again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database { source, .. } => natter_streams::error::is_passing(source),
            Self::Log(error) => error.is_passing(),
            Self::Shared(error) => error.is_passing(),
            Self::History { .. } => true,
            _ => false,
        }
    }

    /// Somebody else runs the same projection.
    pub(crate) fn is_overtaken(&self) -> bool {
        matches!(self, Self::Log(LogError::Overtaken { .. }))
    }
}

/// Why a read did not get to see what its token names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wait {
    #[error("the read side did not get there in time")]
    TooLate,
    #[error("the token names what cannot be yet, or another log")]
    Impossible,
}
