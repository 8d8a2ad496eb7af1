//! The one place where ids and random bytes are made.

use natter_domain::EventId;
use rand::RngCore;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// A new id, version 7: rising within this process, so that indexes stay dense. The library's own asks the operating
/// system for random bytes each time, a system call per event; ours come from [`random`].
#[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
pub fn new() -> Uuid {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let moment = next(now.as_millis() as u64);
    let mut bytes = random::<16>();
    bytes[..6].copy_from_slice(&(moment >> COUNTER_BITS).to_be_bytes()[2..]);
    let counter = (moment & ((1 << COUNTER_BITS) - 1)) as u16;
    bytes[6..8].copy_from_slice(&counter.to_be_bytes());
    // Sets version and variant in their places; 62 random bits stay.
    let mut builder = uuid::Builder::from_bytes(bytes);
    builder.set_version(uuid::Version::SortRand).set_variant(uuid::Variant::RFC4122);
    builder.into_uuid()
}

/// Ids of one millisecond, before the next one is borrowed from.
const COUNTER_BITS: u32 = 12;

/// The millisecond and a counter in one number that no other call gets: that of the clock, or the last one + 1.
fn next(millis: u64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let clock = millis << COUNTER_BITS;
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(clock.max(last + 1)));
    clock.max(last.unwrap_or_default() + 1)
}

pub fn event() -> EventId {
    EventId(new())
}

/// Random bytes for secrets and nonces, from a generator that the operating system seeds.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_of_version_seven_and_of_now() {
        let (before, id) = (crate::clock::now().as_millis() as u64, new());
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        let made = seconds * 1_000 + u64::from(nanos) / 1_000_000;
        assert!((before..before + 60_000).contains(&made), "{made}, {before}");
    }

    #[test]
    fn ids_rise_on_each_thread_and_are_never_the_same_on_two() {
        let make = || (0..50_000).map(|_| new()).collect::<Vec<_>>();
        let lists = std::thread::scope(|scope| [scope.spawn(make), scope.spawn(make)].map(|it| it.join().unwrap()));
        assert!(lists.iter().all(|list| list.is_sorted()));
        assert_eq!(lists.concat().into_iter().collect::<HashSet<_>>().len(), 100_000);
    }
}
