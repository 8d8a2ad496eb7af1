//! A row of the table `message`, as a message.

use crate::message::{Body, Message};
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation::Details};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The columns that pages select.
#[derive(scylla::DeserializeRow)]
pub(super) struct Row {
    pub(super) conversation_id: Uuid,
    pub(super) seq: i64,
    pub(super) message_id: Option<Uuid>,
    pub(super) sender: Option<Uuid>,
    pub(super) body: Option<String>,
    pub(super) edited_body: Option<String>,
    pub(super) sent_at: Option<i64>,
    pub(super) edited_at: Option<i64>,
    pub(super) recalled_at: Option<i64>,
    pub(super) recalled_by: Option<Uuid>,
    pub(super) pinned_at: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) reactions: Option<BTreeMap<String, i64>>,
    pub(super) position: Option<i64>,
    pub(super) changed: Option<i64>,
    pub(super) details: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) has_link: Option<bool>,
}

/// A message as it is now, and what is needed to tell how it was.
pub(super) struct Kept {
    pub(super) message: Message,
    first_body: Option<Body>,
}

impl Kept {
    /// `None` where only changes of a message are there, and not yet itself.
    pub(super) fn of(row: Row) -> Option<Self> {
        let (message_id, position) = (MessageId(row.message_id?), row.position? as u64);
        let recalled_at = row.recalled_at.map(Timestamp::from_millis);
        let parsed = |text: Option<String>| text.filter(|_| recalled_at.is_none()).and_then(|text| Body::parse(&text));
        let first_body = parsed(row.body);
        // One that was edited in a way that this binary does not know has no body, not its first one.
        let body = if row.edited_body.is_some() { parsed(row.edited_body) } else { first_body.clone() };
        let details: Details = row.details.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let counted = row.expires_at.map(Timestamp::from_millis);
        let message = Message {
            conversation_id: ConversationId(row.conversation_id),
            seq: row.seq as u64,
            message_id,
            sender: row.sender.map(AccountId),
            body,
            expires_at: counted.or_else(|| details.self_destruct?.expires_at()),
            details,
            sent_at: Timestamp::from_millis(row.sent_at?),
            edited_at: row.edited_at.map(Timestamp::from_millis),
            recalled_at,
            recalled_by: row.recalled_by.map(AccountId),
            pinned_at: row.pinned_at.map(Timestamp::from_millis),
            reactions: counts(row.reactions),
            position,
            changed: row.changed.map_or(position, |changed| changed as u64),
        };
        Some(Self { message, first_body })
    }

    /// Changed behind the position: it was otherwise then. Of a recalled one nothing is left that it was before.
    pub(super) fn is_newer_than(&self, as_of: u64) -> bool {
        self.message.changed > as_of && self.message.recalled_at.is_none()
    }

    /// As it was sent.
    pub(super) fn first(self) -> Message {
        let changed = self.message.position;
        let (edited_at, pinned_at, reactions) = (None, None, BTreeMap::new());
        let expires_at = self.message.details.self_destruct.and_then(|it| it.expires_at());
        Message { body: self.first_body, edited_at, pinned_at, expires_at, reactions, changed, ..self.message }
    }
}

fn counts(reactions: Option<BTreeMap<String, i64>>) -> BTreeMap<String, u64> {
    let counted = reactions.unwrap_or_default().into_iter().map(|(emoji, count)| (emoji, count as u64));
    counted.filter(|(_, count)| *count > 0).collect()
}
