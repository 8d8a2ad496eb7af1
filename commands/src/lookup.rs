//! Which keys the log holds: looked up in groups. While one query runs, the next ones gather, so a burst of stale
//! retries costs a few queries, not one each; no timer.

use crate::metrics;
use natter_streams::{Error, Lane, Log, Record};
use std::collections::{HashMap, HashSet};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Keys of one query.
const AT_ONCE: usize = 1_000;

pub(crate) enum Found {
    /// The first event of the command with this key.
    Stored(Box<Record>),
    /// No such event, when it was looked for.
    Nothing,
    /// It could not be looked up.
    Failed,
}

type Answer = Result<HashMap<Uuid, Record>, Error>;

pub(crate) struct Lookup {
    log: Log,
    lane: Lane,
    wanted: HashSet<Uuid>,
    asked: HashSet<Uuid>,
    running: Option<JoinHandle<Answer>>,
    found: HashMap<Uuid, Found>,
}

impl Lookup {
    pub fn new(log: Log, lane: Lane) -> Self {
        let (wanted, asked, found) = (HashSet::new(), HashSet::new(), HashMap::new());
        Self { log, lane, wanted, asked, running: None, found }
    }

    /// Has a key looked up, again if it was before.
    pub fn want(&mut self, key: Uuid) {
        self.found.remove(&key);
        self.want_all(std::iter::once(key));
    }

    pub fn want_all(&mut self, keys: impl Iterator<Item = Uuid>) {
        self.wanted.extend(keys);
        self.start();
    }

    /// Its answer is still to come.
    pub fn is_wanted(&self, key: Uuid) -> bool {
        self.wanted.contains(&key) || self.asked.contains(&key)
    }

    pub fn has(&self, key: Uuid) -> bool {
        self.found.contains_key(&key)
    }

    pub fn has_stored(&self, key: Uuid) -> bool {
        matches!(self.found.get(&key), Some(Found::Stored(_) | Found::Failed))
    }

    /// The answer, once.
    pub fn take(&mut self, key: Uuid) -> Option<Found> {
        self.found.remove(&key)
    }

    /// Waits until a query has ended; for ever while there is none. Can be dropped and called again.
    pub async fn done(&mut self) {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let answer = running.await;
        self.running = None;
        let asked = std::mem::take(&mut self.asked);
        match answer {
            Ok(Ok(mut stored)) => self.found.extend(asked.into_iter().map(|key| {
                let found = stored.remove(&key).map_or(Found::Nothing, |record| Found::Stored(Box::new(record)));
                (key, found)
            })),
            Ok(Err(error)) => {
                tracing::error!(lane = %self.lane, %error, keys = asked.len(), "look up command keys");
                self.found.extend(asked.into_iter().map(|key| (key, Found::Failed)));
            }
            Err(error) => {
                tracing::error!(lane = %self.lane, %error, "look up command keys");
                self.found.extend(asked.into_iter().map(|key| (key, Found::Failed)));
            }
        }
        self.start();
    }

    /// Everything: it was asked for a generation that has ended.
    pub fn forget(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
        self.wanted.clear();
        self.asked.clear();
        self.found.clear();
    }

    fn start(&mut self) {
        if self.running.is_some() || self.wanted.is_empty() {
            return;
        }
        let keys: Vec<Uuid> = self.wanted.iter().copied().take(AT_ONCE).collect();
        for key in &keys {
            self.wanted.remove(key);
        }
        metrics::looked_up(keys.len());
        self.asked = keys.iter().copied().collect();
        let (log, lane) = (self.log.clone(), self.lane);
        self.running = Some(tokio::spawn(async move { log.by_keys(lane, &keys).await }));
    }
}
