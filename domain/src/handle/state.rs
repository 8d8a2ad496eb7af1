//! What we remember of a handle.

use super::Event;
use crate::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub holder: Option<AccountId>,
    /// Of the holder's claim. A node of the release before, which is asked while it has the lane, says nothing of it.
    #[serde(default)]
    pub until: Timestamp,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Claimed { by, until } => *self = Self { holder: Some(*by), until: *until },
            Event::Released { by } if self.holder == Some(*by) => *self = Self::default(),
            Event::Released { .. } => {}
        }
    }
}
