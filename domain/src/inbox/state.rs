//! What we remember of an inbox. A persistent map: a person of many conversations costs a clone nothing.

use super::Event;
use crate::{ConversationId, serial};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// How far each conversation was read; absent: not moved yet.
    #[serde(with = "serial::sorted")]
    pub cursors: imbl::HashMap<ConversationId, u64>,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::CursorsAdvanced { cursors } => {
                for cursor in cursors {
                    self.cursors.insert(cursor.conversation_id, cursor.seq);
                }
            }
        }
    }
}
