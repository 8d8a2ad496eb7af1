//! What we remember of a handle.

use super::Event;
use crate::AccountId;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub holder: Option<AccountId>,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Claimed { by } => self.holder = Some(*by),
            Event::Released { by } => self.holder = self.holder.filter(|holder| holder != by),
        }
    }
}
