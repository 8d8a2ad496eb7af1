//! The projection `history`: what events do to messages to the store, with the checkpoint.

use crate::{
    Error, Projection,
    message::{Body, Change, HistoryStore, What},
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
        Noun::Conversation => sent(record, record.decode()?),
        _ => None,
    })
}

/// The message that the event tells of, if it is one that was sent.
pub(crate) fn sent(record: &Record, event: Event) -> Option<Change> {
    let Event::MessageSent { message_id, seq, sender, body, .. } = event else { return None };
    let what = What::Sent { message_id, sender: Some(sender), body: Body::Sealed(body) };
    let conversation_id = ConversationId(record.aggregate_id);
    Some(Change { conversation_id, seq, position: record.position, at: record.time, what })
}
