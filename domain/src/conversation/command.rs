//! What may be asked of a conversation. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::event::BodyKind;
use crate::{AccountId, MessageId, Sealed, account::Mute};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Two friends begin to talk. Natter itself asks, in answer to an accepted request.
    StartDirect {
        members: [AccountId; 2],
    },
    /// The actor begins a group with friends of theirs, and owns it.
    StartGroup {
        name: Sealed,
        members: Vec<AccountId>,
        /// Those of the members who are friends of the actor, as was asked of the friendships just before. They ride in the
        /// command so that a repeat, which is not decided, is not refused for what has changed since. Who was not asked
        /// about is no friend: what was looked at before may have changed by the decision.
        friends: Vec<AccountId>,
    },
    /// The actor adds friends of theirs.
    AddMembers {
        accounts: Vec<AccountId>,
        /// As in [`Self::StartGroup`].
        friends: Vec<AccountId>,
    },
    /// The actor leaves, or the owner removes somebody.
    RemoveMember {
        account: AccountId,
    },
    Rename {
        name: Sealed,
    },
    /// The actor of the context sends.
    Send {
        message_id: MessageId,
        body: Sealed,
        body_kind: BodyKind,
        size: u32,
        /// What was known of the sender just before. It rides in the command as `friends` do in [`Self::StartGroup`]: what
        /// was sent before they were muted is answered again.
        muted: Option<Mute>,
    },
}
