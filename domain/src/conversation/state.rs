//! What we remember of a conversation: who is in, who was and when, and the newest number. Cheap to clone: a send changes
//! the counter only, everything else is shared.

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
    /// The stays that have ended, by whose they were, in their order; theirs too who have come back. Unlike the members they
    /// are not bounded: hence a map that shares its parts.
    #[serde(with = "serial::sorted")]
    pub past: imbl::HashMap<AccountId, Vec<Stay>>,
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

/// One that has ended: of the messages `joined_seq < seq <= left_seq`. One that began where another ended is the same one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stay {
    pub joined_seq: u64,
    pub left_seq: u64,
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
            Event::MemberLeft { seq, account_id, joined_seq, .. } => self.leave(*account_id, *joined_seq, *seq),
            Event::Renamed { name, .. } => Arc::make_mut(&mut self.card).name = Some(name.clone()),
        }
    }

    /// Was in, and is not.
    pub fn is_former(&self, account: AccountId) -> bool {
        !self.members.contains_key(&account) && self.past.contains_key(&account)
    }

    /// Is in, or was. To everybody else it does not exist (CNV-2).
    pub fn knows(&self, account: AccountId) -> bool {
        self.members.contains_key(&account) || self.past.contains_key(&account)
    }

    /// Whether the account may see the message of this number, now or by a stay before.
    pub fn sees(&self, account: AccountId, seq: u64) -> bool {
        let mut past = self.past.get(&account).into_iter().flatten();
        self.members.get(&account).is_some_and(|member| member.joined_seq < seq)
            || past.any(|stay| stay.joined_seq < seq && seq <= stay.left_seq)
    }

    fn join(&mut self, accounts: &[AccountId], seq: u64) {
        let members = Arc::make_mut(&mut self.members);
        for account in accounts {
            members.insert(*account, Membership { joined_seq: seq.saturating_sub(1) });
        }
        self.last_seq = seq;
    }

    fn leave(&mut self, account: AccountId, joined_seq: u64, left_seq: u64) {
        Arc::make_mut(&mut self.members).remove(&account);
        let stays = self.past.entry(account).or_default();
        match stays.last_mut() {
            Some(last) if last.left_seq == joined_seq => last.left_seq = left_seq,
            _ => stays.push(Stay { joined_seq, left_seq }),
        }
        self.last_seq = left_seq;
    }
}
