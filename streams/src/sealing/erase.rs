//! Destroying the key of an account: what it had told can never be read again, wherever copies of it are. The row stays, so
//! that no other key takes its place.
//!
//! The log says whose keys are to be destroyed, so it is done again after a backup brought some back: [`Keys::destroy_again`].

use super::{Keys, Name, table};
use crate::{Error, Lane, Log, bus::Bus, statement, subject};
use futures::StreamExt;
use natter_domain::{AccountId, Timestamp};
use sqlx::{PgPool, types::time::OffsetDateTime};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For the server to hear that we listen.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rows of a page.
const PAGE: i64 = 1_000;

/// What whoever keeps something opened must forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgotten {
    Of(Uuid),
    /// Something may have been missed.
    All,
}

/// A key that is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destroyed {
    pub account: AccountId,
    pub at: Timestamp,
}

impl Keys {
    /// Once it returns, the key is destroyed for ever, and all nodes have been told. Again, nothing happens.
    pub async fn destroy(&self, account: AccountId) -> Result<(), Error> {
        table::destroy(self.0.log.pool(), &[Name::of_account(account.0)]).await?;
        self.forget(Forgotten::Of(account.0));
        tell(&self.0.bus, account.0).await;
        Ok(())
    }

    /// Destroys once more what the log says was destroyed. How many were back.
    pub async fn destroy_again(&self) -> Result<u64, Error> {
        let back = destroy_again(&self.0.log).await?;
        if back > 0 {
            tracing::warn!(back, "keys of erased accounts were back, and are destroyed again");
            self.forget(Forgotten::All);
        }
        Ok(back)
    }

    /// Hears what must be forgotten.
    pub fn forgotten(&self) -> broadcast::Receiver<Forgotten> {
        self.0.forgotten.subscribe()
    }

    fn forget(&self, what: Forgotten) {
        match what {
            Forgotten::Of(owner) => self.0.cache.forget(owner),
            Forgotten::All => self.0.cache.forget_all(),
        }
        // Nobody may be listening.
        let _ = self.0.forgotten.send(what);
    }

    /// What other nodes destroy. Where something may have been missed, all is forgotten that could have been meant.
    pub(super) async fn listen(&self, stop: &CancellationToken) -> Result<(), Error> {
        let (keys, bus, stop) = (self.clone(), self.0.bus.clone(), stop.clone());
        let failed = || Error::bus("listen for destroyed keys");
        let mut notices = bus.live().subscribe(subject::KEY_DESTROYED).await.map_err(failed())?;
        let mut doubts = bus.doubts();
        // The server knows of it before a key is in memory; without a server there is the age.
        let _ = tokio::time::timeout(PATIENCE, bus.live().flush()).await;
        tokio::spawn(async move {
            loop {
                let what = tokio::select! {
                    notice = notices.next() => match notice {
                        Some(notice) => Uuid::from_slice(&notice.payload).map_or(Forgotten::All, Forgotten::Of),
                        None => return,
                    },
                    doubt = doubts.recv() => match doubt {
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => Forgotten::All,
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                    () = stop.cancelled() => return,
                };
                keys.forget(what);
            }
        });
        Ok(())
    }
}

/// A notice that gets lost is made good by age.
async fn tell(bus: &Bus, owner: Uuid) {
    let payload = owner.as_bytes().to_vec().into();
    if let Err(error) = bus.live().publish(subject::KEY_DESTROYED, payload).await {
        tracing::warn!(%error, "other nodes are not told of a destroyed key: they forget it by its age");
    }
}

/// For tools too: whatever node runs hears nothing of it.
pub async fn destroy_again(log: &Log) -> Result<u64, Error> {
    let mut back = 0;
    for lane in log.lanes().iter() {
        let mut behind = 0;
        loop {
            let page = erased(log.lane_pool(lane), lane, behind).await?;
            let Some(last) = page.last() else { break };
            behind = last.0;
            let names: Vec<Name> = page.iter().map(|(_, owner)| Name::of_account(*owner)).collect();
            back += table::destroy(log.pool(), &names).await?;
        }
    }
    Ok(back)
}

/// Those of these accounts, whatever the log says. How many were there.
pub async fn destroy_these(log: &Log, accounts: &[Uuid]) -> Result<u64, Error> {
    let names: Vec<Name> = accounts.iter().map(|account| Name::of_account(*account)).collect();
    table::destroy(log.pool(), &names).await
}

pub async fn is_destroyed(log: &Log, account: AccountId) -> Result<bool, Error> {
    let name = Name::of_account(account.0);
    Ok(matches!(table::read(log.pool(), &[name]).await?.get(&name), Some(table::Stored::Destroyed)))
}

/// Whose keys the log says are to be destroyed, with the positions of those events.
async fn erased(pool: &PgPool, lane: Lane, behind: i64) -> Result<Vec<(i64, Uuid)>, Error> {
    sqlx::query_as(
        "SELECT position, aggregate_id::uuid FROM events
         WHERE aggregate_type = 'account' AND event_type IN ('erased', 'registration_abandoned')
           AND lane = $1 AND position > $2 ORDER BY position LIMIT $3",
    )
    .bind(lane.number())
    .bind(behind)
    .bind(PAGE)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::lane("read who was erased", lane))
}

/// Whose keys were destroyed, the oldest first.
pub async fn all(log: &Log) -> Result<Vec<Destroyed>, Error> {
    let rows: Vec<(Uuid, OffsetDateTime)> = sqlx::query_as(
        "SELECT owner, destroyed_at FROM sealing_key WHERE destroyed_at IS NOT NULL ORDER BY destroyed_at, owner",
    )
    .fetch_all(statement::bounded(log.pool()))
    .await
    .map_err(Error::database("read which keys were destroyed"))?;
    Ok(rows.into_iter().map(|(owner, at)| Destroyed { account: AccountId(owner), at: at.into() }).collect())
}
