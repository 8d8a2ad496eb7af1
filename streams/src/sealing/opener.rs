//! Opens sealed values by keys that were looked up before: all that can go wrong with the world has gone wrong by then.

use super::{Name, cache::Found, cipher};
use crate::{keyring::Keyring, metrics};
use natter_domain::{KeyId, Sealed};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// Of [`super::Keys::opener`]. It opens what it was asked for with, and nothing else.
pub struct Opener {
    pub(super) ring: Arc<Keyring>,
    pub(super) keys: HashMap<Name, Found>,
}

impl Opener {
    /// `None`: erased, and so for ever. What does not open although nobody has erased it is `None` too, counted and told to
    /// the log: there is nothing that a reader could do.
    pub fn open(&self, owner: Uuid, sealed: &Sealed) -> Option<Vec<u8>> {
        let Some(name) = Name::of(owner, sealed.key) else {
            return self.ring.open(owner, sealed).or_else(|| unopened(owner, sealed.key, "broken"));
        };
        match self.keys.get(&name) {
            Some(Found::Key(key)) => {
                cipher::open(key, owner.as_bytes(), &sealed.bytes).or_else(|| unopened(owner, sealed.key, "broken"))
            }
            Some(Found::Erased) => None,
            Some(Found::Lost) => unopened(owner, sealed.key, "lost"),
            None => unopened(owner, sealed.key, "not asked for"),
        }
    }

    /// [`Self::open`] for text.
    pub fn open_text(&self, owner: Uuid, sealed: &Sealed) -> Option<String> {
        String::from_utf8(self.open(owner, sealed)?).ok()
    }
}

fn unopened<T>(owner: Uuid, key: KeyId, why: &'static str) -> Option<T> {
    metrics::unopened(why);
    tracing::error!(%owner, %key, why, "a sealed value does not open, and nobody has erased it");
    None
}
