//! How one node shares lanes with others, as a state machine without IO: answers and moments in, actions out.
//!
//! Every lane of ours is in one state, and at most one statement that changes its owner is under way, so answers
//! cannot overtake each other. What was read may be old: a takeover names the epoch it was decided on, and a row
//! tells that we lost a lane only by an epoch that is not below ours. A row in which our own start stands as owner is
//! ours whatever its epoch: whoever works on the lane may have raised it.
//!
//! Moments are of the node's own monotonic clock. A lease counts from before its renewal was sent and ends a little
//! before the term does, so it has ended here before it ends in PostgreSQL, whose clock may run at another rate.

use super::contact::Contact;
use crate::{Lane, Lanes, Node};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// Time since some beginning, by the node's own clock.
pub type Moment = Duration;

/// A lane whose work came back by itself is left alone for so long: whatever ended it shall not spin.
const REST: Duration = Duration::from_secs(1);

/// The part of the term that is not used: clocks may differ in rate by this.
const MARGIN: u32 = 20;

/// A lane's row as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub lane: Lane,
    pub owner: Option<Node>,
    pub epoch: i64,
    pub expired: bool,
}

/// A node that lives and wants a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub node: Node,
    pub contact: Contact,
}

/// A row that a takeover has made ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    pub lane: Lane,
    pub epoch: i64,
    pub incarnation: Uuid,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Make the row ours, if its epoch is still this one; answered by `taken` or `refused`.
    TakeOver { lane: Lane, epoch: i64 },
    /// Begin to work; answered by `ended` some time.
    Start(Taken),
    /// Tell the work to finish in order; answered by `ended`.
    GiveUp(Lane),
    /// Tell the work to stop at once: the lane is not ours any more; answered by `ended`.
    Drop(Lane),
    /// Give the row back; answered by `released`.
    Release(Lane),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Taking,
    Held {
        epoch: i64,
        until: Moment,
        given_up: bool,
    },
    /// Its work has not ended yet.
    Lost,
    Releasing {
        rest: bool,
    },
    Resting {
        until: Moment,
    },
}

/// What is fair for this node.
#[derive(Clone, Copy, Debug)]
struct Fair {
    quota: usize,
    /// Where the lanes begin that it would rather have: nodes that start together do not all ask for the same.
    first: usize,
}

pub struct Machine {
    me: Node,
    count: usize,
    term: Duration,
    fair: Fair,
    stopping: bool,
    lanes: BTreeMap<Lane, State>,
}

impl Machine {
    pub fn new(me: Node, lanes: Lanes, term: Duration) -> Self {
        let fair = Fair { quota: lanes.count(), first: 0 };
        let term = term - term / MARGIN;
        Self { me, count: lanes.count(), term, fair, stopping: false, lanes: BTreeMap::new() }
    }

    /// All rows that could be read, the nodes that live, and how we stand with NATS.
    pub fn observed(&mut self, now: Moment, rows: &[Row], living: &[Candidate], contact: Contact) -> Vec<Action> {
        let mut actions = self.tick(now);
        self.fair = self.fair_among(living, contact);
        for row in rows {
            self.compare(row, &mut actions);
        }
        self.take_free(rows, &mut actions);
        self.give_up_surplus(&mut actions);
        actions
    }

    /// A takeover that was sent at `asked_at` has made the row ours.
    pub fn taken(&mut self, now: Moment, taken: Taken, asked_at: Moment) -> Vec<Action> {
        let mut actions = self.tick(now);
        let Taken { lane, epoch, .. } = taken;
        if !matches!(self.lanes.get(&lane), Some(State::Taking)) {
            return actions;
        }
        let until = asked_at + self.term;
        if self.stopping {
            self.lanes.insert(lane, State::Releasing { rest: false });
            actions.push(Action::Release(lane));
        } else if until <= now {
            // Too late to begin; the next look finds a row of ours that nobody works on.
            self.lanes.remove(&lane);
        } else {
            self.lanes.insert(lane, State::Held { epoch, until, given_up: false });
            actions.push(Action::Start(taken));
        }
        actions
    }

    /// A takeover did nothing, or what it did is not known: the next look tells.
    pub fn refused(&mut self, lane: Lane) {
        if matches!(self.lanes.get(&lane), Some(State::Taking)) {
            self.lanes.remove(&lane);
        }
    }

    /// A renewal that was sent at `asked_at` found our row, at this epoch.
    pub fn renewed(&mut self, now: Moment, lane: Lane, epoch: i64, asked_at: Moment) -> Vec<Action> {
        // First: a term that has passed has passed, whatever came in too late.
        let actions = self.tick(now);
        if let Some(State::Held { epoch: known, until, .. }) = self.lanes.get_mut(&lane) {
            *known = epoch.max(*known);
            *until = (asked_at + self.term).max(*until);
        }
        actions
    }

    /// A renewal that was sent when we knew of `epoch` found no row of ours.
    pub fn unrenewed(&mut self, now: Moment, lane: Lane, epoch: i64) -> Vec<Action> {
        let mut actions = self.tick(now);
        match self.lanes.get(&lane) {
            Some(State::Held { epoch: known, .. }) if *known == epoch => self.lose(lane, &mut actions),
            _ => {}
        }
        actions
    }

    /// The lane's work has come back.
    pub fn ended(&mut self, now: Moment, lane: Lane) -> Vec<Action> {
        let mut actions = self.tick(now);
        match self.lanes.get(&lane) {
            Some(State::Held { given_up, .. }) => {
                let rest = !given_up;
                self.lanes.insert(lane, State::Releasing { rest });
                actions.push(Action::Release(lane));
            }
            Some(State::Lost) => drop(self.lanes.remove(&lane)),
            _ => {}
        }
        actions
    }

    /// The row is free, another's, or will expire by itself.
    pub fn released(&mut self, now: Moment, lane: Lane) -> Vec<Action> {
        let mut actions = self.tick(now);
        if let Some(State::Releasing { rest }) = self.lanes.remove(&lane)
            && rest
            && !self.stopping
        {
            self.lanes.insert(lane, State::Resting { until: now + REST });
        }
        self.give_up_surplus(&mut actions);
        actions
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) -> Vec<Action> {
        let passed = |state: &State| matches!(state, State::Held { until, .. } if *until <= now);
        let passed: Vec<Lane> = self.lanes.iter().filter(|(_, state)| passed(state)).map(|(lane, _)| *lane).collect();
        let mut actions = Vec::new();
        for lane in passed {
            self.lose(lane, &mut actions);
        }
        self.lanes.retain(|_, state| !matches!(state, State::Resting { until } if *until <= now));
        actions
    }

    /// Takes nothing more, and gives everything up.
    pub fn stop(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = self.tick(now);
        self.stopping = true;
        self.lanes.retain(|_, state| !matches!(state, State::Resting { .. }));
        self.give_up_all(&mut actions);
        actions
    }

    /// Nothing is ours, nothing under way.
    pub fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    pub fn is_held(&self, lane: Lane, now: Moment) -> bool {
        self.until(lane).is_some_and(|until| now < until)
    }

    /// When the lease ends unless it is renewed.
    pub fn until(&self, lane: Lane) -> Option<Moment> {
        match self.lanes.get(&lane)? {
            State::Held { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// What is to be renewed: each lane with the epoch that is known.
    pub fn held(&self) -> Vec<(Lane, i64)> {
        let held = self.lanes.iter().filter_map(|(lane, state)| match state {
            State::Held { epoch, .. } => Some((*lane, *epoch)),
            _ => None,
        });
        held.collect()
    }

    /// When `tick` has something to do next.
    pub fn deadline(&self) -> Option<Moment> {
        let moments = self.lanes.values().filter_map(|state| match state {
            State::Held { until, .. } | State::Resting { until } => Some(*until),
            _ => None,
        });
        moments.min()
    }

    /// Who is cut off from NATS gets nothing, unless nobody is better off: then talk goes on without it as it can.
    fn fair_among(&self, living: &[Candidate], contact: Contact) -> Fair {
        // By name: an earlier start of a node that lives is not another node. We live, whatever was read.
        let mut contacts: BTreeMap<&str, Contact> = BTreeMap::new();
        for Candidate { node, contact } in living {
            let best = contacts.entry(&node.name).or_insert(*contact);
            *best = (*best).max(*contact);
        }
        contacts.insert(&self.me.name, contact);
        if contacts.values().any(|contact| *contact == Contact::Steady) {
            contacts.retain(|_, contact| *contact != Contact::CutOff);
        }
        let Some(rank) = contacts.keys().position(|name| **name == *self.me.name) else {
            return Fair { quota: 0, first: 0 };
        };
        let quota = self.count / contacts.len() + usize::from(rank < self.count % contacts.len());
        Fair { quota, first: rank * self.count / contacts.len() }
    }

    /// Learns from a row of a lane that we hold.
    fn compare(&mut self, row: &Row, actions: &mut Vec<Action>) {
        let Some(State::Held { epoch, .. }) = self.lanes.get_mut(&row.lane) else { return };
        if row.owner.as_ref() == Some(&self.me) {
            *epoch = row.epoch.max(*epoch);
        } else if row.epoch >= *epoch {
            self.lose(row.lane, actions);
        }
    }

    fn lose(&mut self, lane: Lane, actions: &mut Vec<Action>) {
        self.lanes.insert(lane, State::Lost);
        actions.push(Action::Drop(lane));
    }

    fn take_free(&mut self, rows: &[Row], actions: &mut Vec<Action>) {
        let mut free: Vec<&Row> = rows.iter().filter(|row| self.is_free(row)).collect();
        free.sort_by_key(|row| (!self.is_of_our_name(row), self.preference(row.lane)));
        let room = if self.stopping { 0 } else { self.fair.quota.saturating_sub(self.mine()) };
        let rest = free.split_off(room.min(free.len()));
        for row in free {
            self.lanes.insert(row.lane, State::Taking);
            actions.push(Action::TakeOver { lane: row.lane, epoch: row.epoch });
        }
        // Ours by a takeover or a release of unknown outcome, and too much: nobody shall wait for its term to pass.
        for row in rest.into_iter().filter(|row| row.owner.as_ref() == Some(&self.me)) {
            self.lanes.insert(row.lane, State::Releasing { rest: false });
            actions.push(Action::Release(row.lane));
        }
    }

    fn is_free(&self, row: &Row) -> bool {
        let free = row.expired || row.owner.is_none() || self.is_of_our_name(row);
        free && !self.lanes.contains_key(&row.lane)
    }

    /// Of this start, or of an earlier one, which is dead.
    fn is_of_our_name(&self, row: &Row) -> bool {
        row.owner.as_ref().is_some_and(|owner| owner.name == self.me.name)
    }

    /// One lane at a time: the others go on working meanwhile.
    fn give_up_surplus(&mut self, actions: &mut Vec<Action>) {
        if self.fair.quota == 0 {
            return self.give_up_all(actions);
        }
        let leaving = |state: &State| matches!(state, State::Held { given_up: true, .. } | State::Releasing { .. });
        if self.stopping || self.mine() <= self.fair.quota || self.lanes.values().any(leaving) {
            return;
        }
        let held = self.lanes.iter().filter(|(_, state)| matches!(state, State::Held { .. }));
        let Some(lane) = held.map(|(lane, _)| *lane).max_by_key(|lane| self.preference(*lane)) else { return };
        if let Some(State::Held { given_up, .. }) = self.lanes.get_mut(&lane) {
            *given_up = true;
            actions.push(Action::GiveUp(lane));
        }
    }

    fn give_up_all(&mut self, actions: &mut Vec<Action>) {
        for (lane, state) in &mut self.lanes {
            if let State::Held { given_up: given_up @ false, .. } = state {
                *given_up = true;
                actions.push(Action::GiveUp(*lane));
            }
        }
    }

    /// Lanes that we have or are about to have.
    fn mine(&self) -> usize {
        let mine = |state: &&State| matches!(state, State::Taking | State::Held { given_up: false, .. });
        self.lanes.values().filter(mine).count()
    }

    /// The lower, the rather.
    fn preference(&self, lane: Lane) -> usize {
        (lane.index() + self.count - self.fair.first) % self.count
    }
}
