//! Erasure. What was closed is erased at once: its owner had the time of grace. The account's event `erased` is the commit
//! point: from then on nothing is sealed for it by any node that has heard, and whatever was is to become unreadable. What
//! follows is done by a process, as often as it takes: the account's key is destroyed, which tells all nodes to forget it,
//! and its snapshot is removed.
//!
//! A registration that came to nothing was nobody's, and what it named is destroyed as well.

use crate::{
    dispatch::Dispatch,
    error::Error,
    keys::Key,
    open_roads,
    process::{Around, Effect, Orders, Process},
    snapshot,
};
use futures::future::BoxFuture;
use natter_domain::{
    AccountId, Address, Noun,
    account::{self, Account, Command},
};
use natter_streams::{Record, fault, feed::Feeds, lease};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Events after which nobody is behind an account.
const ENDS: [&str; 2] = ["erased", "registration_abandoned"];

pub(crate) struct DestroysKeys;

impl Process for DestroysKeys {
    const NAME: &'static str = "account.destroys_keys";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        if event.noun != Noun::Account {
            return Ok(());
        }
        let account = AccountId(event.aggregate_id);
        let address = account::address(account);
        if ENDS.contains(&&*event.event_type) {
            orders.have(address, Destruction(account));
        } else if event.event_type == "closed" {
            orders.give::<Account>(address, Command::Erase { by: None });
        }
        Ok(())
    }
}

struct Destruction(AccountId);

impl Effect for Destruction {
    fn give<'a>(&'a self, around: &'a Around, _: Address, _: Key) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            fault::reach("account.before_destruction").await;
            around.keys.destroy(self.0).await?;
            fault::reach("account.after_destruction").await;
            snapshot::forget(&around.log, Noun::Account, self.0.0).await
        })
    }
}

/// The use cases of erasure. Whoever calls them is trusted: no route leads here.
pub struct Erasures(Dispatch);

impl Erasures {
    /// For a process that does nothing else: it reaches the lanes' owners until `stop`.
    pub fn reach(context: &lease::Context, feeds: Feeds, stop: &CancellationToken) -> (Self, TaskTracker) {
        let tasks = TaskTracker::new();
        let roads = open_roads(context, &tasks, stop);
        tasks.close();
        (Self(Dispatch::new(roads, feeds)), tasks)
    }

    /// Forgets the person, whatever they want: their sessions end, and their key is destroyed soon after.
    pub async fn erase(&self, account: AccountId, by: &str) -> Result<(), Error> {
        let command = Command::Erase { by: Some(by.to_owned()) };
        self.0.execute::<Account>(account::address(account), None, None, command).await.map(drop)
    }
}
