//! What we remember of a conversation: who is in, and the newest number. Cheap to clone: a send changes the
//! counter only, the members are shared.

use super::{Event, Kind};
use crate::{AccountId, serial};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// `None` until it has begun.
    pub kind: Option<Kind>,
    #[serde(with = "serial::shared")]
    pub members: Arc<BTreeMap<AccountId, Membership>>,
    /// The newest message's number; 0 before the first.
    pub last_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// The member sees messages with a greater seq.
    pub joined_seq: u64,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Started { kind, members } => {
                self.kind = Some(*kind);
                self.members = Arc::new(members.iter().map(|member| (*member, Membership { joined_seq: 0 })).collect());
            }
            Event::MessageSent { seq, .. } => self.last_seq = *seq,
        }
    }
}
