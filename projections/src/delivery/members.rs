//! Who is in which conversation, in memory: folded from the lane as it goes by, loaded from relations where it went by
//! long ago. Bounded: of two generations the older is dropped when the younger is full, and what is used moves to the
//! younger.
//!
//! Relations may be ahead of the lane as it goes by here, so what is loaded may hold what is folded into it again: folding
//! twice is folding once. Nor does it matter that more is known than an event could know: stays are compared with the
//! event's own seq.

use crate::gate::Interval;
use natter_domain::{
    AccountId, ConversationId, Sealed,
    conversation::{Event, Kind},
};
use std::collections::HashMap;

/// Conversations of one generation. More than a batch can name, so that what was looked up for a batch is still there
/// when its frames are made.
const GENERATION: usize = 4_096;

/// What frames need of a conversation.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Known {
    pub(crate) kind: String,
    /// A group's.
    pub(crate) name: Option<Sealed>,
    /// Everybody who is or was in, with each stay.
    pub(crate) stays: Vec<(AccountId, Interval)>,
}

impl Known {
    fn started(kind: Kind, name: Option<Sealed>, members: &[AccountId]) -> Self {
        let mut known = Self { kind: kind.as_str().to_owned(), name, stays: Vec::new() };
        members.iter().for_each(|member| known.join(*member, 0));
        known
    }

    /// `position`: the event's.
    fn fold(&mut self, event: &Event, position: u64) {
        match event {
            Event::Started { kind, name, members, .. } => *self = Self::started(*kind, name.clone(), members),
            Event::MembersJoined { seq, account_ids, begins, .. } => {
                for (index, account) in account_ids.iter().enumerate() {
                    self.join(*account, begins.get(index).copied().unwrap_or(seq.saturating_sub(1)));
                }
            }
            Event::MemberLeft { seq, account_id, joined_seq, .. } => {
                if let Some((_, stay)) = self.stay(*account_id, *joined_seq) {
                    stay.left_seq = Some(*seq);
                    stay.left_position = Some(position);
                }
            }
            Event::Renamed { name, .. } => self.name = Some(name.clone()),
            _ => {}
        }
    }

    fn join(&mut self, account: AccountId, joined_seq: u64) {
        if self.stay(account, joined_seq).is_none() {
            self.stays.push((account, Interval { joined_seq, left_seq: None, left_position: None }));
        }
    }

    fn stay(&mut self, account: AccountId, joined_seq: u64) -> Option<&mut (AccountId, Interval)> {
        self.stays.iter_mut().find(|(who, stay)| *who == account && stay.joined_seq == joined_seq)
    }

    /// Those who may see the message of that seq.
    pub(super) fn seeing(&self, seq: u64) -> Vec<AccountId> {
        self.those(|stay| stay.sees(seq))
    }

    /// Of those the ones whose stay had not ended before that position: the others see the message as it was.
    pub(super) fn seeing_change(&self, seq: u64, position: u64) -> Vec<AccountId> {
        self.those(|stay| stay.sees(seq) && stay.left_position.is_none_or(|left| position <= left))
    }

    /// Those who were in once the message of that seq was there.
    pub(super) fn in_after(&self, seq: u64) -> Vec<AccountId> {
        self.those(|stay| stay.sees(seq) && stay.left_seq != Some(seq))
    }

    fn those(&self, meant: impl Fn(&Interval) -> bool) -> Vec<AccountId> {
        self.stays.iter().filter(|(_, stay)| meant(stay)).map(|(account, _)| *account).collect()
    }
}

#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<ConversationId, Known>,
    old: HashMap<ConversationId, Known>,
}

impl Cache {
    pub(super) fn insert(&mut self, conversation: ConversationId, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation, known);
    }

    /// Takes an event in. Whether the conversation is there; it stays for the next [`GENERATION`] others.
    pub(super) fn fold(&mut self, conversation: ConversationId, event: &Event, position: u64) -> bool {
        if let Some(known) = self.young.get_mut(&conversation) {
            known.fold(event, position);
            return true;
        }
        let kept = match (self.old.remove(&conversation), event) {
            (Some(known), _) => Some(known),
            // Its beginning: nothing of it can be older.
            (None, Event::Started { .. }) => Some(Known::default()),
            (None, _) => None,
        };
        let Some(mut known) = kept else { return false };
        known.fold(event, position);
        self.insert(conversation, known);
        true
    }

    /// Whether the conversation is there; it stays for the next [`GENERATION`] others.
    pub(super) fn keep(&mut self, conversation: ConversationId) -> bool {
        if let Some(known) = self.old.remove(&conversation) {
            self.insert(conversation, known);
        }
        self.young.contains_key(&conversation)
    }

    /// `None`: not there.
    pub(super) fn get(&self, conversation: ConversationId) -> Option<&Known> {
        self.young.get(&conversation).or_else(|| self.old.get(&conversation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));
    const BOB: AccountId = AccountId(Uuid::from_u128(2));
    const CAROL: AccountId = AccountId(Uuid::from_u128(3));

    fn conversation(number: usize) -> ConversationId {
        ConversationId(Uuid::from_u128(number as u128))
    }

    fn started(members: &[AccountId]) -> Event {
        Event::Started { kind: Kind::Group, members: members.to_vec(), name: None, owner: members.first().copied() }
    }

    fn joined(seq: u64, account: AccountId) -> Event {
        Event::added(seq, vec![account], ALICE)
    }

    fn left(seq: u64, account_id: AccountId, joined_seq: u64) -> Event {
        Event::MemberLeft { seq, account_id, by: ALICE, joined_seq }
    }

    /// Events of the positions 1, 2, 3...
    fn told(events: &[Event]) -> Known {
        let mut cache = Cache::default();
        (1..).zip(events).for_each(|(position, event)| assert!(cache.fold(conversation(0), event, position)));
        cache.get(conversation(0)).unwrap().clone()
    }

    #[test]
    fn a_message_goes_to_those_whose_stay_holds_its_seq() {
        let known = told(&[started(&[ALICE, BOB]), left(4, BOB, 0), joined(5, CAROL), joined(6, BOB)]);
        assert_eq!(known.seeing(3), [ALICE, BOB]);
        assert_eq!(known.seeing(4), [ALICE, BOB], "their leaving they see");
        assert_eq!(known.seeing(5), [ALICE, CAROL], "their joining they see");
        assert_eq!(known.seeing(6), [ALICE, CAROL, BOB]);
        assert_eq!(known.in_after(4), [ALICE]);
        assert_eq!(known.in_after(5), [ALICE, CAROL]);
    }

    #[test]
    fn folding_again_changes_nothing() {
        let events = [started(&[ALICE, BOB]), left(4, BOB, 0), joined(5, BOB), left(6, BOB, 4), joined(7, BOB)];
        let whole = told(&events);
        for first in 1..events.len() {
            let mut known = whole.clone();
            (1..).zip(&events).skip(first).for_each(|(position, event)| known.fold(event, position));
            assert_eq!(known, whole, "from event {first} on");
        }
    }

    #[test]
    fn what_began_elsewhere_is_not_there() {
        let mut cache = Cache::default();
        assert!(!cache.fold(conversation(1), &joined(5, BOB), 1));
        assert!(cache.get(conversation(1)).is_none());
    }

    #[test]
    fn what_became_of_a_message_goes_to_those_whose_stay_has_not_ended_before() {
        let known = told(&[started(&[ALICE, BOB]), joined(5, CAROL), left(9, BOB, 0)]);
        assert_eq!(known.seeing_change(4, 3), [ALICE, BOB]);
        assert_eq!(known.seeing_change(4, 4), [ALICE]);
        assert_eq!(known.seeing(4), [ALICE, BOB], "recalls go to all");
        assert_eq!(known.seeing_change(5, 4), [ALICE, CAROL]);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::default();
        let sent = Event::Renamed { name: Sealed::parse("i.AAAA").unwrap(), by: ALICE, last_seq: 1, is_message: false };
        cache.insert(conversation(0), Known::default());
        for number in 1..4 * GENERATION {
            cache.insert(conversation(number), Known::default());
            if number % 1_000 == 0 {
                assert!(cache.fold(conversation(0), &sent, 1), "after {number}");
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        assert!(!cache.fold(conversation(1), &sent, 1));
    }
}
