//! What we remember of a conversation: who is in, who was, and the newest number. Cheap to clone: a send changes the
//! counter only, everything else is shared.

use super::{Event, Kind};
use crate::{AccountId, Sealed, serial};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// `None` until it has begun.
    pub kind: Option<Kind>,
    /// Who is in.
    #[serde(with = "serial::shared")]
    pub members: Arc<BTreeMap<AccountId, Membership>>,
    /// Who was in and is not, each with the number of the last message that they see. Unlike the members they are not
    /// bounded: hence a map that shares its parts.
    #[serde(with = "serial::sorted")]
    pub former: imbl::HashMap<AccountId, u64>,
    #[serde(with = "serial::shared")]
    pub card: Arc<Card>,
    /// The newest message's number; 0 before the first.
    pub last_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// The member sees messages with a greater seq.
    pub joined_seq: u64,
}

/// What a group says of itself; empty for a direct conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Card {
    pub name: Option<Sealed>,
    pub owner: Option<AccountId>,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Started { kind, members, name, owner } => {
                self.kind = Some(*kind);
                self.members = Arc::new(members.iter().map(|member| (*member, Membership { joined_seq: 0 })).collect());
                self.card = Arc::new(Card { name: name.clone(), owner: *owner });
                self.last_seq = kind.first_seq();
            }
            Event::MessageSent { seq, .. } => self.last_seq = *seq,
            Event::MembersJoined { seq, account_ids, .. } => self.join(account_ids, *seq),
            Event::MemberLeft { seq, account_id, .. } => self.leave(*account_id, *seq),
            Event::Renamed { name, .. } => Arc::make_mut(&mut self.card).name = Some(name.clone()),
        }
    }

    fn join(&mut self, accounts: &[AccountId], seq: u64) {
        let members = Arc::make_mut(&mut self.members);
        for account in accounts {
            members.insert(*account, Membership { joined_seq: seq.saturating_sub(1) });
            self.former.remove(account);
        }
        self.last_seq = seq;
    }

    fn leave(&mut self, account: AccountId, seq: u64) {
        Arc::make_mut(&mut self.members).remove(&account);
        self.former.insert(account, seq);
        self.last_seq = seq;
    }
}
