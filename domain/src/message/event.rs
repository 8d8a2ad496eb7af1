//! What may have happened to a message. A storage contract: see `domain/tests/golden/message/`.

use crate::{AccountId, ConversationId, MessageId, Sealed, Timestamp, conversation::BodyKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What never changes of a message. Every event says it, so that a projection reads nothing to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub seq: u64,
    /// `None`: a system message.
    pub sender: Option<AccountId>,
    pub sent_at: Timestamp,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Edited {
        message: Place,
        /// The new body as the client gave it, as JSON, sealed.
        body: Sealed,
        body_kind: BodyKind,
        /// Bytes of the body's text before sealing.
        size: u32,
        /// Keyed hash of sender and body, by which the same edit is known.
        fingerprint: Uuid,
        /// Version 1 did not say so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        has_link: bool,
    },
    Recalled {
        message: Place,
        by: AccountId,
    },
    /// It has ended by itself: in all respects as if it was recalled, by nobody.
    Expired {
        message: Place,
    },
    Reacted {
        message: Place,
        account_id: AccountId,
        emoji: String,
        /// Of that emoji on that message, with this one.
        count: u64,
    },
    Unreacted {
        message: Place,
        account_id: AccountId,
        emoji: String,
        /// Of that emoji on that message, without this one.
        count: u64,
    },
    Pinned {
        message: Place,
        by: AccountId,
    },
    Unpinned {
        message: Place,
        by: AccountId,
    },
    /// The thread that begins with it; told to nobody else, as what follows is.
    Followed {
        message: Place,
        account_id: AccountId,
    },
    Unfollowed {
        message: Place,
        account_id: AccountId,
    },
    /// Everything of the thread up to that number of the conversation.
    ThreadRead {
        message: Place,
        account_id: AccountId,
        seq: u64,
    },
    /// How it stands with somebody from now on; told to nobody else.
    Marked {
        message: Place,
        account_id: AccountId,
        /// Since when it has their star; `None`: it has none.
        starred_at: Option<Timestamp>,
        listened: bool,
    },
}

impl Event {
    pub fn message(&self) -> &Place {
        match self {
            Self::Edited { message, .. }
            | Self::Recalled { message, .. }
            | Self::Expired { message }
            | Self::Reacted { message, .. }
            | Self::Unreacted { message, .. }
            | Self::Pinned { message, .. }
            | Self::Unpinned { message, .. }
            | Self::Followed { message, .. }
            | Self::Unfollowed { message, .. }
            | Self::ThreadRead { message, .. }
            | Self::Marked { message, .. } => message,
        }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Recalled { .. } => "recalled",
            Self::Expired { .. } => "expired",
            Self::Reacted { .. } => "reacted",
            Self::Unreacted { .. } => "unreacted",
            Self::Pinned { .. } => "pinned",
            Self::Unpinned { .. } => "unpinned",
            Self::Followed { .. } => "followed",
            Self::Unfollowed { .. } => "unfollowed",
            Self::ThreadRead { .. } => "thread_read",
            Self::Marked { .. } => "marked",
        }
    }

    fn version(&self) -> u32 {
        if let Self::Edited { .. } = self { 2 } else { 1 }
    }
}
