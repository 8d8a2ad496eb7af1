//! Token buckets, by arithmetic alone: of each only the moment is kept at which it is full again. One whose moment has
//! passed is as good as none, so idle ones are simply forgotten.

use super::{lock, table::Limit};
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::Mutex,
    time::Duration,
};

/// Since a moment that is the same for all.
pub type Moment = Duration;

/// What is left after one was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    pub limit: &'static Limit,
    pub remaining: u32,
    /// Until the bucket is full.
    pub full_in: Duration,
}

/// There was none: the next one comes after `wait`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Empty {
    pub limit: &'static Limit,
    pub wait: Duration,
}

impl Empty {
    /// As what is left.
    pub fn left(&self) -> Left {
        Left { limit: self.limit, remaining: 0, full_in: self.wait }
    }
}

/// Takes one. `full_at` is what is known of the bucket; its new value comes with what is left.
pub fn take(limit: &'static Limit, full_at: Moment, now: Moment) -> Result<(Moment, Left), Empty> {
    let (gap, window) = (limit.gap(), limit.window());
    // A moment that lies farther away was written by a clock that is ahead of ours.
    let after = full_at.clamp(now, now + window) + gap;
    let full_in = after - now;
    if full_in > window {
        return Err(Empty { limit, wait: full_in - window });
    }
    let remaining = ((window - full_in).as_nanos() / gap.as_nanos()) as u32;
    Ok((after, Left { limit, remaining, full_in }))
}

const SHARDS: usize = 64;
/// In each shard: half a million buckets of some forty bytes in all, whoever comes from wherever.
const SHARD_MAX: usize = 8 * 1024;
/// How many are looked at for the one that goes when there is no room.
const LOOKED_AT: usize = 8;

/// Which limit, and whom it counts.
type Key = (&'static str, u128);

/// The buckets of one process.
pub struct Buckets {
    shards: [Mutex<HashMap<Key, Moment>>; SHARDS],
    hasher: RandomState,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Buckets {
    pub fn take(&self, limit: &'static Limit, who: u128, now: Moment) -> Result<Left, Empty> {
        let key = (limit.name, who);
        let mut shard = lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS]);
        let full_at = shard.get(&key).copied().unwrap_or_default();
        let (full_at, left) = take(limit, full_at, now)?;
        if shard.len() >= SHARD_MAX && !shard.contains_key(&key) {
            make_room(&mut shard);
        }
        shard.insert(key, full_at);
        Ok(left)
    }

    /// Forgets those that are full again; how many are left.
    pub fn sweep(&self, now: Moment) -> usize {
        let swept = |shard: &Mutex<HashMap<Key, Moment>>| {
            let mut shard = lock(shard);
            shard.retain(|_, full_at| *full_at > now);
            let count = shard.len();
            shard.shrink_to(count * 2);
            count
        };
        self.shards.iter().map(swept).sum()
    }
}

/// Whoever fills the shard must not shut newcomers out, so the fullest of some goes: its owner gains the little that it
/// lacked. Only some are looked at: whoever comes from everywhere at once must not cost us a look at all of them each time.
fn make_room(shard: &mut HashMap<Key, Moment>) {
    let fullest = shard.iter().take(LOOKED_AT).min_by_key(|(_, full_at)| **full_at).map(|(key, _)| *key);
    if let Some(key) = fullest {
        shard.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::By;
    use super::*;

    static TEN_A_MINUTE: Limit =
        Limit { name: "ten", by: By::Address, quota: 10, window: 60, shared: false, covers: &[] };

    const NOW: Moment = Duration::from_secs(1_000);

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_full_bucket_gives_its_quota_at_once_and_then_one_a_gap() {
        let buckets = Buckets::default();
        for remaining in (0..10).rev() {
            assert_eq!(buckets.take(&TEN_A_MINUTE, 1, NOW).unwrap().remaining, remaining);
        }
        assert_eq!(buckets.take(&TEN_A_MINUTE, 1, NOW).unwrap_err().wait, second(6));
        assert_eq!(buckets.take(&TEN_A_MINUTE, 1, NOW + second(5)).unwrap_err().wait, second(1));
        let left = buckets.take(&TEN_A_MINUTE, 1, NOW + second(6)).unwrap();
        assert_eq!((left.remaining, left.full_in), (0, second(60)));
        assert!(buckets.take(&TEN_A_MINUTE, 1, NOW + second(6)).is_err());
    }

    #[test]
    fn who_was_refused_pays_nothing_for_it() {
        let buckets = Buckets::default();
        (0..10).for_each(|_| assert!(buckets.take(&TEN_A_MINUTE, 1, NOW).is_ok()));
        (0..100).for_each(|_| assert!(buckets.take(&TEN_A_MINUTE, 1, NOW).is_err()));
        assert!(buckets.take(&TEN_A_MINUTE, 1, NOW + second(6)).is_ok());
    }

    #[test]
    fn each_has_a_bucket_of_their_own() {
        let buckets = Buckets::default();
        (0..10).for_each(|_| assert!(buckets.take(&TEN_A_MINUTE, 1, NOW).is_ok()));
        assert!(buckets.take(&TEN_A_MINUTE, 1, NOW).is_err());
        assert_eq!(buckets.take(&TEN_A_MINUTE, 2, NOW).unwrap().remaining, 9);
    }

    #[test]
    fn a_bucket_is_forgotten_when_it_is_full_again() {
        let buckets = Buckets::default();
        assert!(buckets.take(&TEN_A_MINUTE, 1, NOW).is_ok());
        assert_eq!(buckets.sweep(NOW + second(5)), 1);
        assert_eq!(buckets.sweep(NOW + second(6)), 0);
    }

    #[test]
    fn memory_is_bounded_and_newcomers_are_let_in() {
        let buckets = Buckets::default();
        for who in 0..(SHARDS * SHARD_MAX * 5 / 4) as u128 {
            assert!(buckets.take(&TEN_A_MINUTE, who, NOW).is_ok());
        }
        let kept = buckets.sweep(NOW);
        assert!(kept <= SHARDS * SHARD_MAX && kept > SHARDS * SHARD_MAX / 2, "{kept}");
    }

    #[test]
    fn a_clock_that_was_ahead_shuts_nobody_out_for_longer_than_the_window() {
        let ahead = NOW + second(1_000_000);
        assert_eq!(take(&TEN_A_MINUTE, ahead, NOW).unwrap_err().wait, second(6));
    }

    #[test]
    fn every_limit_gives_what_it_says() {
        for limit in super::super::table::LIMITS {
            let mut full_at = NOW;
            for remaining in (0..limit.quota).rev() {
                let (after, left) = take(limit, full_at, NOW).unwrap();
                assert_eq!(left.remaining, remaining, "{}", limit.name);
                full_at = after;
            }
            assert!(take(limit, full_at, NOW).is_err(), "{}", limit.name);
        }
    }
}
