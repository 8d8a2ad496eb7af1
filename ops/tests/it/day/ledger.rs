//! What people were answered: the other side of every comparison.

use super::deed::Deed;
use natter_testkit::wire;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// A message that was acknowledged.
pub struct Sent {
    pub conversation: Uuid,
    pub message: Uuid,
    pub seq: u64,
    pub sender: Uuid,
    /// As it is to be shown, where that is known.
    pub body: Option<wire::Body>,
    /// It says what this one says.
    pub forwards: Option<Uuid>,
    /// Behind all that its sender had sent there before.
    pub in_order: bool,
}

/// One that was to be sent later, or once somebody has looked at it.
pub struct Later {
    pub conversation: Uuid,
    pub author: Uuid,
    /// As it is to be shown, where that is known.
    pub body: Option<wire::Body>,
    pub cancelled: bool,
}

#[derive(Default)]
pub struct Ledger {
    /// Each sender's in the order in which they were sent.
    pub sent: Vec<Sent>,
    /// Messages that are nowhere, and why.
    pub refused: BTreeMap<Uuid, String>,
    pub later: BTreeMap<Uuid, Later>,
    /// Of those that were held: whether they may be said.
    pub reviewed: BTreeMap<Uuid, bool>,
    /// Messages that may be there or not: another of the same request was refused.
    pub perhaps: HashSet<Uuid>,
    /// Messages that end by themselves.
    pub ends: HashSet<Uuid>,
    /// What messages were edited to last.
    pub edited: HashMap<Uuid, wire::Body>,
    pub recalled: HashSet<Uuid>,
    /// By message and emoji: who has put it there.
    pub reacted: BTreeMap<Uuid, BTreeMap<String, BTreeSet<Uuid>>>,
    /// What each has deleted for themselves, by account and message; `false`: perhaps.
    pub deleted: BTreeMap<(Uuid, Uuid), bool>,
    /// Whether each has a star on a message; `None`: not known.
    pub starred: BTreeMap<(Uuid, Uuid), Option<bool>>,
    /// How far each has read each conversation at the least.
    pub read: BTreeMap<(Uuid, Uuid), u64>,
    /// Where codes were sent.
    pub addresses: Vec<String>,
    /// Kinds of bodies that were sent.
    pub kinds: BTreeSet<String>,
    /// Messages of which is not known what became of them: somebody was refused, but perhaps not the first time.
    pub doubtful: HashSet<Uuid>,
    /// How often each was done.
    pub done: BTreeMap<Deed, u64>,
    pub codes: BTreeMap<(Deed, String), u64>,
    /// What may never happen, and did.
    pub broken: Vec<String>,
    /// Answers that say that the server is at fault.
    pub internal: Vec<String>,
}

impl Ledger {
    /// Whether it may say something else than it was sent with.
    pub fn is_other_words(&self, message: Uuid) -> bool {
        self.edited.contains_key(&message) || self.doubtful.contains(&message)
    }

    pub fn reacts(&mut self, message: Uuid, emoji: &str, account: Uuid, on: bool) {
        let who = self.reacted.entry(message).or_default().entry(emoji.to_owned()).or_default();
        if on {
            who.insert(account)
        } else {
            who.remove(&account)
        };
    }

    /// As the counts of a message are shown.
    pub fn reactions(&self, message: Uuid) -> BTreeMap<&str, u64> {
        let of_it = self.reacted.get(&message).into_iter().flatten();
        of_it.filter(|(_, who)| !who.is_empty()).map(|(emoji, who)| (emoji.as_str(), who.len() as u64)).collect()
    }
}
