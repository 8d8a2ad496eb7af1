//! What may be asked of an inbox. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Move cursors forward. The conversations' own word (`last_seq`, `joined_seq`) comes along as facts.
    Advance { cursors: Vec<Advance> },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Advance {
    pub conversation_id: ConversationId,
    pub seq: u64,
    /// The conversation's newest message when the command was made: a cursor beyond it is refused.
    pub last_seq: u64,
    /// Where the member's interval begins: the cursor's least value.
    pub joined_seq: u64,
    pub peer: Option<AccountId>,
}
