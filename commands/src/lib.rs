//! Natter's write side. A command comes in here, is decided on what its aggregate remembers, and is answered once
//! what it wrote is durable.
//!
//! Reading order: `dispatch` (the way in), `worker` (one task per lane decides and commits), `job` (a command on
//! its way), `adapter` and `store` (deciders as `cqrs_es` aggregates over the log); then a folder per noun with
//! its use cases. Commands never read projections: what a decision needs is folded from the log.

mod account;
mod adapter;
mod cache;
mod conversation;
mod dispatch;
mod error;
mod friendship;
mod inbox;
mod job;
mod keys;
mod metrics;
mod password;
mod session;
pub mod stock;
mod store;
mod worker;

pub use conversation::{Conversations, Opened, Sent};
pub use dispatch::Pending;
pub use error::Error;
pub use friendship::{Accepted, Friendships, Requested};
pub use inbox::{Advanced, Inboxes};
pub use password::Cost;
pub use session::{Device, Registration, Sessions, SignedIn};

use dispatch::Dispatch;
use natter_domain::{AccountId, SessionId};
use natter_streams::{Log, feed::Feeds, keyring::Keyring};
use password::Passwords;
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Who asks: taken from a verified access token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Caller {
    pub account: AccountId,
    pub session: SessionId,
}

/// Who asks, and under which key (`Idempotency-Key`, `command_id`) the first answer is to be given again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keyed {
    pub caller: Caller,
    pub key: Option<Uuid>,
}

pub struct Settings {
    /// Who this process is, in lane rows and logs.
    pub node: String,
    pub password_cost: Cost,
}

/// The write side of this process: owns every lane.
#[derive(Clone)]
pub struct Commands {
    dispatch: Dispatch,
    keyring: Arc<Keyring>,
    passwords: Passwords,
    fenced: CancellationToken,
}

impl Commands {
    /// Takes all lanes over and starts their workers and reactions. They end when `stop` is cancelled, after what
    /// is in flight. The feeds tell readers in this process what is committed.
    pub async fn start(
        log: Log,
        keyring: Arc<Keyring>,
        settings: Settings,
        stop: CancellationToken,
    ) -> Result<(Self, Feeds, TaskTracker), Error> {
        let tasks = TaskTracker::new();
        let fenced = CancellationToken::new();
        let (dispatch, feeds) = worker::start_all(&log, &settings.node, &tasks, &stop, &fenced).await?;
        let passwords = Passwords::new(settings.password_cost);
        friendship::reaction::start_all(&log, &feeds, &dispatch, &tasks, &stop);
        tasks.close();
        Ok((Self { dispatch, keyring, passwords, fenced }, feeds, tasks))
    }

    /// Resolves when another process has taken a lane from us, or a lane's worker has died: this process must not go on.
    pub async fn fenced(&self) {
        self.fenced.cancelled().await;
    }

    pub fn session(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn friendship(&self) -> Friendships<'_> {
        Friendships(self)
    }

    pub fn conversation(&self) -> Conversations<'_> {
        Conversations(self)
    }

    pub fn inbox(&self) -> Inboxes<'_> {
        Inboxes(self)
    }
}
