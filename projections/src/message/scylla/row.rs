//! A row of the table `message`, as a message.

use crate::message::{Body, Message};
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The columns that pages select, in their order.
pub(super) type Row = (
    Uuid,
    i64,
    Option<Uuid>,
    Option<Uuid>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<BTreeMap<String, i64>>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<bool>,
);

/// A message as it is now, and what is needed to tell how it was.
pub(super) struct Kept {
    pub(super) message: Message,
    first_body: Option<Body>,
}

impl Kept {
    /// `None` where only changes of a message are there, and not yet itself.
    pub(super) fn of(row: Row) -> Option<Self> {
        let (conversation, seq, id, sender, body, edited_body, sent_at, edited_at, recalled_at, pinned_at, ..) = row;
        let (.., reactions, position, changed, details, _, _) = row;
        let (message_id, position) = (MessageId(id?), position? as u64);
        let recalled_at = recalled_at.map(Timestamp::from_millis);
        let parsed = |text: Option<String>| text.filter(|_| recalled_at.is_none()).and_then(|text| Body::parse(&text));
        let first_body = parsed(body);
        // One that was edited in a way that this binary does not know has no body, not its first one.
        let body = if edited_body.is_some() { parsed(edited_body) } else { first_body.clone() };
        let message = Message {
            conversation_id: ConversationId(conversation),
            seq: seq as u64,
            message_id,
            sender: sender.map(AccountId),
            body,
            details: details.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
            sent_at: Timestamp::from_millis(sent_at?),
            edited_at: edited_at.map(Timestamp::from_millis),
            recalled_at,
            pinned_at: pinned_at.map(Timestamp::from_millis),
            reactions: counts(reactions),
            position,
            changed: changed.map_or(position, |changed| changed as u64),
        };
        Some(Self { message, first_body })
    }

    /// Changed behind the position: it was otherwise then.
    pub(super) fn is_newer_than(&self, as_of: u64) -> bool {
        self.message.changed > as_of
    }

    /// As it was sent, without a body where it is recalled.
    pub(super) fn first(self) -> Message {
        let changed = self.message.position;
        let (edited_at, pinned_at, reactions) = (None, None, BTreeMap::new());
        Message { body: self.first_body, edited_at, pinned_at, reactions, changed, ..self.message }
    }
}

fn counts(reactions: Option<BTreeMap<String, i64>>) -> BTreeMap<String, u64> {
    let counted = reactions.unwrap_or_default().into_iter().map(|(emoji, count)| (emoji, count as u64));
    counted.filter(|(_, count)| *count > 0).collect()
}
