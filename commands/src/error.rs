//! How a command can end without being done.

use cqrs_es::AggregateError;
use natter_domain::{Code, Refusal, Timestamp};
use natter_streams::error::is_passing;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The domain's answer is no. Nothing was written.
    #[error("{code}: {detail}")]
    Refused {
        code: Code,
        detail: String,
        /// Until when it stays so, where that is known.
        until: Option<Timestamp>,
        /// The field of what the client gave that it is about, where the domain knows it.
        pointer: Option<String>,
    },
    /// One of the accounts that the command names does not exist. Nothing was written.
    #[error("number {index} of the accounts that were named does not exist")]
    UnknownAccount {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Asked too often. Nothing was done.
    #[error("asked too often")]
    TooOften {
        /// Until it may be asked again.
        wait: std::time::Duration,
    },
    /// A code of the second factor is to come, with this challenge.
    #[error("a code of the second factor is needed")]
    SecondFactorRequired { challenge: String },
    /// Nobody could answer in time; whether it was done is not known. To be sent again under the same key.
    #[error("no answer in time")]
    Unavailable,
    /// The world's fault.
    #[error("{what}")]
    Failed {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn refused(refusal: &impl Refusal) -> Self {
        let (code, detail) = (refusal.code(), refusal.to_string());
        Self::Refused { code, detail, until: refusal.until(), pointer: refusal.pointer() }
    }

    pub(crate) fn code(code: Code, detail: &str) -> Self {
        Self::Refused { code, detail: detail.to_owned(), until: None, pointer: None }
    }

    pub(crate) fn is(&self, given: Code) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == given)
    }

    pub(crate) fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Failed { what, source: source.into() }
    }
}

impl Error {
    /// A server is gone or has run out of something: to be tried again.
    fn unavailable(why: &dyn std::error::Error) -> Self {
        tracing::warn!(error = %why, cause = why.source(), "the log cannot be used");
        Self::Unavailable
    }

    /// For what `cqrs-es` says when an aggregate cannot be loaded.
    pub(crate) fn loading<R: std::error::Error + Send + Sync + 'static>(error: AggregateError<R>) -> Self {
        use AggregateError::{DatabaseConnectionError, UnexpectedError};
        let (DatabaseConnectionError(inner) | UnexpectedError(inner)) = &error else {
            return Self::failed("replay an aggregate")(error);
        };
        match inner.downcast_ref() {
            Some(passing) if is_passing(passing) => Self::unavailable(passing),
            _ => Self::failed("replay an aggregate")(error),
        }
    }
}

impl From<natter_outbox::Error> for Error {
    fn from(source: natter_outbox::Error) -> Self {
        if source.is_passing() { Self::unavailable(&source) } else { Self::failed("use the outbox")(source) }
    }
}

impl From<natter_streams::Error> for Error {
    fn from(source: natter_streams::Error) -> Self {
        match source {
            natter_streams::Error::Oversized { .. } => Self::code(Code::PayloadTooLarge, "too large for one event"),
            natter_streams::Error::Erased { .. } => Self::code(Code::NotFound, "the account was erased"),
            source if source.is_passing() => Self::unavailable(&source),
            source @ natter_streams::Error::Bus { .. } => Self::unavailable(&source),
            source => Self::Failed { what: "use the log", source: source.into() },
        }
    }
}
