//! Which keys the log holds: looked up in groups. While one query runs, the next ones gather, so a burst of stale
//! retries costs a few queries, not one each; no timer.

use crate::metrics;
use futures::future::BoxFuture;
use natter_streams::{Error, Record};
use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
};
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

pub(crate) type Answer = Result<HashMap<Uuid, Record>, Error>;

pub(crate) struct Lookup {
    ask: Box<dyn Fn(Vec<Uuid>) -> BoxFuture<'static, Answer> + Send + Sync>,
    wanted: HashSet<Uuid>,
    asked: HashSet<Uuid>,
    running: Option<JoinHandle<Answer>>,
    found: HashMap<Uuid, Found>,
}

impl Lookup {
    /// `ask`: one query for the first events of these keys.
    pub fn new(ask: impl Fn(Vec<Uuid>) -> BoxFuture<'static, Answer> + Send + Sync + 'static) -> Self {
        let (wanted, asked, found) = (HashSet::new(), HashSet::new(), HashMap::new());
        Self { ask: Box::new(ask), wanted, asked, running: None, found }
    }

    /// Has a key looked up, again if it was before.
    pub fn want(&mut self, key: Uuid) {
        self.found.remove(&key);
        self.want_all(std::iter::once(key));
    }

    pub fn want_all(&mut self, keys: impl Iterator<Item = Uuid>) {
        self.wanted.extend(keys.filter(|key| !self.asked.contains(key)));
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
            Ok(Err(error)) => self.failed(&error, asked),
            Err(error) => self.failed(&error, asked),
        }
        self.start();
    }

    fn failed(&mut self, error: &dyn Display, asked: HashSet<Uuid>) {
        tracing::error!(%error, keys = asked.len(), "look up command keys");
        self.found.extend(asked.into_iter().map(|key| (key, Found::Failed)));
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
        self.running = Some(tokio::spawn((self.ask)(keys)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128)
    }

    #[tokio::test]
    async fn a_burst_costs_a_query_while_one_runs_and_one_for_all_the_rest() {
        let queries = Arc::new(Mutex::new(Vec::new()));
        let seen = queries.clone();
        let mut lookup = Lookup::new(move |keys| {
            seen.lock().unwrap().push(keys.len());
            Box::pin(async { Ok(HashMap::new()) })
        });
        for number in 0..900 {
            lookup.want(id(number));
            lookup.want(id(number));
        }
        assert!((0..900).all(|number| lookup.is_wanted(id(number))));
        lookup.done().await;
        lookup.done().await;
        assert!((0..900).all(|number| matches!(lookup.take(id(number)), Some(Found::Nothing))));
        assert_eq!(*queries.lock().unwrap(), [1, 899]);
    }

    #[tokio::test]
    async fn what_fails_is_told_to_those_who_asked() {
        let mut lookup = Lookup::new(|_| Box::pin(async { Err(Error::Unfit("no".to_owned())) }));
        lookup.want(id(1));
        lookup.done().await;
        assert!(matches!(lookup.take(id(1)), Some(Found::Failed)));
        assert!(lookup.take(id(1)).is_none(), "once");
    }

    #[tokio::test]
    async fn what_is_forgotten_does_not_come_back() {
        let mut lookup = Lookup::new(|_| Box::pin(async { Ok(HashMap::new()) }));
        lookup.want(id(1));
        lookup.forget();
        assert!(!lookup.is_wanted(id(1)));
        lookup.want(id(2));
        lookup.done().await;
        assert!(lookup.take(id(1)).is_none() && lookup.has(id(2)));
    }
}
