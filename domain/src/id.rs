//! Ids are types: what wants a `ConversationId` cannot be handed an `AccountId`.
//! They are made outside the domain (version 7) or derived from other ids; the domain only carries them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> { Uuid::from_str(text).map(Self) }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }
        impl From<$name> for Uuid {
            fn from(id: $name) -> Self { id.0 }
        }
    )+};
}

ids! {
    /// A person's account.
    AccountId,
    /// A unique name (user name, later e-mail or phone): a keyed hash of the normalised value, so that the
    /// log does not give the value away.
    HandleId,
    /// One signed-in device of an account.
    SessionId,
    /// What stands between two people; see [`FriendshipId::of`].
    FriendshipId,
    /// One friend request.
    RequestId,
    /// A conversation.
    ConversationId,
    /// A message; chosen by the client, unique in its conversation only.
    MessageId,
    /// One event in the log.
    EventId,
}

impl FriendshipId {
    /// The one friendship of a pair, whoever is named first.
    pub fn of(one: AccountId, other: AccountId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        Self(derived("natter friendship", &[low.0.as_bytes(), high.0.as_bytes()]))
    }
}

/// A UUID (version 8) made from other values: the same parts give the same id, everywhere and for ever.
pub fn derived(purpose: &'static str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
