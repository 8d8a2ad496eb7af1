//! What may be asked of what is pending. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::{Content, Place};
use crate::{
    AccountId, MessageId, Sealed, Timestamp,
    account::Mute,
    conversation::{self, BodyKind, Details, Missing, Quote, Root, SelfDestruct},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// The actor wants it said at that moment.
    Schedule {
        said: Said,
        send_at: Timestamp,
    },
    /// The actor has said it, and it met a rule that wants it reviewed.
    Hold {
        said: Said,
        rule: String,
    },
    /// What is left out stays.
    Change {
        message_id: MessageId,
        body: Option<NewBody>,
        send_at: Option<Timestamp>,
    },
    Cancel {
        message_id: MessageId,
    },
    /// Natter itself, when that moment has come. It may have been changed since.
    ReleaseDue {
        message_id: MessageId,
        send_at: Timestamp,
    },
    /// A reviewer lets it be said.
    Release {
        message_id: MessageId,
        by: String,
    },
    /// A reviewer does not.
    Refuse {
        message_id: MessageId,
        by: String,
    },
    /// Natter itself: it stands in the conversation.
    SettleSent {
        message_id: MessageId,
        seq: u64,
    },
    /// Natter itself: the send was refused.
    SettleFailed {
        message_id: MessageId,
        code: String,
        until: Option<Timestamp>,
    },
}

/// A message, and what was known of its author just before: that rides in the command as in
/// [`crate::conversation::Command::Send`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Said {
    pub message: Place,
    pub content: Content,
    /// What it answers, without its words.
    pub quote: Option<Quote>,
    pub root: Option<Root>,
    pub missing: Missing,
    pub muted: Option<Mute>,
    pub gone: Option<AccountId>,
}

/// Another body: as in [`Content`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NewBody {
    pub body: Sealed,
    pub given: Option<Sealed>,
    pub said: Option<Uuid>,
    pub body_kind: BodyKind,
    pub size: u32,
    pub has_link: bool,
}

impl Said {
    /// The send that it stands for.
    pub(super) fn send(&self) -> conversation::Command {
        let Self { message, content, quote, root, missing, muted, gone } = self.clone();
        let Content { body, body_kind, size, has_link, mentions, silent, self_destruct, .. } = content;
        let self_destruct = self_destruct.map(SelfDestruct::of);
        let (reply_to, thread) = (quote, root);
        let details = Details { reply_to, thread, mentions, silent, has_link, self_destruct, ..Details::default() };
        conversation::Command::Send {
            message_id: message.message_id,
            body,
            body_kind,
            size,
            details: details.into(),
            missing,
            muted,
            gone,
        }
    }
}
