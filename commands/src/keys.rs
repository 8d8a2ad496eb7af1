//! Which command keys are known to be new. A key that may be old is looked up in the log before its command is decided.
//! One that is new unless a clock was ahead is decided at once: where it writes, the log's unique key says if it was done
//! before; where it does not, it is looked up before anybody is told that there was nothing to do, or that it is refused.

use crate::cache::Cache;
use natter_domain::Timestamp;
use natter_streams::event::CommandKey;
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

/// Keys remembered per lane, twice.
const REMEMBERED: usize = 32_768;

/// Clients' clocks may be ahead by this much.
const SKEW: Duration = Duration::from_secs(60);

/// A command's key, and when the client made it, where the id says so (version 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub stored: CommandKey,
    pub made_at: Option<Timestamp>,
    /// By this process, for one command, with the clock that says how long a lane has been here.
    pub is_ours: bool,
}

impl Key {
    /// Of a command whose sender gave none; nobody else has it.
    pub fn fresh(id: Uuid) -> Self {
        Self { is_ours: true, ..Self::new(id, CommandKey { key: id, fingerprint: [0; 16] }) }
    }

    pub fn new(id: Uuid, stored: CommandKey) -> Self {
        let made_at = id.get_timestamp().filter(|_| id.get_version_num() == 7).map(|made| {
            let (seconds, nanos) = made.to_unix();
            Timestamp::from_millis(seconds as i64 * 1_000 + i64::from(nanos) / 1_000_000)
        });
        Self { stored, made_at, is_ours: false }
    }
}

pub(crate) struct Keys {
    in_flight: HashSet<Uuid>,
    recent: Cache<Uuid, ()>,
    /// Keys made after this are in `recent` if they are in the log at all; unless a clock was ahead.
    since: Timestamp,
    /// When the younger generation of `recent` began.
    turn: Timestamp,
}

pub(crate) enum Novelty {
    /// Decide at once.
    New,
    /// New if no clock was ahead: decide at once, but look it up before telling of a decision that writes nothing.
    Likely,
    /// Its first command waits to be durable.
    InFlight,
    /// Ask the log.
    Unsure,
}

impl Keys {
    pub fn new(now: Timestamp) -> Self {
        Self { in_flight: HashSet::new(), recent: Cache::new(REMEMBERED, |()| false), since: now, turn: now }
    }

    pub fn novelty(&self, key: &Key, now: Timestamp) -> Novelty {
        let id = key.stored.key;
        if self.is_in_flight(key) {
            return Novelty::InFlight;
        }
        let Some(made_at) = key.made_at.filter(|made_at| *made_at <= now + SKEW) else { return Novelty::Unsure };
        if made_at < self.since || self.recent.contains(&id) {
            return Novelty::Unsure;
        }
        // A client's key proves nothing: its clock may have been further ahead than `SKEW` when the last owner stored it,
        // and looked it up before that. Of our own clock no more is asked than that it is not set back by as much.
        if key.is_ours && self.since + SKEW <= made_at { Novelty::New } else { Novelty::Likely }
    }

    pub fn is_in_flight(&self, key: &Key) -> bool {
        self.in_flight.contains(&key.stored.key)
    }

    pub fn was_stored(&self, key: &Key) -> bool {
        self.recent.contains(&key.stored.key)
    }

    pub fn queued(&mut self, id: Uuid) {
        self.in_flight.insert(id);
    }

    pub fn durable(&mut self, id: Uuid, now: Timestamp) {
        self.in_flight.remove(&id);
        if self.recent.insert(id, ()) {
            self.since = std::mem::replace(&mut self.turn, now);
        }
    }

    /// What was queued is not: its generation ended.
    pub fn forget_in_flight(&mut self) {
        self.in_flight.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u128, made_at: Option<i64>) -> Key {
        let stored = CommandKey { key: Uuid::from_u128(id), fingerprint: [0; 16] };
        Key { stored, made_at: made_at.map(Timestamp::from_millis), is_ours: false }
    }

    fn ours(id: u128, made_at: i64) -> Key {
        Key { is_ours: true, ..key(id, Some(made_at)) }
    }

    #[test]
    fn only_young_ids_that_were_not_seen_are_new() {
        let now = Timestamp::from_millis(1_000_000);
        let mut keys = Keys::new(now);
        assert!(matches!(keys.novelty(&key(1, Some(1_000_001)), now), Novelty::Likely));
        assert!(
            matches!(keys.novelty(&key(1, Some(1_059_999)), now), Novelty::Likely),
            "done before, by a clock ahead"
        );
        assert!(matches!(keys.novelty(&ours(1, 1_060_000), now), Novelty::New));
        assert!(matches!(keys.novelty(&ours(1, 1_059_999), now), Novelty::Likely), "our clock may have been set back");
        assert!(matches!(keys.novelty(&key(1, Some(999_999)), now), Novelty::Unsure), "made before we began");
        assert!(matches!(keys.novelty(&key(1, Some(2_000_000)), now), Novelty::Unsure), "from the future");
        assert!(matches!(keys.novelty(&key(1, None), now), Novelty::Unsure), "says no time");
        keys.queued(Uuid::from_u128(1));
        assert!(matches!(keys.novelty(&key(1, Some(1_000_001)), now), Novelty::InFlight));
        keys.durable(Uuid::from_u128(1), now);
        assert!(matches!(keys.novelty(&key(1, Some(1_000_001)), now), Novelty::Unsure));
    }

    /// Those pushed out within a minute are the same as those from before the start.
    #[test]
    fn a_forgotten_key_of_a_clock_ahead_is_not_taken_for_new() {
        let mut keys = Keys::new(Timestamp::from_millis(0));
        let ahead = |id: u128| key(id, Some(id as i64 + 60_000));
        for id in 0..3 * REMEMBERED as u128 {
            keys.durable(Uuid::from_u128(id), Timestamp::from_millis(id as i64));
        }
        let now = Timestamp::from_millis(3 * REMEMBERED as i64);
        for id in [0, REMEMBERED as u128 / 2, REMEMBERED as u128 - 1, 3 * REMEMBERED as u128 - 1] {
            assert!(!matches!(keys.novelty(&ahead(id), now), Novelty::New), "{id}");
        }
        assert!(matches!(keys.novelty(&ours(u128::MAX, now.as_millis() + 60_000), now), Novelty::New));
    }

    /// It came to the last owner from a clock two minutes ahead: looked up there, and stored.
    #[test]
    fn a_key_that_the_last_owner_took_from_far_ahead_is_not_taken_for_new_by_the_next() {
        let keys = Keys::new(Timestamp::from_millis(1_010_000));
        let stored = key(1, Some(1_120_000));
        for now in [1_010_000, 1_059_999, 1_060_000, 1_120_000, 2_000_000] {
            let novelty = keys.novelty(&stored, Timestamp::from_millis(now));
            assert!(matches!(novelty, Novelty::Unsure | Novelty::Likely), "at {now}");
        }
    }

    #[test]
    fn a_forgotten_key_is_not_taken_for_new() {
        let mut keys = Keys::new(Timestamp::from_millis(0));
        for id in 0..3 * REMEMBERED as u128 {
            keys.durable(Uuid::from_u128(id), Timestamp::from_millis(id as i64));
        }
        for id in [0, 1, REMEMBERED as u128, 2 * REMEMBERED as u128, 3 * REMEMBERED as u128 - 1] {
            let novelty = keys.novelty(&key(id, Some(id as i64)), Timestamp::from_millis(3 * REMEMBERED as i64));
            assert!(matches!(novelty, Novelty::Unsure), "{id}");
        }
    }
}
