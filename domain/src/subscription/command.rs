//! What may be asked of a subscription. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// The actor subscribes.
    Begin { channel: ConversationId },
    /// The actor does not any more; or Natter itself, of somebody who is banned.
    End { channel: ConversationId, account: AccountId },
}
