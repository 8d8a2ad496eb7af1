//! Mails and text messages that Natter sends: codes, and words about an account to its owner. What is put here is a
//! durable row before who asked is answered; a worker takes the rows and hands them over, again and again until
//! somebody took them or their time is over. So a mail server that is down stops nobody, and a restart loses nothing. A
//! process that ends between handing over and taking note does it twice: with the same message id.
//!
//! Reading order: `letter` (what is sent), `template` (in which words), `table` (the rows), `sender` (to whom they are
//! handed over), `worker`, which leaves alone who does not answer. Content is sealed in its row, and never in a log line.

mod error;
mod letter;
mod metrics;
mod sender;
mod table;
mod template;
mod worker;

pub use error::Error;
pub use letter::{Channel, Letter};
pub use sender::{Senders, Settings};
pub use template::{Locale, Notice, Purpose};
pub use worker::run;

use letter::Content;
use natter_streams::keyring::Keyring;
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};

/// Where letters are put. A cheap handle.
#[derive(Clone)]
pub struct Outbox {
    pool: PgPool,
    keyring: Arc<Keyring>,
}

impl Outbox {
    pub fn new(pool: PgPool, keyring: Arc<Keyring>) -> Self {
        Self { pool, keyring }
    }

    /// Durable when it returns; tried for so long.
    pub async fn put(&self, letter: Letter, for_at_most: Duration) -> Result<(), Error> {
        self.insert(Content { letter, void: false }, for_at_most).await
    }

    /// The same work as [`Self::put`], for a letter that nobody is to get: how long an answer takes must not tell whether
    /// somebody is known.
    pub async fn pretend(&self, letter: Letter, for_at_most: Duration) -> Result<(), Error> {
        self.insert(Content { letter, void: true }, for_at_most).await
    }

    async fn insert(&self, content: Content, for_at_most: Duration) -> Result<(), Error> {
        table::insert(&self.pool, &self.keyring, &content, for_at_most).await
    }
}
