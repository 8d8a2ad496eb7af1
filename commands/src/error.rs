//! How a command can end without being done.

use natter_domain::{Code, Refusal};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The domain's answer is no. Nothing was written.
    #[error("{code}: {detail}")]
    Refused { code: Code, detail: String },
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
        Self::Refused { code: refusal.code(), detail: refusal.to_string() }
    }

    pub(crate) fn code(code: Code, detail: &str) -> Self {
        Self::Refused { code, detail: detail.to_owned() }
    }

    pub(crate) fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Failed { what, source: source.into() }
    }
}

impl From<natter_streams::Error> for Error {
    fn from(source: natter_streams::Error) -> Self {
        match source {
            natter_streams::Error::Oversized { .. } => Self::code(Code::PayloadTooLarge, "too large for one event"),
            source => Self::Failed { what: "use the log", source: source.into() },
        }
    }
}
