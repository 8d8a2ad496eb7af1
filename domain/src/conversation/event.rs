//! What may have happened in a conversation. A storage contract: see `domain/tests/golden/conversation/`.

use crate::{AccountId, MessageId, Sealed};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Started {
        kind: Kind,
        /// Everybody who is in from the start, each with `joined_seq` 0.
        members: Vec<AccountId>,
        /// A group's. Version 1 knew direct conversations only, which have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// A group's: who began it, one of the members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<AccountId>,
    },
    MessageSent {
        message_id: MessageId,
        /// 1, 2, 3... in this conversation, without gaps.
        seq: u64,
        sender: AccountId,
        /// The body as clients gave it, as JSON, sealed.
        body: Sealed,
        body_kind: BodyKind,
        /// Bytes of the body's text before sealing.
        size: u32,
    },
    MembersJoined {
        /// Of the system message that this is. They see it: their `joined_seq` is one less.
        seq: u64,
        /// Nobody twice, nobody who was in.
        account_ids: Vec<AccountId>,
        by: AccountId,
    },
    MemberLeft {
        /// Of the system message that this is: the last one that they see.
        seq: u64,
        account_id: AccountId,
        /// Themselves: they left. Somebody else: they were removed.
        by: AccountId,
        /// Which of their stays has ended.
        joined_seq: u64,
    },
    Renamed {
        name: Sealed,
        by: AccountId,
        /// The newest message's number at that moment: this is no message.
        last_seq: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Direct,
    Group,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
        }
    }

    /// The number of the system message that the beginning is; 0: it is none.
    pub const fn first_seq(self) -> u64 {
        match self {
            Self::Direct => 0,
            Self::Group => 1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    Text,
}

impl Event {
    /// Two people begin to talk.
    pub fn started_direct(members: [AccountId; 2]) -> Self {
        Self::Started { kind: Kind::Direct, members: members.to_vec(), name: None, owner: None }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::MessageSent { .. } => "message_sent",
            Self::MembersJoined { .. } => "members_joined",
            Self::MemberLeft { .. } => "member_left",
            Self::Renamed { .. } => "renamed",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Started { .. } => 2,
            Self::MessageSent { .. } | Self::MembersJoined { .. } | Self::MemberLeft { .. } | Self::Renamed { .. } => 1,
        }
    }
}
