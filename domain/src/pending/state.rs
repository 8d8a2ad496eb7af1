//! What we remember of what waits: what it says, since whoever releases it has to know, and what it waits for. Bounded by
//! PND-3. Of what is over, its end, of the latest.

use super::{Content, Event, Place};
use crate::{MessageId, Timestamp, limit, serial};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    #[serde(with = "serial::sorted")]
    pub items: imbl::HashMap<MessageId, Item>,
    /// The oldest first.
    #[serde(with = "serial::shared")]
    pub over: Arc<Vec<(MessageId, End)>>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    pub message: Place,
    #[serde(with = "serial::shared")]
    pub content: Arc<Content>,
    /// When it is to be said, or was; `None`: it has no moment.
    pub send_at: Option<Timestamp>,
    pub step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Until this moment.
    Waiting(Timestamp),
    /// For a reviewer.
    Held,
    Released,
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Cancelled,
    Sent,
}

impl State {
    pub fn end(&self, message: MessageId) -> Option<End> {
        self.over.iter().rev().find(|(id, _)| *id == message).map(|(_, end)| *end)
    }

    /// Bytes of what is remembered, but for this one.
    pub(super) fn bytes_without(&self, message: MessageId) -> usize {
        let others = self.items.iter().filter(|(id, _)| **id != message);
        others.map(|(_, item)| item.content.bytes()).sum()
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        let message = event.message();
        match event {
            Event::Scheduled { content, send_at, .. } | Event::Changed { content, send_at, .. } => {
                self.put(message, content, Some(*send_at), Step::Waiting(*send_at));
            }
            Event::Held { content, .. } => self.put(message, content, None, Step::Held),
            Event::Released { content, .. } => self.put(message, content, self.moment(message), Step::Released),
            Event::Failed { content, .. } => self.put(message, content, self.moment(message), Step::Failed),
            Event::Cancelled { .. } => self.finish(message.message_id, End::Cancelled),
            Event::Sent { .. } => self.finish(message.message_id, End::Sent),
        }
    }

    fn moment(&self, message: &Place) -> Option<Timestamp> {
        self.items.get(&message.message_id).and_then(|item| item.send_at)
    }

    fn put(&mut self, message: &Place, content: &Content, send_at: Option<Timestamp>, step: Step) {
        let item = Item { message: *message, content: Arc::new(content.clone()), send_at, step };
        self.items.insert(message.message_id, item);
    }

    fn finish(&mut self, message: MessageId, end: End) {
        self.items.remove(&message);
        let over = Arc::make_mut(&mut self.over);
        over.push((message, end));
        if over.len() > limit::PENDING_OVER_KEPT {
            over.remove(0);
        }
    }
}
