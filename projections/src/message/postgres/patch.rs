//! What the later changes of a batch come to, message by message: one row each, however often it changed.

use crate::message::{Body, Change, What};
use natter_domain::{AccountId, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// In the order of their keys, so that two batches never wait for each other's rows crosswise.
#[derive(Default)]
pub(super) struct Patches<'a> {
    /// By conversation and seq.
    pub messages: BTreeMap<(Uuid, u64), Patch<'a>>,
    /// How it is.
    pub votes: BTreeMap<Vote<'a>, Cast>,
}

/// `None`: the batch leaves it as it is.
#[derive(Default)]
pub(super) struct Patch<'a> {
    pub newest: u64,
    pub edited: Option<(&'a Body, Timestamp, bool)>,
    /// When, and by whom.
    pub recalled: Option<(Timestamp, Option<AccountId>)>,
    pub pinned_at: Option<Option<Timestamp>>,
    pub expires_at: Option<Timestamp>,
    counts: BTreeMap<&'a str, Option<u64>>,
}

/// Whether it stands, and since where and when.
pub(super) struct Cast {
    pub stands: bool,
    pub position: u64,
    pub at: Timestamp,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vote<'a> {
    pub conversation: Uuid,
    pub seq: u64,
    pub account: AccountId,
    pub emoji: &'a str,
}

impl<'a> Patches<'a> {
    /// Of changes in rising positions, none of them `Sent`.
    pub fn of(changes: &[&'a Change]) -> Self {
        let mut patches = Self::default();
        for change in changes {
            patches.note(change);
        }
        patches
    }

    fn note(&mut self, change: &'a Change) {
        let (conversation, seq) = (change.conversation_id.0, change.seq);
        let patch = self.messages.entry((conversation, seq)).or_default();
        // What was recalled changes no more, though somebody reads how far it was.
        if patch.recalled.is_some() {
            return;
        }
        patch.newest = change.position;
        match &change.what {
            What::Sent { .. } => debug_assert!(false, "it is a row of its own"),
            What::Edited { body, has_link } => patch.edited = Some((body, change.at, *has_link)),
            What::Recalled { by } => patch.recalled = Some((change.at, *by)),
            What::Reacted { account, emoji, count } | What::Unreacted { account, emoji, count } => {
                patch.counts.insert(emoji, (*count > 0).then_some(*count));
                let vote = Vote { conversation, seq, account: *account, emoji };
                let stands = matches!(change.what, What::Reacted { .. });
                self.votes.insert(vote, Cast { stands, position: change.position, at: change.at });
            }
            What::Pinned => patch.pinned_at = Some(Some(change.at)),
            What::Unpinned => patch.pinned_at = Some(None),
            What::Counting { expires_at } => patch.expires_at = Some(*expires_at),
        }
    }

    pub fn recalled(&self) -> impl Iterator<Item = (Uuid, u64)> {
        self.messages.iter().filter(|(_, patch)| patch.recalled.is_some()).map(|(key, _)| *key)
    }
}

impl Patch<'_> {
    /// The changed counts as JSON; null where none is left.
    pub fn reactions(&self) -> String {
        serde_json::to_string(&self.counts).expect("strings and numbers are JSON")
    }
}
