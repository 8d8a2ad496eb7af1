//! When people were online last, until PostgreSQL has it.
//!
//! How exact it is: who leaves an edge that lives is written within a second or two, to the moment at which their last
//! connection there ended; so is everybody who is here when the process is stopped. Of an edge that died another one writes
//! when it was heard last, a second off. Everybody who is online is written every [`REFRESH`] too, so where all edges die at
//! once it is as old as that at the most.

use super::{Moment, Presence};
use natter_domain::{AccountId, Timestamp};
use natter_projections::Projections;
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Of those who are online.
const REFRESH: Duration = Duration::from_secs(300);
/// How long somebody who has left is remembered: longer than writing it takes.
const REMEMBERED: Duration = Duration::from_secs(60);
/// What cannot be written waits, and no more than this.
const WAITING_MAX: usize = 200_000;
/// For what is written at the end.
const FAREWELL: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct LastSeen {
    unwritten: HashMap<AccountId, Timestamp>,
    remembered: HashMap<AccountId, (Timestamp, Instant)>,
}

impl LastSeen {
    /// To be written.
    pub fn left(&mut self, account: AccountId, at: Timestamp) {
        if self.unwritten.len() < WAITING_MAX || self.unwritten.contains_key(&account) {
            let known = self.unwritten.entry(account).or_insert(at);
            *known = at.max(*known);
        }
    }

    /// To be shown, whoever writes it.
    pub fn remember(&mut self, account: AccountId, at: Timestamp, now: Instant) {
        let known = self.remembered.get(&account).map(|(at, _)| *at);
        self.remembered.insert(account, (at.max(known.unwrap_or(at)), now));
    }

    pub fn remembered(&self, account: AccountId) -> Option<Timestamp> {
        self.remembered.get(&account).map(|(at, _)| *at)
    }

    fn forget(&mut self, now: Instant) {
        self.remembered.retain(|_, (_, since)| *since + REMEMBERED > now);
    }
}

impl Presence {
    /// Writes until it is dropped.
    pub(super) async fn write(self, projections: Projections) {
        let (mut ticks, mut refreshed) = (interval(WRITE_EVERY), Instant::now());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Moment::now();
            if refreshed + REFRESH <= now.at {
                refreshed = now.at;
                self.all_are_seen(now);
            }
            self.state().seen.forget(now.at);
            self.write_once(&projections).await;
        }
    }

    /// Whoever is still here is seen for the last time.
    pub async fn farewell(&self, projections: &Projections) {
        self.all_are_seen(Moment::now());
        if timeout(FAREWELL, self.write_once(projections)).await.is_err() {
            tracing::warn!("when people were online last is not written in time");
        }
    }

    fn all_are_seen(&self, now: Moment) {
        let mut state = self.state();
        for (account, at) in state.here.last_seen(now.wall) {
            state.seen.left(account, at);
        }
    }

    async fn write_once(&self, projections: &Projections) {
        let unwritten: Vec<_> = std::mem::take(&mut self.state().seen.unwritten).into_iter().collect();
        if unwritten.is_empty() {
            return;
        }
        if let Err(error) = projections.presence().remember(&unwritten).await {
            tracing::warn!(%error, people = unwritten.len(), "write when people were online last");
            let mut state = self.state();
            unwritten.into_iter().for_each(|(account, at)| state.seen.left(account, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test(start_paused = true)]
    async fn the_latest_moment_counts_and_is_forgotten_once_it_is_written() {
        let (alice, now, mut seen) = (AccountId(Uuid::from_u128(1)), Instant::now(), LastSeen::default());
        let at = Timestamp::from_millis;
        seen.remember(alice, at(2), now);
        seen.remember(alice, at(1), now);
        seen.left(alice, at(2));
        seen.left(alice, at(1));
        assert_eq!((seen.remembered(alice), seen.unwritten[&alice]), (Some(at(2)), at(2)));
        seen.forget(now + REMEMBERED - Duration::from_millis(1));
        assert_eq!(seen.remembered(alice), Some(at(2)));
        seen.forget(now + REMEMBERED);
        assert_eq!(seen.remembered(alice), None);
    }
}
