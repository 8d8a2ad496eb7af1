//! What a home of history holds, in one form for every kind of home, so that two can be compared row by row: a message
//! with all that readers see of it, every change from which it is folded, and who has reacted. A cluster's tables that
//! only find others come as columns of what they find (`by_id`, `noted`), or as rows of `conversation_part`.
//!
//! Read bucket by bucket: as much as fits into memory, and what a cluster keeps together.

use natter_domain::ConversationId;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};
use uuid::Uuid;

/// A row's columns, by name.
pub(crate) type Columns = Map<String, Value>;

/// The rows of a message.
pub(crate) type Rows = BTreeMap<Name, Columns>;

/// Some messages of a conversation that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Unit {
    pub(crate) conversation: Uuid,
    pub(crate) bucket: u64,
}

/// One row, named as an operator finds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Name {
    pub(crate) table: &'static str,
    /// `conversation_id=..., seq=3`
    pub(crate) key: String,
}

/// Where rows stand that belong to no message alone.
const OF_ALL: u64 = u64::MAX;

/// The rows of a unit, message by message: what changes together, and says by its newest change that it did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Held {
    conversation: ConversationId,
    messages: BTreeMap<u64, Rows>,
}

impl Held {
    pub(crate) fn new(unit: Unit) -> Self {
        Self { conversation: ConversationId(unit.conversation), messages: BTreeMap::new() }
    }

    pub(crate) fn message(&mut self, seq: u64, columns: Columns) {
        self.put(seq, "message", &format!("seq={seq}"), columns);
    }

    pub(crate) fn change(&mut self, seq: u64, position: u64, columns: Columns) {
        self.put(seq, "message_change", &format!("seq={seq}, position={position}"), columns);
    }

    pub(crate) fn reaction(&mut self, account: Uuid, seq: u64, emoji: &str, columns: Columns) {
        self.put(seq, "reaction", &format!("account_id={account}, seq={seq}, emoji={emoji}"), columns);
    }

    /// Readers find the partition.
    pub(crate) fn part(&mut self, table: &str, part: u64) {
        self.put(OF_ALL, "conversation_part", &format!("of_table={table}, part={part}"), Columns::new());
    }

    fn put(&mut self, seq: u64, table: &'static str, rest: &str, columns: Columns) {
        let key = format!("conversation_id={}, {rest}", self.conversation);
        self.messages.entry(seq).or_default().insert(Name { table, key }, columns);
    }

    /// The rows of a message, if there are any.
    pub(crate) fn of(&self, seq: u64) -> Option<&Rows> {
        self.messages.get(&seq)
    }

    fn holds_messages(&self) -> bool {
        self.messages.values().flat_map(BTreeMap::keys).any(|name| name.table == "message")
    }

    /// Both without the parts where one of the two has nothing to be found: that says it all.
    pub(crate) fn without_lonely_parts(one: &mut Self, other: &mut Self) {
        if !one.holds_messages() || !other.holds_messages() {
            one.messages.remove(&OF_ALL);
            other.messages.remove(&OF_ALL);
        }
    }

    /// The messages that either has.
    pub(crate) fn seqs(&self, other: &Self) -> BTreeSet<u64> {
        self.messages.keys().chain(other.messages.keys()).copied().collect()
    }
}

/// The same for the same row, in this process.
pub(crate) fn checksum(name: &Name, columns: &Columns) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    Value::Object(columns.clone()).to_string().hash(&mut hasher);
    hasher.finish()
}
