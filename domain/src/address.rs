//! Where an aggregate lives: its noun, its id, and the key that names its lane.

use std::fmt;
use uuid::Uuid;

/// The nouns that have aggregates. Spelled the same in folders, subjects, tables and metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Noun {
    Account,
    Handle,
    Session,
    Friendship,
    Conversation,
    Inbox,
    Message,
    Subscription,
    Pending,
    Projection,
}

impl Noun {
    pub const ALL: [Self; 10] = [
        Self::Account,
        Self::Handle,
        Self::Session,
        Self::Friendship,
        Self::Conversation,
        Self::Inbox,
        Self::Message,
        Self::Subscription,
        Self::Pending,
        Self::Projection,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Handle => "handle",
            Self::Session => "session",
            Self::Friendship => "friendship",
            Self::Conversation => "conversation",
            Self::Inbox => "inbox",
            Self::Message => "message",
            Self::Subscription => "subscription",
            Self::Pending => "pending",
            Self::Projection => "projection",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.as_str() == text)
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An aggregate's address. `route` is its routing key: aggregates with the same key share a lane for ever
/// (what belongs to a person: the account id; a friendship: the pair; a conversation: itself).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    pub noun: Noun,
    pub id: Uuid,
    pub route: Uuid,
}
