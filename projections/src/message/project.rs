//! The projection `history`: what events do to messages to the store, with the checkpoint.

use crate::{
    Error, Projection,
    message::{Body, Change, HistoryStore, What},
    projector::{Batch, PACE, Projector},
};
use natter_client::wire;
use natter_domain::{
    ConversationId, Noun,
    conversation::{Event, SystemMessage, system_message_id},
    message,
};
use natter_streams::{Record, fault};
use std::{sync::Arc, time::Duration};

pub(crate) struct History {
    store: Arc<dyn HistoryStore>,
}

impl History {
    pub(crate) fn new(store: Arc<dyn HistoryStore>) -> Self {
        Self { store }
    }
}

impl Projector for History {
    const PROJECTION: Projection = Projection::History;
    const PACE: Option<Duration> = Some(PACE);

    async fn apply(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        let mut changes = Vec::new();
        for record in batch.records {
            changes.extend(change(record)?);
        }
        self.store.append(&changes, &batch.step()).await?;
        fault::reach("projection.history.after_commit").await;
        Ok(())
    }
}

/// What the record does to history, if it does anything.
fn change(record: &Record) -> Result<Option<Change>, Error> {
    Ok(match record.noun {
        Noun::Conversation => of_conversation(record, record.decode()?),
        Noun::Message => later(record, record.decode()?),
        _ => None,
    })
}

fn of_conversation(record: &Record, event: Event) -> Option<Change> {
    let Event::CountdownBegan { seq, expires_at, .. } = event else { return sent(record, event) };
    let (conversation_id, what) = (ConversationId(record.aggregate_id), What::Counting { expires_at });
    Some(Change { conversation_id, seq, position: record.position, at: record.time, what })
}

/// The message that the event is, if it is one.
pub(crate) fn sent(record: &Record, event: Event) -> Option<Change> {
    let conversation_id = ConversationId(record.aggregate_id);
    let (seq, what) = match event {
        Event::MessageSent { message_id, seq, sender, body, body_kind, details, .. } => {
            let (sender, body) = (Some(sender), Body::Sealed(body));
            (seq, What::Sent { message_id, sender, body, kind: Some(body_kind), details })
        }
        event => {
            let message = SystemMessage::of(&event)?;
            let message_id = system_message_id(conversation_id, message.seq);
            let body = serde_json::to_string(&system_body(&message)).expect("texts and ids are JSON");
            let (body, details) = (Body::System(body), Box::default());
            (message.seq, What::Sent { message_id, sender: None, body, kind: None, details })
        }
    };
    Some(Change { conversation_id, seq, position: record.position, at: record.time, what })
}

/// As clients get it.
pub fn system_body(message: &SystemMessage) -> wire::Body {
    wire::Body::System {
        code: message.code.to_owned(),
        text: message.text.clone(),
        account_ids: message.account_ids.iter().map(|account| account.0).collect(),
        by: Some(message.by.0),
    }
}

/// What became of a message. What people say of its thread and note for themselves is relations'.
fn later(record: &Record, event: message::Event) -> Option<Change> {
    let message::Place { conversation_id, seq, .. } = *event.message();
    let what = match event {
        message::Event::Edited { body, has_link, .. } => What::Edited { body: Body::Sealed(body), has_link },
        message::Event::Recalled { by, .. } => What::Recalled { by: Some(by) },
        message::Event::Expired { .. } => What::Recalled { by: None },
        message::Event::Reacted { account_id, emoji, count, .. } => What::Reacted { account: account_id, emoji, count },
        message::Event::Unreacted { account_id, emoji, count, .. } => {
            What::Unreacted { account: account_id, emoji, count }
        }
        message::Event::Pinned { .. } => What::Pinned,
        message::Event::Unpinned { .. } => What::Unpinned,
        message::Event::Followed { .. }
        | message::Event::Unfollowed { .. }
        | message::Event::ThreadRead { .. }
        | message::Event::Marked { .. } => return None,
    };
    Some(Change { conversation_id, seq, position: record.position, at: record.time, what })
}
