//! Those of one crowd who are connected here, with their stays: whom a frame is handed to.
//!
//! What is known of a stay is what was so last: when it began, then when it ended; in a channel, where a person has one stay
//! that begins and ends as they like, whatever stands at the later position. So it does not matter in which order it is
//! learnt, from relations or from the frames, nor how often, nor that relations may be ahead. It matters that nothing up to the
//! frame in hand is missing: [`Circle::lacks`] says so, and then relations is asked.

use natter_domain::AccountId;
use natter_projections::{
    delivery::crowd::{Audience, Change, Part},
    gate::Interval,
};
use std::collections::HashMap;

/// `P`: somebody who is connected here.
pub struct Circle<P> {
    members: HashMap<AccountId, Member<P>>,
    /// Every change of the crowd's members up to this position of its lane is in here; `None`: relations was not asked yet.
    known_to: Option<u64>,
    /// Of the lane.
    incarnation: u32,
}

struct Member<P> {
    person: P,
    stays: Vec<Interval>,
}

impl<P> Default for Circle<P> {
    fn default() -> Self {
        Self { members: HashMap::new(), known_to: None, incarnation: 0 }
    }
}

impl<P: Clone> Circle<P> {
    /// To be said before anything is read in an incarnation of the lane: where the log went back, what was known may never
    /// have been.
    pub fn turn_to(&mut self, incarnation: u32) {
        if self.incarnation != incarnation {
            *self = Self { incarnation, ..Self::default() };
        }
    }

    /// Whether relations has to be asked before the part can be handed on.
    pub fn lacks(&self, part: &Part) -> bool {
        self.known_to.is_none_or(|known| known < part.since)
    }

    /// Relations was asked for all who were connected here then, once it had passed that position.
    pub fn learn(&mut self, position: u64, stays: impl IntoIterator<Item = (AccountId, P, Interval)>) {
        self.known_to = self.known_to.max(Some(position));
        for (account, person, stay) in stays {
            self.admit(account, person, stay);
        }
    }

    /// What is known of somebody who is connected here.
    pub fn admit(&mut self, account: AccountId, person: P, stay: Interval) {
        let member =
            self.members.entry(account).or_insert_with(|| Member { person: person.clone(), stays: Vec::new() });
        member.person = person;
        match member.stays.iter_mut().find(|known| known.joined_seq == stay.joined_seq) {
            Some(known) if stay.changed() <= known.changed() => {}
            // That it has ended says nothing new of its beginning.
            Some(known) if stay.left_seq.is_some() => {
                (known.left_seq, known.left_position) = (stay.left_seq, stay.left_position);
            }
            Some(known) => *known = stay,
            None => member.stays.push(stay),
        }
    }

    /// Follows a part that [`Self::lacks`] nothing. `find`: who is connected here.
    pub fn follow(&mut self, part: &Part, find: impl Fn(AccountId) -> Option<P>) {
        self.known_to = self.known_to.max(Some(part.position));
        match &part.change {
            Some(Change::Joined { joined_seq, account_ids, begins }) => {
                for (index, &account) in account_ids.iter().enumerate() {
                    let begin = begins.get(index).copied().unwrap_or(*joined_seq);
                    let stay = Interval { joined_position: part.position, ..Interval::begun(begin, *joined_seq) };
                    self.hear(account, stay, &find);
                }
            }
            Some(Change::Left { account_id, joined_seq, left_seq }) => {
                let (left_seq, left_position) = (Some(*left_seq), Some(part.position));
                let stay = Interval { left_seq, left_position, ..Interval::begun(*joined_seq, *joined_seq) };
                self.hear(*account_id, stay, &find);
            }
            Some(Change::Subscribed { account_id }) => {
                let stay = Interval { joined_position: part.position, ..Interval::begun(0, 0) };
                self.hear(*account_id, stay, &find);
            }
            Some(Change::Unsubscribed { account_id, last_seq }) => {
                let (left_seq, left_position) = (Some(*last_seq), Some(part.position));
                let stay = Interval { left_seq, left_position, ..Interval::begun(0, 0) };
                self.hear(*account_id, stay, &find);
            }
            None => {}
        }
    }

    fn hear(&mut self, account: AccountId, stay: Interval, find: impl Fn(AccountId) -> Option<P>) {
        if let Some(person) = find(account) {
            self.admit(account, person, stay);
        }
    }

    /// Each of them, and whether they are meant by what is told of the event at a position. Relations may have known of a stay
    /// before it begins here.
    pub fn members(&self) -> impl Iterator<Item = (&P, impl Fn(&(u64, Audience)) -> bool)> {
        self.members.iter().map(|(account, member)| {
            let is_meant = move |(position, audience): &(u64, Audience)| {
                let has_begun = |stay: &&Interval| stay.joined_position <= *position;
                member.stays.iter().filter(has_begun).any(|stay| audience.means(*account, stay))
            };
            (&member.person, is_meant)
        })
    }

    pub fn people(&self) -> impl Iterator<Item = &P> {
        self.members.values().map(|member| &member.person)
    }

    pub fn retain(&mut self, stays_here: impl Fn(&P) -> bool) {
        self.members.retain(|_, member| stays_here(&member.person));
    }
}

#[cfg(test)]
#[path = "circle_tests.rs"]
mod tests;
