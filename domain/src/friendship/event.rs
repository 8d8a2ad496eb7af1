//! What may have happened between two people. A storage contract: see `domain/tests/golden/friendship/`.

use crate::{AccountId, ConversationId, RequestId, Sealed, Timestamp};
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
    },
    /// They are friends from here on; their one direct conversation is to be open.
    Accepted {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
        conversation_id: ConversationId,
    },
    Rejected {
        request_id: RequestId,
        from: AccountId,
        to: AccountId,
    },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
        }
    }
}
