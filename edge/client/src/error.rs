//! What can go wrong between a client and its server.

use crate::wire;
use std::{fmt, time::Duration};
use tokio_tungstenite::tungstenite;
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's refusal of a request; `code` is what programs switch on.
    #[error("{} ({}): {}", .0.code, .0.status, .0.detail)]
    Problem(Box<wire::Problem>),
    /// The server's refusal of a frame.
    #[error("{} ({}): {}", .0.code, .0.status, .0.detail)]
    Refused(Box<wire::FrameError>),
    #[error("{what}")]
    Http {
        what: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{what}: status {status} with a body that is not of the contract: {body}")]
    Unreadable { what: String, status: u16, body: String },
    #[error("{what}")]
    WebSocket {
        what: &'static str,
        #[source]
        source: Box<tungstenite::Error>,
    },
    /// The connection ended; whether a write without an answer happened is not known.
    #[error("connection closed: {0}")]
    Closed(Close),
    #[error("no answer to {what} within {} s", .after.as_secs())]
    Silent { what: String, after: Duration },
    /// A message was not sent: by a rule of the server's somebody looks at it first. What becomes of it comes as
    /// `message.scheduled`.
    #[error("message {0} waits for somebody who looks at it")]
    Held(Uuid),
    /// The refresh token went out and no new one came back: log in again.
    #[error("the session cannot be renewed any more")]
    Spent,
    #[error("{0:?} is no address of a server")]
    Address(String),
    /// What is to be believed cannot be read.
    #[error("read the certificates to believe")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The public code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            Self::Refused(error) => Some(&error.code),
            _ => None,
        }
    }

    /// The outcome is not known or may be better later: the same write, under the same key, may be sent again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Problem(problem) => is_passing(problem.status),
            Self::Refused(error) => is_passing(error.status),
            Self::Http { .. } | Self::WebSocket { .. } | Self::Closed(_) | Self::Silent { .. } => true,
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Held(_) | Self::Spent | Self::Address(_) | Self::Certificates(_) => false,
        }
    }

    pub(crate) fn http(what: impl Into<String>) -> impl FnOnce(reqwest::Error) -> Self {
        move |source| Self::Http { what: what.into(), source }
    }

    pub(crate) fn websocket(what: &'static str) -> impl FnOnce(tungstenite::Error) -> Self {
        move |source| Self::WebSocket { what, source: Box::new(source) }
    }
}

fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500..)
}

/// How a WebSocket ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    /// `None`: without a close frame.
    pub code: Option<u16>,
    pub reason: String,
}

impl Close {
    pub const RESTART: u16 = 1012;
    pub const NOT_AUTHENTICATED: u16 = 4401;
    pub const REVOKED: u16 = 4403;
    pub const NO_HEARTBEAT: u16 = 4408;

    pub(crate) fn without_frame(reason: impl Into<String>) -> Self {
        Self { code: None, reason: reason.into() }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} {}", self.reason),
            None => write!(f, "without a close frame, {}", self.reason),
        }
    }
}
