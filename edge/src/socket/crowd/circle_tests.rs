//! Nobody is handed what is outside their stays, and everybody all that is inside, whatever the edge heard late, twice or
//! not at all.

use super::*;
use std::collections::BTreeSet;
use uuid::Uuid;

const PEOPLE: u64 = 6;
const EVENTS: u64 = 300;
const ROUNDS: u64 = 200;

/// Dice that fall the same way each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn account(number: u64) -> AccountId {
    AccountId(Uuid::from_u128(u128::from(number)))
}

/// A crowd's log: the part at each position, and every stay that it comes to.
#[derive(Default)]
struct Lane {
    parts: Vec<Part>,
    stays: Vec<(AccountId, Interval)>,
    /// Where each stay begins.
    begun: Vec<u64>,
}

impl Lane {
    fn played(dice: &mut Dice) -> Self {
        let (mut lane, mut since) = (Self::default(), 0);
        for seq in 1..=EVENTS {
            // Other conversations share the lane.
            let position = 2 * seq;
            let change = (dice.roll(3) == 0).then(|| lane.change(dice, seq, position));
            let audiences = match &change {
                Some(Change::Joined { .. }) => {
                    vec![Audience::JoinedWith { seq }, Audience::InBefore { seq }, Audience::Seeing { seq }]
                }
                _ if dice.roll(5) == 0 => vec![Audience::SeeingChange { seq: 1 + dice.roll(seq), position }],
                _ => vec![Audience::Seeing { seq }],
            };
            let has_changed = change.is_some();
            lane.parts.push(Part { position, since, change, audiences });
            if has_changed {
                since = position;
            }
        }
        lane
    }

    /// Somebody comes, or goes who was in.
    fn change(&mut self, dice: &mut Dice, seq: u64, position: u64) -> Change {
        let who = account(dice.roll(PEOPLE));
        let open = self.stays.iter_mut().find(|(account, stay)| *account == who && stay.left_seq.is_none());
        if let Some((_, stay)) = open {
            (stay.left_seq, stay.left_position) = (Some(seq), Some(position));
            return Change::Left { account_id: who, joined_seq: stay.joined_seq, left_seq: seq };
        }
        self.stays.push((who, Interval::begun(seq - 1, seq - 1)));
        self.begun.push(position);
        Change::Joined { joined_seq: seq - 1, account_ids: vec![who], begins: vec![] }
    }

    /// As relations has it that has read up to a position.
    fn known_at(&self, position: u64) -> impl Iterator<Item = (AccountId, Interval)> {
        self.stays.iter().zip(&self.begun).filter(move |(_, begun)| **begun <= position).map(move |((who, stay), _)| {
            let has_ended = stay.left_position.is_some_and(|left| left <= position);
            let stay = if has_ended { *stay } else { Interval { left_seq: None, left_position: None, ..*stay } };
            (*who, stay)
        })
    }

    fn meant(&self, audience: Audience) -> BTreeSet<AccountId> {
        self.stays.iter().filter(|(who, stay)| audience.means(*who, stay)).map(|(who, _)| *who).collect()
    }
}

/// An edge: who is connected, and what its crowd knows.
struct Edge<'a> {
    lane: &'a Lane,
    here: BTreeSet<AccountId>,
    circle: Circle<AccountId>,
}

impl Edge<'_> {
    /// Somebody connects after that position was durable; relations may have read further.
    fn connect(&mut self, dice: &mut Dice, who: AccountId, position: u64) {
        let read = position + dice.roll(20);
        self.here.insert(who);
        for (account, stay) in self.lane.known_at(read).filter(|(account, _)| *account == who) {
            self.circle.admit(account, account, stay);
        }
    }

    fn disconnect(&mut self, who: AccountId) {
        self.here.remove(&who);
        self.circle.retain(|person| *person != who);
    }

    fn take(&mut self, dice: &mut Dice, part: &Part) {
        self.circle.turn_to(1);
        if self.circle.lacks(part) {
            let at = part.position.max(part.since);
            let here = &self.here;
            let read = at + dice.roll(20);
            let found = self.lane.known_at(read).filter(|(account, _)| here.contains(account));
            self.circle.learn(at, found.map(|(account, stay)| (account, account, stay)));
        }
        let here = &self.here;
        self.circle.follow(part, |who| here.contains(&who).then_some(who));
    }

    fn handed(&self, position: u64, audience: Audience) -> BTreeSet<AccountId> {
        let told = (position, audience);
        self.circle.members().filter(|(_, is_meant)| is_meant(&told)).map(|(person, _)| *person).collect()
    }
}

#[test]
fn whatever_is_lost_or_comes_twice_each_frame_goes_to_whom_it_is_for() {
    for round in 0..ROUNDS {
        let mut dice = Dice(round);
        let lane = Lane::played(&mut dice);
        let mut edge = Edge { lane: &lane, here: BTreeSet::new(), circle: Circle::default() };
        let (mut next, mut durable) = (0, 0);
        while let Some(part) = lane.parts.get(next) {
            let who = account(dice.roll(PEOPLE));
            // What comes again was in the log already when it came first.
            durable = part.position.max(durable);
            match dice.roll(12) {
                0 => edge.connect(&mut dice, who, durable),
                1 => edge.disconnect(who),
                // The bus lost some, or begins again a little further back.
                2 => next += dice.roll(10) as usize,
                3 => next = next.saturating_sub(dice.roll(10) as usize),
                _ => {
                    edge.take(&mut dice, part);
                    for &audience in &part.audiences {
                        let meant = lane.meant(audience);
                        let handed = edge.handed(part.position, audience);
                        assert!(handed.is_subset(&meant), "round {round}: {audience:?} to {handed:?} of {meant:?}");
                        let connected: BTreeSet<_> = meant.into_iter().filter(|who| edge.here.contains(who)).collect();
                        assert_eq!(handed, connected, "round {round}: {part:?}");
                    }
                    next += 1;
                }
            }
        }
    }
}

/// A channel's log: the part at each position, and how each person stands behind it.
#[derive(Default)]
struct Channel {
    parts: Vec<Part>,
    /// By position: whose, whether they subscribe from there on, and whether they are put out.
    turns: Vec<(u64, AccountId, bool)>,
}

impl Channel {
    fn played(dice: &mut Dice) -> Self {
        let (mut channel, mut since) = (Self::default(), 0);
        for seq in 1..=EVENTS {
            let (position, who) = (2 * seq, account(dice.roll(PEOPLE)));
            let (change, audience) = match (dice.roll(4), channel.subscribes(who, position)) {
                (0, true) => {
                    let last_seq = if dice.roll(2) == 0 { 0 } else { seq };
                    (Some(Change::Unsubscribed { account_id: who, last_seq }), Audience::Only { account_id: who })
                }
                (0, false) => (Some(Change::Subscribed { account_id: who }), Audience::Only { account_id: who }),
                _ => (None, Audience::Hearing { seq }),
            };
            if let Some(change) = &change {
                channel.turns.push((position, who, matches!(change, Change::Subscribed { .. })));
            }
            let has_changed = change.is_some();
            channel.parts.push(Part { position, since, change, audiences: vec![audience] });
            if has_changed {
                since = position;
            }
        }
        channel
    }

    fn turn(&self, who: AccountId, position: u64) -> Option<&(u64, AccountId, bool)> {
        self.turns.iter().rev().find(|(at, whose, _)| *whose == who && *at <= position)
    }

    fn subscribes(&self, who: AccountId, position: u64) -> bool {
        self.turn(who, position).is_some_and(|(.., holds)| *holds)
    }

    /// A row of relations that has read up to a position.
    fn row(&self, who: AccountId, position: u64) -> Option<Interval> {
        let (at, _, holds) = *self.turn(who, position)?;
        let begun = Interval { joined_position: if holds { at } else { 1 }, ..Interval::begun(0, 0) };
        Some(if holds { begun } else { Interval { left_seq: Some(0), left_position: Some(at), ..begun } })
    }
}

/// Also where relations is far ahead: nobody hears of what is before their subscription, or behind its end.
#[test]
fn a_channel_is_told_to_whom_subscribes_at_that_moment() {
    for round in 0..ROUNDS {
        let mut dice = Dice(round);
        let channel = Channel::played(&mut dice);
        let (mut here, mut circle) = (BTreeSet::new(), Circle::<AccountId>::default());
        // Who has connected, and of whom relations was asked; the answer is on its way.
        let mut asked: Vec<(AccountId, Option<Interval>)> = Vec::new();
        let mut next = 0;
        while let Some(part) = channel.parts.get(next) {
            let (who, read) = (account(dice.roll(PEOPLE)), part.position + dice.roll(20));
            match dice.roll(12) {
                0 => {
                    here.insert(who);
                    asked.push((who, channel.row(who, read)));
                }
                1 => {
                    here.remove(&who);
                    asked.retain(|(account, _)| *account != who);
                    circle.retain(|person| *person != who);
                }
                3 | 4 if !asked.is_empty() => {
                    let (who, stay) = asked.remove(0);
                    stay.into_iter().for_each(|stay| circle.admit(who, who, stay));
                }
                2 => next += dice.roll(10) as usize,
                _ => {
                    circle.turn_to(1);
                    if circle.lacks(part) {
                        let found = here.iter().filter_map(|who| Some((*who, *who, channel.row(*who, read)?)));
                        circle.learn(part.position, found.collect::<Vec<_>>());
                    }
                    circle.follow(part, |who| here.contains(&who).then_some(who));
                    let told = (part.position, part.audiences[0]);
                    let handed: BTreeSet<_> =
                        circle.members().filter(|(_, is_meant)| is_meant(&told)).map(|(person, _)| *person).collect();
                    let is_meant = |who: &AccountId| match told.1 {
                        Audience::Only { account_id } => account_id == *who,
                        _ => channel.subscribes(*who, part.position),
                    };
                    let meant: BTreeSet<_> = here.iter().copied().filter(is_meant).collect();
                    assert!(handed.is_subset(&meant), "round {round}: {part:?} to {handed:?} of {meant:?}");
                    // Whoever ends it soon may miss what is told just before.
                    let soon = part.position + 1..part.position + 40;
                    let stays =
                        |who: &AccountId| !channel.turns.iter().any(|(at, of, _)| of == who && soon.contains(at));
                    let is_ready = |who: &AccountId| !asked.iter().any(|(account, _)| account == who);
                    let sure: BTreeSet<_> = meant.into_iter().filter(|who| stays(who) && is_ready(who)).collect();
                    assert!(sure.is_subset(&handed), "round {round}: {part:?} to {handed:?} of {sure:?}");
                    next += 1;
                }
            }
        }
    }
}

#[test]
fn what_was_known_before_the_log_went_back_is_forgotten() {
    let mut circle = Circle::default();
    circle.turn_to(1);
    let stay = Interval::begun(0, 0);
    circle.learn(50, [(account(1), account(1), stay)]);
    let part = Part { position: 60, since: 40, change: None, audiences: vec![] };
    assert!(!circle.lacks(&part));
    circle.turn_to(2);
    assert!(circle.lacks(&part));
    assert_eq!(circle.people().count(), 0);
}

#[test]
fn who_misses_a_change_asks_once() {
    let mut circle = Circle::<AccountId>::default();
    circle.turn_to(1);
    let part = |position, since| Part { position, since, change: None, audiences: vec![] };
    assert!(circle.lacks(&part(10, 0)), "nobody was asked yet");
    circle.learn(10, []);
    circle.follow(&part(10, 0), |_| None);
    assert!(!circle.lacks(&part(12, 10)));
    assert!(circle.lacks(&part(16, 14)), "somebody came or went at 14");
    circle.learn(16, []);
    assert!(!circle.lacks(&part(17, 14)));
}
