//! What may have happened to a subscription. A storage contract: see `domain/tests/golden/subscription/`.

use crate::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Begun {
        conversation_id: ConversationId,
        account_id: AccountId,
        /// The channel's newest message at that moment: what comes behind it is told as it happens.
        last_seq: u64,
    },
    Ended {
        conversation_id: ConversationId,
        account_id: AccountId,
        /// As above: the last one that was told; 0 for who is banned.
        last_seq: u64,
    },
}

impl Event {
    pub const fn channel(&self) -> ConversationId {
        let (Self::Begun { conversation_id, .. } | Self::Ended { conversation_id, .. }) = self;
        *conversation_id
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Begun { .. } => "begun",
            Self::Ended { .. } => "ended",
        }
    }
}
