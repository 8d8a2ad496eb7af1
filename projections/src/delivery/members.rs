//! Who is in which conversation, in memory: folded from the lane as it goes by, loaded from relations where it went by
//! long ago. Bounded: of two generations the older is dropped when the younger is full, and what is used moves to the
//! younger.
//!
//! Relations may be ahead of the lane as it goes by here, so what is loaded may hold what is folded into it again: folding
//! twice is folding once. Nor does it matter that more is known than an event could know: stays are compared with the
//! event's own seq.
//!
//! Of a crowd no stay is kept, only how many are in: what is kept and looked through for a frame is bounded, since it is the
//! stays that make a crowd, those too that have ended. That number may be a moment newer than the event which it is told
//! with, where it was loaded.

use super::crowd::Audience;
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
    /// The lane position since which it has that name, or a later one.
    pub(crate) named: u64,
    pub(crate) people: People,
    /// The lane position of the newest change of its members that is in here.
    pub(crate) members_changed: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum People {
    /// Everybody who is or was in, with each stay.
    Named(Vec<(AccountId, Interval)>),
    /// How many are in.
    Crowd(u64),
}

impl Default for People {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// Whom a frame is for.
#[derive(PartialEq, Debug)]
pub(super) enum To {
    /// Each of them is told by name.
    People(Vec<AccountId>),
    /// Those of a crowd.
    Crowd(Audience),
}

impl To {
    /// Who they are is known, and there is none.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::People(people) if people.is_empty())
    }
}

impl From<Vec<AccountId>> for To {
    fn from(people: Vec<AccountId>) -> Self {
        Self::People(people)
    }
}

/// How an event found a conversation, and left it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Footing {
    /// Where its members last changed before the event, or later, where it was loaded.
    pub(super) since: u64,
    /// How many are in.
    pub(super) count: u64,
}

impl Known {
    fn started(kind: Kind, name: Option<Sealed>, members: &[AccountId]) -> Self {
        if kind == Kind::Channel {
            return Self {
                kind: kind.as_str().to_owned(),
                name,
                named: 0,
                people: People::Crowd(0),
                members_changed: 0,
            };
        }
        let begun = Interval::begun(0, 0);
        let people = People::Named(members.iter().map(|member| (*member, begun)).collect());
        Self { kind: kind.as_str().to_owned(), name, named: 0, people, members_changed: 0 }
    }

    /// `position`: the event's. So many make a crowd.
    fn fold(&mut self, event: &Event, position: u64, crowd_min: u64) -> Footing {
        let since = self.members_changed;
        match event {
            Event::Started { kind, name, members, .. } => *self = Self::started(*kind, name.clone(), members),
            Event::MembersJoined { seq, account_ids, begins, .. } => {
                self.join(account_ids, begins, seq.saturating_sub(1), position);
            }
            Event::MemberLeft { seq, account_id, joined_seq, .. } => {
                self.leave(*account_id, *joined_seq, *seq, position);
            }
            Event::Renamed { name, .. } => (self.name, self.named) = (Some(name.clone()), position),
            // Who subscribes to a channel is counted by their subscription.
            Event::Banned { .. } if self.is_channel() => self.members_changed = self.members_changed.max(position),
            _ => {}
        }
        if matches!(event, Event::Started { .. } | Event::MembersJoined { .. } | Event::MemberLeft { .. }) {
            self.members_changed = self.members_changed.max(position);
            self.grow(crowd_min);
        }
        // Before the beginning nothing was known: who hears of it asks who is in.
        let since = if matches!(event, Event::Started { .. }) { position } else { since };
        Footing { since, ..self.standing() }
    }

    /// Takes in that one more subscribes to the channel, or one less.
    fn subscribe(&mut self, more: bool, position: u64) -> Footing {
        let since = self.members_changed;
        if let People::Crowd(count) = &mut self.people
            && since < position
        {
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
        }
        self.members_changed = since.max(position);
        Footing { since, ..self.standing() }
    }

    pub(super) fn standing(&self) -> Footing {
        // Also of what is no crowd yet: it may be one when the frames of the batch are made.
        let count = match &self.people {
            People::Named(stays) => open(stays),
            People::Crowd(count) => *count,
        };
        Footing { since: self.members_changed, count }
    }

    /// What it is called at that position of its lane; `None` also where only a later name is known.
    pub(super) fn name_at(&self, position: u64) -> Option<&Sealed> {
        self.name.as_ref().filter(|_| self.named <= position)
    }

    /// `begins`: where their stays begin, in their order, if not with their coming.
    fn join(&mut self, accounts: &[AccountId], begins: &[u64], entered_seq: u64, position: u64) {
        match &mut self.people {
            People::Named(stays) => {
                for (index, account) in accounts.iter().enumerate() {
                    join(stays, *account, begins.get(index).copied().unwrap_or(entered_seq), entered_seq);
                }
            }
            People::Crowd(count) if self.members_changed < position => *count += accounts.len() as u64,
            // It was loaded with this in it.
            People::Crowd(_) => {}
        }
    }

    fn leave(&mut self, account: AccountId, joined_seq: u64, left_seq: u64, position: u64) {
        match &mut self.people {
            People::Named(stays) => {
                if let Some((_, stay)) = stay(stays, account, joined_seq) {
                    (stay.left_seq, stay.left_position) = (Some(left_seq), Some(position));
                }
            }
            People::Crowd(count) if self.members_changed < position => *count = count.saturating_sub(1),
            People::Crowd(_) => {}
        }
    }

    /// Who is in is forgotten once there were so many stays, whether they last or not.
    fn grow(&mut self, crowd_min: u64) {
        let People::Named(stays) = &self.people else { return };
        if self.kind != Kind::Direct.as_str() && stays.len() as u64 >= crowd_min {
            self.people = People::Crowd(open(stays));
        }
    }

    /// Those who may see the message of that seq.
    pub(super) fn seeing(&self, seq: u64) -> To {
        self.those(Audience::Seeing { seq })
    }

    /// Of those the ones who had come by then.
    pub(super) fn hearing(&self, seq: u64) -> To {
        self.those(Audience::Hearing { seq })
    }

    /// Of those the ones who see the message that is answered too, and the others.
    pub(super) fn quoting(&self, seq: u64, answered: u64) -> [To; 2] {
        [self.those(Audience::Quoting { seq, answered }), self.those(Audience::Unquoting { seq, answered })]
    }

    /// Of those the ones whose stay had not ended before that position: the others see the message as it was.
    pub(super) fn seeing_change(&self, seq: u64, position: u64) -> To {
        self.those(Audience::SeeingChange { seq, position })
    }

    /// Those who were in once the message of that seq was there.
    pub(super) fn in_after(&self, seq: u64) -> To {
        self.those(Audience::InAfter { seq })
    }

    /// Who is in now; of a crowd nobody is named.
    pub(super) fn everybody(&self) -> Vec<AccountId> {
        let People::Named(stays) = &self.people else { return Vec::new() };
        stays.iter().filter(|(_, stay)| stay.left_seq.is_none()).map(|(account, _)| *account).collect()
    }

    /// One of a channel, whether or not they subscribe to it.
    pub(super) fn only(account_id: AccountId) -> To {
        To::Crowd(Audience::Only { account_id })
    }

    pub(super) fn is_channel(&self) -> bool {
        self.kind == Kind::Channel.as_str()
    }

    /// Those who came in with the message of that seq.
    pub(super) fn joined_with(&self, seq: u64) -> To {
        self.those(Audience::JoinedWith { seq })
    }

    /// Those who were in when others came in with the message of that seq.
    pub(super) fn in_before(&self, seq: u64) -> To {
        self.those(Audience::InBefore { seq })
    }

    fn those(&self, audience: Audience) -> To {
        let People::Named(stays) = &self.people else { return To::Crowd(audience) };
        To::People(
            stays
                .iter()
                .filter(|(account, stay)| audience.means(*account, stay))
                .map(|(account, _)| *account)
                .collect(),
        )
    }

    /// How many were in once the message of that seq was there; of a crowd what `standing` says.
    pub(super) fn count_after(&self, seq: u64, standing: Footing) -> u64 {
        match self.in_after(seq) {
            To::People(people) => people.len() as u64,
            To::Crowd(_) => standing.count,
        }
    }

    pub(super) fn is_crowd(&self) -> bool {
        matches!(self.people, People::Crowd(_))
    }
}

/// How many of them have not ended.
fn open(stays: &[(AccountId, Interval)]) -> u64 {
    stays.iter().filter(|(_, stay)| stay.left_seq.is_none()).count() as u64
}

fn join(stays: &mut Vec<(AccountId, Interval)>, account: AccountId, joined_seq: u64, entered_seq: u64) {
    if stay(stays, account, joined_seq).is_none() {
        stays.push((account, Interval::begun(joined_seq, entered_seq)));
    }
}

fn stay(
    stays: &mut [(AccountId, Interval)],
    account: AccountId,
    joined_seq: u64,
) -> Option<&mut (AccountId, Interval)> {
    stays.iter_mut().find(|(who, stay)| *who == account && stay.joined_seq == joined_seq)
}

pub(super) struct Cache {
    crowd_min: u64,
    young: HashMap<ConversationId, Known>,
    old: HashMap<ConversationId, Known>,
}

impl Cache {
    pub(super) fn new(crowd_min: u64) -> Self {
        Self { crowd_min, young: HashMap::new(), old: HashMap::new() }
    }

    pub(super) fn insert(&mut self, conversation: ConversationId, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation, known);
    }

    /// Takes an event in. `None`: the conversation is not there; else it stays for the next [`GENERATION`] others.
    pub(super) fn fold(&mut self, conversation: ConversationId, event: &Event, position: u64) -> Option<Footing> {
        let crowd_min = self.crowd_min;
        if let Some(known) = self.young.get_mut(&conversation) {
            return Some(known.fold(event, position, crowd_min));
        }
        let kept = match (self.old.remove(&conversation), event) {
            (Some(known), _) => Some(known),
            // Its beginning: nothing of it can be older.
            (None, Event::Started { .. }) => Some(Known::default()),
            (None, _) => None,
        };
        let mut known = kept?;
        let standing = known.fold(event, position, crowd_min);
        self.insert(conversation, known);
        Some(standing)
    }

    /// Takes in what became of a subscription. `None`: as above.
    pub(super) fn subscribe(&mut self, channel: ConversationId, more: bool, position: u64) -> Option<Footing> {
        self.keep(channel)?;
        self.young.get_mut(&channel).map(|known| known.subscribe(more, position))
    }

    /// How it stands. `None`: the conversation is not there; else it stays for the next [`GENERATION`] others.
    pub(super) fn keep(&mut self, conversation: ConversationId) -> Option<Footing> {
        if let Some(known) = self.old.remove(&conversation) {
            self.insert(conversation, known);
        }
        self.young.get(&conversation).map(Known::standing)
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
        folded(u64::MAX, events).0
    }

    /// The same, and how it stood with each.
    fn folded(crowd_min: u64, events: &[Event]) -> (Known, Vec<Footing>) {
        let mut cache = Cache::new(crowd_min);
        let fold = |(position, event)| cache.fold(conversation(0), event, position).unwrap();
        let standings = (1..).zip(events).map(fold).collect();
        (cache.get(conversation(0)).unwrap().clone(), standings)
    }

    fn people(accounts: &[AccountId]) -> To {
        To::People(accounts.to_vec())
    }

    #[test]
    fn a_message_goes_to_those_whose_stay_holds_its_seq() {
        let known = told(&[started(&[ALICE, BOB]), left(4, BOB, 0), joined(5, CAROL), joined(6, BOB)]);
        assert_eq!(known.seeing(3), people(&[ALICE, BOB]));
        assert_eq!(known.seeing(4), people(&[ALICE, BOB]), "their leaving they see");
        assert_eq!(known.seeing(5), people(&[ALICE, CAROL]), "their joining they see");
        assert_eq!(known.seeing(6), people(&[ALICE, CAROL, BOB]));
        assert_eq!(known.in_after(4), people(&[ALICE]));
        assert_eq!(known.in_after(5), people(&[ALICE, CAROL]));
    }

    #[test]
    fn folding_again_changes_nothing() {
        let events = [started(&[ALICE, BOB]), left(4, BOB, 0), joined(5, BOB), left(6, BOB, 4), joined(7, BOB)];
        let whole = told(&events);
        for first in 1..events.len() {
            let mut known = whole.clone();
            for (position, event) in (1..).zip(&events).skip(first) {
                known.fold(event, position, u64::MAX);
            }
            assert_eq!(known, whole, "from event {first} on");
        }
    }

    #[test]
    fn what_began_elsewhere_is_not_there() {
        let mut cache = Cache::new(u64::MAX);
        assert_eq!(cache.fold(conversation(1), &joined(5, BOB), 1), None);
        assert!(cache.get(conversation(1)).is_none());
    }

    #[test]
    fn what_became_of_a_message_goes_to_those_whose_stay_has_not_ended_before() {
        let known = told(&[started(&[ALICE, BOB]), joined(5, CAROL), left(9, BOB, 0)]);
        assert_eq!(known.seeing_change(4, 3), people(&[ALICE, BOB]));
        assert_eq!(known.seeing_change(4, 4), people(&[ALICE]));
        assert_eq!(known.seeing(4), people(&[ALICE, BOB]), "recalls go to all");
        assert_eq!(known.seeing_change(5, 4), people(&[ALICE, CAROL]));
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(u64::MAX);
        let sent = Event::Renamed { name: Sealed::parse("i.AAAA").unwrap(), by: ALICE, last_seq: 1, is_message: false };
        cache.insert(conversation(0), Known::default());
        for number in 1..4 * GENERATION {
            cache.insert(conversation(number), Known::default());
            if number % 1_000 == 0 {
                assert!(cache.fold(conversation(0), &sent, 1).is_some(), "after {number}");
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        assert_eq!(cache.fold(conversation(1), &sent, 1), None);
    }

    #[test]
    fn a_group_that_grows_is_a_crowd_and_remains_one() {
        let sent = Event::Renamed { name: Sealed::parse("i.AAAA").unwrap(), by: ALICE, last_seq: 3, is_message: false };
        let events = [started(&[ALICE]), joined(2, BOB), joined(3, CAROL), sent, left(4, BOB, 1), left(5, CAROL, 2)];
        let (known, standings) = folded(3, &events);
        assert_eq!(known.people, People::Crowd(1));
        assert_eq!(known.seeing(4), To::Crowd(Audience::Seeing { seq: 4 }));
        let expected = [(1, 1), (1, 2), (2, 3), (3, 3), (3, 2), (5, 1)];
        assert_eq!(standings, expected.map(|(since, count)| Footing { since, count }));
        assert_eq!(folded(4, &events).0.in_after(5), people(&[ALICE]), "one less than a crowd");
    }

    #[test]
    fn who_came_and_left_makes_a_crowd_too() {
        let events = [started(&[ALICE]), joined(2, BOB), left(3, BOB, 1), joined(4, BOB)];
        assert_eq!(folded(4, &events).0.seeing(4), people(&[ALICE, BOB]));
        let (known, standings) = folded(3, &events);
        assert_eq!(known.people, People::Crowd(2));
        assert_eq!(standings.iter().map(|it| it.count).collect::<Vec<_>>(), [1, 2, 1, 2]);
    }

    #[test]
    fn a_name_is_told_of_no_event_before_it() {
        let sealed = |text: &str| Sealed::parse(text);
        let renamed = |name| Event::Renamed { name: sealed(name).unwrap(), by: ALICE, last_seq: 3, is_message: false };
        let loaded = Known { name: sealed("i.BBBB"), named: 7, ..Known::default() };
        assert_eq!((loaded.name_at(6), loaded.name_at(7)), (None, sealed("i.BBBB").as_ref()));
        let mut known = loaded;
        known.fold(&renamed("i.AAAA"), 5, u64::MAX);
        assert_eq!(known.name_at(6), sealed("i.AAAA").as_ref(), "what is folded is as it was there");
        assert_eq!(known.name_at(4), None);
    }

    #[test]
    fn what_a_crowd_was_loaded_with_is_counted_once() {
        let events = [joined(2, BOB), left(3, BOB, 1), joined(4, CAROL)];
        for seen in 0..=events.len() {
            let count = 10 + [0, 1, 0, 1][seen];
            let mut known = Known { people: People::Crowd(count), members_changed: seen as u64, ..Known::default() };
            for (position, event) in (1..).zip(&events) {
                known.fold(event, position, 2);
            }
            assert_eq!(known.people, People::Crowd(11), "relations had seen {seen} of them");
        }
    }

    #[test]
    fn two_people_are_no_crowd() {
        let direct = Event::started_direct([ALICE, BOB]);
        assert!(!folded(2, &[direct]).0.is_crowd());
        assert!(folded(2, &[started(&[ALICE, BOB])]).0.is_crowd());
    }
}
