//! What we remember of a message: nothing of its text but a hash of it, and who has reacted how. Persistent maps, so
//! that a reaction copies the people of one emoji at the most.

use super::Event;
use crate::{AccountId, serial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Of the newest edit's content; `None`: never edited.
    pub edited: Option<Uuid>,
    pub recalled: bool,
    pub pinned: bool,
    /// Who has put which emoji; never nobody.
    #[serde(with = "serial::sorted")]
    pub reactions: imbl::HashMap<String, BTreeSet<AccountId>>,
}

impl State {
    pub fn has(&self, account: AccountId, emoji: &str) -> bool {
        self.reactions.get(emoji).is_some_and(|accounts| accounts.contains(&account))
    }

    /// How many have put it.
    pub fn count(&self, emoji: &str) -> u64 {
        self.reactions.get(emoji).map_or(0, |accounts| accounts.len() as u64)
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Edited { fingerprint, .. } => self.edited = Some(*fingerprint),
            // Nobody reacts any more.
            Event::Recalled { .. } => *self = Self { recalled: true, ..Self::default() },
            Event::Reacted { account_id, emoji, .. } => {
                self.reactions.entry(emoji.clone()).or_default().insert(*account_id);
            }
            Event::Unreacted { account_id, emoji, .. } => self.take_back(*account_id, emoji),
            Event::Pinned { .. } => self.pinned = true,
            Event::Unpinned { .. } => self.pinned = false,
        }
    }

    fn take_back(&mut self, account: AccountId, emoji: &str) {
        let Some(accounts) = self.reactions.get_mut(emoji) else { return };
        accounts.remove(&account);
        if accounts.is_empty() {
            self.reactions.remove(emoji);
        }
    }
}
