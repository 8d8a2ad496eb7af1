//! What may have happened to a message that waits. A storage contract: see `domain/tests/golden/pending/`.

use crate::{
    AccountId, ConversationId, MessageId, Sealed, Timestamp,
    conversation::{BodyKind, Lifetime, Mentions},
    id,
};
use serde::{Deserialize, Serialize};
use std::ops::Not;
use uuid::Uuid;

/// Which message it is. Every event says it: an aggregate's id does not tell of what it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub author: AccountId,
}

impl Place {
    /// Of this message of this person: two may give one id to what they have waiting.
    pub fn id(&self) -> Uuid {
        let Self { conversation_id, message_id, author } = self;
        let parts: [&[u8]; 3] = [conversation_id.0.as_bytes(), message_id.0.as_bytes(), author.0.as_bytes()];
        id::derived("natter pending message", &parts)
    }
}

/// What is to be said, as its author gave it. What it answers is looked for when it is said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Content {
    /// As JSON, sealed with the author's key: nobody else has heard it.
    pub body: Sealed,
    /// As its author gave it, where it is another by now: a repeat is known by that. Sealed likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Sealed>,
    /// What was given is told from something else by this, however it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Uuid>,
    pub body_kind: BodyKind,
    /// Bytes of the body's texts before sealing.
    pub size: u32,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub has_link: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// A message of the thread that it is a reply in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Mentions::is_nobody")]
    pub mentions: Mentions,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub silent: bool,
    /// From when it is really said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_destruct: Option<Lifetime>,
}

impl Content {
    /// What of it is counted.
    pub(super) fn bytes(&self) -> usize {
        self.body.bytes.len() + self.given.as_ref().map_or(0, |given| given.bytes.len())
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It waits for a moment.
    Scheduled {
        message: Place,
        content: Content,
        send_at: Timestamp,
    },
    /// It waits for somebody who reviews it.
    Held {
        message: Place,
        content: Content,
        /// Which of the operators' rules it met.
        rule: String,
    },
    Changed {
        message: Place,
        /// All of it, what stayed as it was included.
        content: Content,
        send_at: Timestamp,
    },
    /// Its author has taken it back, or put away what could not be sent.
    Cancelled {
        message: Place,
    },
    /// It is to be said now.
    Released {
        message: Place,
        content: Content,
        /// The reviewer; `None`: its moment has come.
        by: Option<String>,
    },
    Sent {
        message: Place,
        seq: u64,
    },
    /// It could not be sent.
    Failed {
        message: Place,
        /// For its author, who may want to say it otherwise.
        content: Content,
        /// When it was to be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        send_at: Option<Timestamp>,
        /// As a send would have been refused.
        code: String,
        until: Option<Timestamp>,
        /// The reviewer who refused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

impl Event {
    pub const fn message(&self) -> &Place {
        match self {
            Self::Scheduled { message, .. }
            | Self::Held { message, .. }
            | Self::Changed { message, .. }
            | Self::Cancelled { message }
            | Self::Released { message, .. }
            | Self::Sent { message, .. }
            | Self::Failed { message, .. } => message,
        }
    }

    /// What it says, where that is still to be shown to its author.
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::Scheduled { content, .. }
            | Self::Held { content, .. }
            | Self::Changed { content, .. }
            | Self::Released { content, .. }
            | Self::Failed { content, .. } => Some(content),
            Self::Cancelled { .. } | Self::Sent { .. } => None,
        }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Held { .. } => "held",
            Self::Changed { .. } => "changed",
            Self::Cancelled { .. } => "cancelled",
            Self::Released { .. } => "released",
            Self::Sent { .. } => "sent",
            Self::Failed { .. } => "failed",
        }
    }
}
