//! What may have happened between two people. A storage contract: see `domain/tests/golden/friendship/`.

use crate::{AccountId, ConversationId, RequestId, Sealed, Timestamp, conversation::Standing};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Requested {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
        message: Option<Sealed>,
        at: Timestamp,
        expires_at: Timestamp,
        /// Version 1 had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Source>,
    },
    /// They are friends from here on; their one direct conversation is to be open.
    Accepted {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
        conversation_id: ConversationId,
        /// Version 1 had none: nothing had changed it before, and nobody could be blocked.
        #[serde(default = "Standing::first")]
        standing: Standing,
    },
    Rejected {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
    },
    /// By its sender.
    Cancelled {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
    },
    /// Its receiver does not see it any more; for its sender it is pending.
    Ignored {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
    },
    /// Its time was over before anybody had answered.
    Expired {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
    },
    /// They are friends no more, and what they had noted of each other is gone.
    Removed {
        by: AccountId,
        other: AccountId,
        conversation_id: ConversationId,
        standing: Standing,
    },
    Blocked {
        by: AccountId,
        other: AccountId,
        /// Once the pair has one.
        conversation_id: Option<ConversationId>,
        standing: Standing,
    },
    Unblocked {
        by: AccountId,
        other: AccountId,
        conversation_id: Option<ConversationId>,
        standing: Standing,
    },
    /// Strangers begin to talk.
    Opened {
        by: AccountId,
        other: AccountId,
        conversation_id: ConversationId,
        standing: Standing,
    },
    /// What somebody has noted of a friend, all of it as it is now. Sealed under the key of the one who noted it.
    FriendChanged {
        account: AccountId,
        friend: AccountId,
        remark: Option<Sealed>,
        folder: Option<Sealed>,
        starred: bool,
    },
}

/// How somebody came by the one whom they ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Search,
    Group,
    Qr,
    Card,
    Link,
    Other,
}

impl Source {
    pub const ALL: [Self; 6] = [Self::Search, Self::Group, Self::Qr, Self::Card, Self::Link, Self::Other];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Group => "group",
            Self::Qr => "qr",
            Self::Card => "card",
            Self::Link => "link",
            Self::Other => "other",
        }
    }
}

impl Event {
    /// How the pair's direct conversation stands since this: its id, who talks there, and the standing. `None` where the
    /// event changes nothing of it, or there is none yet.
    pub fn standing(&self) -> Option<(ConversationId, [AccountId; 2], &Standing)> {
        match self {
            Self::Accepted { conversation_id, from, to, standing, .. } => {
                Some((*conversation_id, [*from, *to], standing))
            }
            Self::Removed { conversation_id, by, other, standing }
            | Self::Opened { conversation_id, by, other, standing } => {
                Some((*conversation_id, [*by, *other], standing))
            }
            Self::Blocked { conversation_id, by, other, standing }
            | Self::Unblocked { conversation_id, by, other, standing } => {
                Some(((*conversation_id)?, [*by, *other], standing))
            }
            Self::Requested { .. }
            | Self::Rejected { .. }
            | Self::Cancelled { .. }
            | Self::Ignored { .. }
            | Self::Expired { .. }
            | Self::FriendChanged { .. } => None,
        }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled { .. } => "cancelled",
            Self::Ignored { .. } => "ignored",
            Self::Expired { .. } => "expired",
            Self::Removed { .. } => "removed",
            Self::Blocked { .. } => "blocked",
            Self::Unblocked { .. } => "unblocked",
            Self::Opened { .. } => "opened",
            Self::FriendChanged { .. } => "friend_changed",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Requested { .. } | Self::Accepted { .. } => 2,
            _ => 1,
        }
    }
}
