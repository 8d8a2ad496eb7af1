//! What operators do to accounts: muting, suspending, restoring. Each is an event that names who asked and why.

use crate::{
    dispatch::{Dispatch, Outcome},
    error::Error,
    open_roads, session,
};
use natter_domain::{
    AccountId, Sealed, Timestamp,
    account::{self, Account, Command, Hold},
};
use natter_streams::{feed::Feeds, lease, sealing::Keys};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The use cases of operators. Whoever calls them is trusted: no route leads here.
pub struct Operators {
    pub(crate) dispatch: Dispatch,
    keys: Keys,
}

/// Why, and who says so.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    pub reason: Option<&'a str>,
    pub by: &'a str,
}

impl Operators {
    /// For a process that does nothing else: it reaches the lanes' owners until `stop`.
    pub fn reach(context: &lease::Context, feeds: Feeds, keys: Keys, stop: &CancellationToken) -> (Self, TaskTracker) {
        let tasks = TaskTracker::new();
        let roads = open_roads(context, &tasks, stop);
        tasks.close();
        (Self { dispatch: Dispatch::new(roads, feeds), keys }, tasks)
    }

    /// Nothing that they send is taken. `until`: `None` is until they are restored.
    pub async fn mute(&self, id: AccountId, until: Option<Timestamp>, grounds: Grounds<'_>) -> Result<(), Error> {
        self.ask(id, Command::Mute(self.hold(id, until, grounds).await?)).await.map(drop)
    }

    /// Nobody signs in, and every session ends: those that are open are told why.
    pub async fn suspend(&self, id: AccountId, until: Option<Timestamp>, grounds: Grounds<'_>) -> Result<(), Error> {
        let outcome = self.ask(id, Command::Suspend(self.hold(id, until, grounds).await?)).await?;
        session::revoke(&self.dispatch, id, outcome).await;
        Ok(())
    }

    pub async fn restore(&self, id: AccountId, grounds: Grounds<'_>) -> Result<(), Error> {
        let reason = self.sealed(id, grounds.reason).await?;
        self.ask(id, Command::Restore { reason, by: grounds.by.to_owned() }).await.map(drop)
    }

    async fn hold(&self, id: AccountId, until: Option<Timestamp>, grounds: Grounds<'_>) -> Result<Hold, Error> {
        Ok(Hold { until, reason: self.sealed(id, grounds.reason).await?, by: grounds.by.to_owned() })
    }

    /// What is said of a person is forgotten with them.
    async fn sealed(&self, id: AccountId, reason: Option<&str>) -> Result<Option<Sealed>, Error> {
        let Some(reason) = reason else { return Ok(None) };
        Ok(Some(self.keys.of_account(id).await?.seal(reason.as_bytes())))
    }

    async fn ask(&self, id: AccountId, command: Command) -> Result<Outcome<Account>, Error> {
        self.dispatch.execute::<Account>(account::address(id), None, None, command).await
    }
}
