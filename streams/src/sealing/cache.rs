//! Keys in memory. What can be destroyed is not kept for long: a node that missed the notice forgets it nevertheless.

use super::Name;
use chacha20poly1305::XChaCha20Poly1305;
use hashlink::LruCache;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Keys that are kept, about 150 bytes each.
const ROOM: usize = 65_536;

/// After so long the key of an account is asked for again.
pub(super) const AGE: Duration = Duration::from_secs(10 * 60);

/// What there is of a key.
#[derive(Clone)]
pub(super) enum Found {
    Key(Arc<XChaCha20Poly1305>),
    /// It was destroyed, and will never be again.
    Erased,
    /// The table does not have it, or not whole: nobody destroyed it.
    Lost,
}

pub(super) struct Cache(Mutex<Kept>);

struct Kept {
    keys: LruCache<Name, Entry>,
    /// How often something was forgotten: what was asked before that is not kept.
    forgotten: u64,
}

struct Entry {
    found: Found,
    since: Instant,
}

/// When a question began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    forgotten: u64,
    at: Instant,
}

impl Cache {
    pub fn new() -> Self {
        Self(Mutex::new(Kept { keys: LruCache::new(ROOM), forgotten: 0 }))
    }

    pub fn get(&self, name: Name, now: Instant) -> Option<Found> {
        let mut kept = self.kept();
        let entry = kept.keys.get(&name)?;
        let is_good = !name.can_be_destroyed() || now.duration_since(entry.since) < AGE;
        is_good.then(|| entry.found.clone())
    }

    /// Those that are at hand.
    pub fn get_all(&self, names: impl IntoIterator<Item = Name>, now: Instant) -> Vec<(Name, Option<Found>)> {
        names.into_iter().map(|name| (name, self.get(name, now))).collect()
    }

    /// To be asked for before the database is.
    pub fn mark(&self) -> Mark {
        Mark { forgotten: self.kept().forgotten, at: Instant::now() }
    }

    /// What is not there may be made by another node at any time: that is not kept.
    pub fn put<'a>(&self, mark: Mark, all: impl IntoIterator<Item = (&'a Name, &'a Found)>) {
        let mut kept = self.kept();
        if kept.forgotten != mark.forgotten {
            return;
        }
        for (name, found) in all {
            if !matches!(found, Found::Lost) {
                kept.keys.insert(*name, Entry { found: found.clone(), since: mark.at });
            }
        }
    }

    pub fn forget(&self, owner: Uuid) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.keys.remove(&Name::of_account(owner));
    }

    /// All that can be destroyed: a notice may have been missed.
    pub fn forget_all(&self) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        let gone: Vec<Name> = kept.keys.iter().map(|(name, _)| *name).filter(|name| name.can_be_destroyed()).collect();
        for name in gone {
            kept.keys.remove(&name);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::KeyInit;

    const ALICE: Name = Name { owner: Uuid::from_u128(1), term: 0 };
    const BOB: Name = Name { owner: Uuid::from_u128(2), term: 0 };
    const TALK: Name = Name { owner: Uuid::from_u128(3), term: 682 };

    fn key() -> Found {
        Found::Key(Arc::new(XChaCha20Poly1305::new(&[1; 32].into())))
    }

    fn has(cache: &Cache, name: Name, now: Instant) -> bool {
        matches!(cache.get(name, now), Some(Found::Key(_)))
    }

    #[tokio::test]
    async fn the_key_of_an_account_is_not_kept_for_long() {
        let cache = Cache::new();
        let mark = cache.mark();
        cache.put(mark, [(&ALICE, &key()), (&TALK, &key())]);
        let just_before = mark.at + AGE - Duration::from_millis(1);
        assert!(has(&cache, ALICE, just_before) && has(&cache, TALK, just_before));
        assert!(!has(&cache, ALICE, mark.at + AGE));
        assert!(has(&cache, TALK, mark.at + AGE), "nobody destroys it");
    }

    #[tokio::test]
    async fn what_is_forgotten_does_not_come_back_by_an_older_answer() {
        let cache = Cache::new();
        let older = cache.mark();
        cache.put(older, [(&ALICE, &key()), (&BOB, &key()), (&TALK, &key())]);
        cache.forget(ALICE.owner);
        assert!(!has(&cache, ALICE, older.at) && has(&cache, BOB, older.at));
        cache.put(older, [(&ALICE, &key())]);
        assert!(!has(&cache, ALICE, older.at));
        cache.forget_all();
        assert!(!has(&cache, BOB, older.at) && has(&cache, TALK, older.at));
    }

    #[tokio::test]
    async fn it_is_bounded_and_remembers_what_is_gone_not_what_is_missing() {
        let cache = Cache::new();
        let mark = cache.mark();
        for number in 0..2 * ROOM as u128 {
            cache.put(mark, [(&Name { owner: Uuid::from_u128(number), term: 5 }, &Found::Erased)]);
        }
        assert_eq!(cache.kept().keys.len(), ROOM);
        cache.put(mark, [(&ALICE, &Found::Erased), (&BOB, &Found::Lost)]);
        assert!(matches!(cache.get(ALICE, mark.at), Some(Found::Erased)));
        assert!(cache.get(BOB, mark.at).is_none());
    }
}
