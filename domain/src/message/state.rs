//! What we remember of a message: nothing of its text but a hash of it, and who has reacted how. Persistent maps, so
//! that a reaction copies the people of one emoji at the most.

use super::{Event, Marks, Reader};
use crate::{AccountId, serial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Of the newest edit's content; `None`: never edited.
    pub edited: Option<Uuid>,
    /// Or ended by itself.
    pub recalled: bool,
    pub pinned: bool,
    /// Who has put which emoji; never nobody.
    #[serde(with = "serial::sorted")]
    pub reactions: imbl::HashMap<String, BTreeSet<AccountId>>,
    /// Of its thread: who has said something of it.
    #[serde(with = "serial::sorted")]
    pub readers: imbl::HashMap<AccountId, Reader>,
    /// How it stands with whoever has marked it for themselves; absent: no mark.
    #[serde(with = "serial::sorted")]
    pub marks: imbl::HashMap<AccountId, Marks>,
}

impl State {
    pub fn has(&self, account: AccountId, emoji: &str) -> bool {
        self.reactions.get(emoji).is_some_and(|accounts| accounts.contains(&account))
    }

    pub fn reader(&self, account: AccountId) -> Reader {
        self.readers.get(&account).copied().unwrap_or_default()
    }

    pub fn marks(&self, account: AccountId) -> Marks {
        self.marks.get(&account).copied().unwrap_or_default()
    }

    /// How many have put it.
    pub fn count(&self, emoji: &str) -> u64 {
        self.reactions.get(emoji).map_or(0, |accounts| accounts.len() as u64)
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Edited { fingerprint, .. } => self.edited = Some(*fingerprint),
            // Nobody reacts any more, and no mark is left. Its thread goes on.
            Event::Recalled { .. } | Event::Expired { .. } => {
                *self = Self { recalled: true, readers: std::mem::take(&mut self.readers), ..Self::default() };
            }
            Event::Reacted { account_id, emoji, .. } => {
                self.reactions.entry(emoji.clone()).or_default().insert(*account_id);
            }
            Event::Unreacted { account_id, emoji, .. } => self.take_back(*account_id, emoji),
            Event::Pinned { .. } => self.pinned = true,
            Event::Unpinned { .. } => self.pinned = false,
            Event::Followed { account_id, .. } => self.readers.entry(*account_id).or_default().follows = Some(true),
            Event::Unfollowed { account_id, .. } => self.readers.entry(*account_id).or_default().follows = Some(false),
            Event::ThreadRead { account_id, seq, .. } => self.readers.entry(*account_id).or_default().read_seq = *seq,
            Event::Marked { account_id, starred_at: None, listened: false, .. } => {
                self.marks.remove(account_id);
            }
            Event::Marked { account_id, starred_at, listened, .. } => {
                self.marks.insert(*account_id, Marks { starred_at: *starred_at, listened: *listened });
            }
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
