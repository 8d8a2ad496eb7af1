//! What may have happened to a person's own view of their conversations. A storage contract: see
//! `domain/tests/golden/inbox/`.

use super::View;
use crate::{AccountId, ConversationId, MessageId, Sealed};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Each cursor moved forward to its `seq`; several conversations at once.
    CursorsAdvanced { cursors: Vec<Cursor> },
    /// Messages were read, up to that one, that end by being read. Said of no others.
    EndingRead { conversation_id: ConversationId, seq: u64 },
    /// The messages of direct conversations have come to one of the owner's devices, each up to its `seq`. What was read has
    /// come too: of that nothing is said here, unless the other one is to know of the coming alone.
    DeliveriesAdvanced { cursors: Vec<Cursor> },
    /// How the conversation is shown from now on: all of it, as it is now.
    ViewChanged { conversation_id: ConversationId, view: View },
    /// What is written and not sent; `None`: nothing any more.
    DraftChanged { conversation_id: ConversationId, draft: Option<Sealed> },
    /// Messages up to that one are gone for this person.
    Cleared { conversation_id: ConversationId, up_to_seq: u64 },
    /// This message is gone for this person.
    MessageDeleted { conversation_id: ConversationId, message_id: MessageId, seq: u64 },
    /// The announcement was read as it stood at that message.
    AnnouncementRead { conversation_id: ConversationId, seq: u64 },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    pub conversation_id: ConversationId,
    /// Everything up to here has been read, or has come.
    pub seq: u64,
    /// The other one of a direct conversation, who is told. `None` also where they are not to know.
    pub peer: Option<AccountId>,
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::CursorsAdvanced { .. } => "cursors_advanced",
            Self::EndingRead { .. } => "ending_read",
            Self::DeliveriesAdvanced { .. } => "deliveries_advanced",
            Self::ViewChanged { .. } => "view_changed",
            Self::DraftChanged { .. } => "draft_changed",
            Self::Cleared { .. } => "cleared",
            Self::MessageDeleted { .. } => "message_deleted",
            Self::AnnouncementRead { .. } => "announcement_read",
        }
    }
}
