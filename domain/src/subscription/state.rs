//! What we remember of a subscription: whether it is one.

use super::Event;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub holds: bool,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        self.holds = matches!(event, Event::Begun { .. });
    }
}
