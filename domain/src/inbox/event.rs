//! What may have happened to a person's own view of their conversations. A storage contract: see
//! `domain/tests/golden/inbox/`.

use crate::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Each cursor moved forward to its `seq`; several conversations at once.
    CursorsAdvanced { cursors: Vec<Cursor> },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    pub conversation_id: ConversationId,
    /// Everything up to here has been read.
    pub seq: u64,
    /// The other one of a direct conversation, who is told.
    pub peer: Option<AccountId>,
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::CursorsAdvanced { .. } => "cursors_advanced",
        }
    }
}
