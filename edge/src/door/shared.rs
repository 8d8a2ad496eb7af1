//! Buckets that all nodes fill and empty together: a value in the bus for each, written on the version that was read. Each
//! node's own bucket stands before it, so that who goes on asking costs no question to the bus. Where the bus does not
//! answer in time the node counts alone, for a while without asking.

use super::{
    bucket::{self, Empty, Left},
    lock,
    table::Limit,
};
use crate::metrics;
use natter_streams::{Error, bucket::Bucket, bus::Bus, clock, keyring::Keyring};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout},
};

/// How long the bus may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it is then left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Somebody else wrote between our reading and our writing so often: there is a crowd at that bucket.
const TRIES: usize = 8;
/// Those of one node take turns by key, so that only nodes get into each other's way.
const TURNS: usize = 64;

pub struct Shared {
    bucket: Bucket,
    /// No address and no account stands in the bus in readable form.
    keyring: Arc<Keyring>,
    turns: [Turn<()>; TURNS],
    paused_until: Mutex<Option<Instant>>,
}

impl Shared {
    pub fn new(bus: &Bus, keyring: Arc<Keyring>) -> Self {
        let turns = std::array::from_fn(|_| Turn::default());
        Self { bucket: Bucket::limits(bus), keyring, turns, paused_until: Mutex::default() }
    }

    /// `None`: it is not known what the others have counted.
    pub async fn take(&self, limit: &'static Limit, who: u128) -> Option<Result<Left, Empty>> {
        let key = self.keyring.handle("door", &format!("{}:{who:x}", limit.name)).0;
        // Waiting for a turn is not the bus' fault.
        let _turn = self.turns[key.as_u128() as usize % TURNS].lock().await;
        if lock(&self.paused_until).is_some_and(|until| Instant::now() < until) {
            return None;
        }
        match timeout(PATIENCE, self.ask(limit, &key.simple().to_string())).await {
            Ok(Ok(outcome)) => Some(outcome),
            Ok(Err(error)) => self.alone(&error.to_string()),
            Err(_) => self.alone("no answer in time"),
        }
    }

    fn alone(&self, why: &str) -> Option<Result<Left, Empty>> {
        tracing::warn!(why, "limits are counted by this node alone for a while");
        metrics::counted_alone();
        *lock(&self.paused_until) = Some(Instant::now() + PAUSE);
        None
    }

    async fn ask(&self, limit: &'static Limit, key: &str) -> Result<Result<Left, Empty>, Error> {
        for _ in 0..TRIES {
            let entry = self.bucket.get(key).await?;
            let now = Duration::from_millis(clock::now().as_millis().max(0) as u64);
            let (full_at, left) = match bucket::take(limit, read(entry.value.as_deref()), now) {
                Ok(taken) => taken,
                Err(empty) => return Ok(Err(empty)),
            };
            if self.bucket.put(key, entry.version, written(full_at), full_at - now).await? {
                return Ok(Ok(left));
            }
        }
        Ok(Err(Empty { limit, wait: limit.gap() }))
    }
}

/// Milliseconds by the wall clock. What cannot be read is a full bucket.
fn read(value: Option<&[u8]>) -> Duration {
    let millis = value.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.parse().ok());
    Duration::from_millis(millis.unwrap_or_default())
}

fn written(full_at: Duration) -> Vec<u8> {
    full_at.as_millis().to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_anything_else_is_a_full_bucket() {
        let full_at = Duration::from_millis(1_700_000_000_123);
        assert_eq!(read(Some(&written(full_at))), full_at);
        for bad in [None, Some(b"-1".as_slice()), Some(b"soon"), Some(b"\xff"), Some(b"")] {
            assert_eq!(read(bad), Duration::ZERO);
        }
    }
}
