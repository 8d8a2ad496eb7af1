//! What can go wrong with the outbox itself; that a letter was not taken is a [`crate::sender::Failure`].

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}")]
    Database {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("encode a letter")]
    Encode(#[source] serde_json::Error),
    /// A setting cannot be used. Says which, and never its value: it may hold a password.
    #[error("{setting}: {why}")]
    Setting { setting: &'static str, why: String },
}

impl Error {
    pub(crate) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }

    /// Trying again later may well help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database { source, .. } if natter_streams::error::is_passing(source))
    }
}
