//! What may be asked of a friendship. The actor of the context is the one who asks. Its serde shape is for nodes of one version that ask each other; nothing stores it.

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
}
