//! What we remember of a projection.

use super::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub last_request: Option<Uuid>,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::RetryRequested { request_id, .. } | Event::SkipRequested { request_id, .. } => {
                self.last_request = Some(*request_id);
            }
        }
    }
}
