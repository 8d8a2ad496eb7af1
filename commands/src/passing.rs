//! What is kept for minutes and shared by all nodes until then: a value for each thing, changed by one step at a time,
//! each on what was read. Where a thing is kept tells nobody what it is called.

use crate::error::Error;
use natter_domain::Timestamp;
use natter_streams::{bucket::Bucket, clock, keyring::Keyring};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};

/// How often a write is tried again because somebody else wrote: each of them got on.
const RACES: usize = 64;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Passing {
    bucket: Bucket,
    keyring: Arc<Keyring>,
}

/// What to keep in the place of what was read, for how long, and what to tell once it is kept.
pub(crate) struct Next<T, R> {
    /// `None`: nothing any more.
    pub kept: Option<T>,
    pub lifetime: Duration,
    pub told: R,
}

impl Passing {
    pub fn new(bucket: Bucket, keyring: Arc<Keyring>) -> Self {
        Self { bucket, keyring }
    }

    pub async fn read<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<T>, Error> {
        Ok(decoded(self.bucket.get(&self.key(kind, name)).await?.value))
    }

    /// Takes one step. It is kept before it is told: of two at once, one sees the other's. A step that is refused
    /// changes nothing.
    pub async fn step<T: Serialize + DeserializeOwned, R>(
        &self,
        kind: &str,
        name: &str,
        step: impl Fn(Option<T>, Timestamp) -> Result<Next<T, R>, Error>,
    ) -> Result<R, Error> {
        let key = self.key(kind, name);
        for _ in 0..RACES {
            let entry = self.bucket.get(&key).await?;
            let Next { kept, lifetime, told } = step(decoded(entry.value), clock::now())?;
            let value = serde_json::to_vec(&kept).map_err(Error::failed("encode what passes"))?;
            if self.bucket.put(&key, entry.version, value, lifetime).await? {
                return Ok(told);
            }
        }
        Err(Error::Unavailable)
    }

    fn key(&self, kind: &str, name: &str) -> String {
        self.keyring.code(kind, name, "").to_hex().to_string()
    }
}

/// What cannot be read was written by somebody else: as if it were not there.
fn decoded<T: DeserializeOwned>(value: Option<Vec<u8>>) -> Option<T> {
    serde_json::from_slice(&value?).ok()
}

/// The time between, none where it is over.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(then.as_millis() - now.as_millis()).unwrap_or_default())
}
