//! What we remember of an inbox. Persistent maps: a person of many conversations costs a clone nothing. Of a conversation
//! there is little, whatever was done: of a draft only what tells it from another one.

use super::{Event, View, view};
use crate::{ConversationId, serial};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// How far each conversation was read; absent: not moved yet.
    #[serde(with = "serial::sorted")]
    pub cursors: imbl::HashMap<ConversationId, u64>,
    /// How far messages have come, where that was said beside what was read.
    #[serde(with = "serial::sorted")]
    pub delivered: imbl::HashMap<ConversationId, u64>,
    /// Absent: as a conversation is at first.
    #[serde(with = "serial::sorted")]
    pub views: imbl::HashMap<ConversationId, View>,
    #[serde(with = "serial::sorted")]
    pub drafts: imbl::HashMap<ConversationId, Uuid>,
    /// Up to where the messages are gone.
    #[serde(with = "serial::sorted")]
    pub cleared: imbl::HashMap<ConversationId, u64>,
    /// Single messages that are gone, behind what was cleared; never none.
    #[serde(with = "serial::sorted")]
    pub deleted: imbl::HashMap<ConversationId, BTreeSet<u64>>,
    /// How far announcements were read.
    #[serde(with = "serial::sorted")]
    pub announcements: imbl::HashMap<ConversationId, u64>,
}

impl State {
    pub fn view(&self, conversation: ConversationId) -> View {
        self.views.get(&conversation).cloned().unwrap_or_default()
    }

    /// How far messages have come to a device: what was read has.
    pub fn delivered(&self, conversation: ConversationId) -> u64 {
        let seq = |seqs: &imbl::HashMap<ConversationId, u64>| seqs.get(&conversation).copied().unwrap_or(0);
        seq(&self.delivered).max(seq(&self.cursors))
    }

    /// Whether the message is gone for this person.
    pub fn has_deleted(&self, conversation: ConversationId, seq: u64) -> bool {
        let is_cleared = self.cleared.get(&conversation).is_some_and(|cleared| seq <= *cleared);
        is_cleared || self.deleted.get(&conversation).is_some_and(|seqs| seqs.contains(&seq))
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::CursorsAdvanced { cursors } => {
                for cursor in cursors {
                    self.cursors.insert(cursor.conversation_id, cursor.seq);
                }
            }
            Event::DeliveriesAdvanced { cursors } => {
                for cursor in cursors {
                    self.delivered.insert(cursor.conversation_id, cursor.seq);
                }
            }
            // How far, the cursor says.
            Event::EndingRead { .. } => {}
            Event::ViewChanged { conversation_id, view } if *view == View::default() => {
                self.views.remove(conversation_id);
            }
            Event::ViewChanged { conversation_id, view } => {
                self.views.insert(*conversation_id, view.clone());
            }
            Event::DraftChanged { conversation_id, draft: Some(draft) } => {
                self.drafts.insert(*conversation_id, view::mark(draft));
            }
            Event::DraftChanged { conversation_id, draft: None } => {
                self.drafts.remove(conversation_id);
            }
            Event::Cleared { conversation_id, up_to_seq } => self.clear(*conversation_id, *up_to_seq),
            Event::MessageDeleted { conversation_id, seq, .. } => {
                self.deleted.entry(*conversation_id).or_default().insert(*seq);
            }
            Event::AnnouncementRead { conversation_id, seq } => {
                self.announcements.insert(*conversation_id, *seq);
            }
        }
    }

    /// What was deleted one by one up to there is not remembered besides.
    fn clear(&mut self, conversation: ConversationId, up_to_seq: u64) {
        self.cleared.insert(conversation, up_to_seq);
        let Some(seqs) = self.deleted.get_mut(&conversation) else { return };
        *seqs = seqs.split_off(&up_to_seq.saturating_add(1));
        if seqs.is_empty() {
            self.deleted.remove(&conversation);
        }
    }
}
