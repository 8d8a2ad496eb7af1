//! The projection `history`: every sent message to the store, with the checkpoint.

use crate::{
    Error, Projection,
    message::{HistoryStore, Message},
    projector::{Batch, PACE, Projector},
};
use natter_domain::{ConversationId, Noun, conversation::Event};
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
        let mut messages = Vec::new();
        for record in batch.records.iter().filter(|record| record.noun == Noun::Conversation) {
            messages.extend(sent(record, record.decode()?));
        }
        self.store.append(&messages, &batch.step()).await?;
        fault::reach("projection.history.after_commit").await;
        Ok(())
    }
}

/// The message that the event tells of, if it is one that was sent.
pub(crate) fn sent(record: &Record, event: Event) -> Option<Message> {
    let Event::MessageSent { message_id, seq, sender, body, .. } = event else { return None };
    Some(Message {
        conversation_id: ConversationId(record.aggregate_id),
        seq,
        message_id,
        sender,
        body: Some(body),
        sent_at: record.time,
        position: record.position,
    })
}
