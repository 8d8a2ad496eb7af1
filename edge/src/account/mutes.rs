//! Who is muted. Each edge keeps the list: it is read from the accounts' projection before the doors open, and once a
//! second what has changed of it lately. What stands in it goes with a command, and is decided on there: by the clock of
//! the conversation's lane, and not at all where a message was sent before.
//!
//! So a mute, and that it was taken back, take hold within a second of the read side's knowing; that its time is over, at
//! once. Nobody's messages are held up by asking for it.

use crate::edge::Inside;
use natter_domain::{AccountId, Timestamp, account::Mute};
use natter_projections::{Projection, account::Muted};
use natter_streams::clock;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

const READ_AGAIN: Duration = Duration::from_secs(1);

/// So many readings are of what was changed lately, then one of all: what came to the projection later than [`LATELY`].
const ALL_EVERY: u64 = 60;
const LATELY: Duration = Duration::from_secs(120);

#[derive(Default)]
pub struct Mutes(RwLock<HashMap<AccountId, Mute>>);

impl Mutes {
    pub fn of(&self, account: AccountId) -> Option<Mute> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&account).copied()
    }

    /// All that there are.
    fn replace(&self, mutes: Vec<Muted>) {
        let all = mutes.into_iter().filter_map(|Muted { account, mute }| Some((account, mute?))).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// What has become of some.
    fn change(&self, changed: Vec<Muted>) {
        if changed.is_empty() {
            return;
        }
        let mut mutes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for Muted { account, mute } in changed {
            match mute {
                Some(mute) => mutes.insert(account, mute),
                None => mutes.remove(&account),
            };
        }
    }
}

/// Reads the list before the doors open. It waits for the projection, but not for ever.
pub async fn fill(inside: &Inside) {
    if inside.projections.catch_up(&[Projection::Relations]).await.is_err() {
        tracing::warn!("the accounts' projection is behind: who is muted may speak for a moment");
    }
    while let Err(error) = read_all(inside).await {
        tracing::warn!(%error, "read who is muted");
        sleep(READ_AGAIN).await;
    }
}

/// Reads on, until `stop`.
pub async fn watch(inside: Inside, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        let mut ticks = interval(READ_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 1_u64.. {
            ticks.tick().await;
            let read = if number % ALL_EVERY == 0 { read_all(&inside).await } else { read_changed(&inside).await };
            if let Err(error) = read {
                tracing::warn!(%error, "read who is muted");
            }
        }
    })
    .await;
}

async fn read_all(inside: &Inside) -> Result<(), natter_projections::Error> {
    inside.mutes.replace(inside.projections.account().muted(clock::now()).await?);
    Ok(())
}

async fn read_changed(inside: &Inside) -> Result<(), natter_projections::Error> {
    let since = Timestamp::from_millis(clock::now().as_millis() - LATELY.as_millis() as i64);
    inside.mutes.change(inside.projections.account().muted_since(since).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));
    const BOB: AccountId = AccountId(Uuid::from_u128(2));

    fn muted(account: AccountId) -> Muted {
        Muted { account, mute: Some(Mute { until: None }) }
    }

    #[test]
    fn who_is_muted_is_known_until_it_is_taken_back() {
        let mutes = Mutes::default();
        assert_eq!(mutes.of(ALICE), None);
        mutes.change(vec![muted(ALICE)]);
        assert_eq!((mutes.of(ALICE), mutes.of(BOB)), (Some(Mute { until: None }), None));
        mutes.change(vec![Muted { account: ALICE, mute: None }, muted(BOB)]);
        assert_eq!((mutes.of(ALICE), mutes.of(BOB)), (None, Some(Mute { until: None })));
        mutes.replace(vec![muted(ALICE)]);
        assert_eq!(mutes.of(BOB), None, "all that there are");
    }
}
