//! What may be asked of a friendship. The actor of the context is the one who asks. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::{FriendChange, Source};
use crate::{AccountId, ConversationId, RequestId, Sealed};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// While the other's own request is pending this accepts that one.
    Request {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
        message: Option<Sealed>,
        source: Option<Source>,
        /// Whether the other one's settings let this one ask. Who has been asked by them accepts whatever they say.
        is_taken: bool,
        /// The direct conversation's id, should this accept and the pair have none yet.
        conversation_id: ConversationId,
    },
    Accept {
        request_id: RequestId,
        conversation_id: ConversationId,
    },
    Reject {
        request_id: RequestId,
    },
    /// By its sender.
    Cancel {
        request_id: RequestId,
    },
    /// By its receiver.
    Ignore {
        request_id: RequestId,
    },
    /// Its time is over.
    Expire {
        request_id: RequestId,
    },
    /// Ends the friendship.
    Remove {
        other: AccountId,
    },
    /// What the actor notes of their friend.
    ChangeFriend {
        friend: AccountId,
        change: FriendChange<Sealed>,
    },
    Block {
        other: AccountId,
        /// Whether there is such a person; whom the actor blocks already stays blocked.
        is_known: bool,
    },
    Unblock {
        other: AccountId,
    },
    /// Strangers begin to talk.
    Open {
        other: AccountId,
        /// Whether the installation and the other one's settings let strangers write to them.
        is_taken: bool,
        /// As in [`Self::Request`].
        conversation_id: ConversationId,
    },
}
