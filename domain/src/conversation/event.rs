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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Direct,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    Text,
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::MessageSent { .. } => "message_sent",
        }
    }
}
