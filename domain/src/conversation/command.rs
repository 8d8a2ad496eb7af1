//! What may be asked of a conversation. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::event::BodyKind;
use crate::{AccountId, MessageId, Sealed};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Two friends begin to talk. Natter itself asks, in answer to an accepted request.
    StartDirect { members: [AccountId; 2] },
    /// The actor of the context sends.
    Send { message_id: MessageId, body: Sealed, body_kind: BodyKind, size: u32 },
}
