//! Who is connected at other edges, as far as they say so here: without IO and without a clock.
//!
//! - Each edge numbers its words. A word that follows on the last one is applied; behind a gap the edge is asked for its
//!   whole list, and what it says meanwhile waits. An edge that is heard for the first time has a gap unless it has just
//!   begun.
//! - A list says as of which word it is, so words may overtake it or come late.
//! - Who is known of an edge stays known until its list says otherwise, or until nothing was heard of it for [`LEASE`].
//!   Another start of the same process is another edge: those who were connected to the one before have its lease to come
//!   back.
//! - Whoever stood still, or had no bus, heard nobody, and knows nothing by that: every lease begins anew.

use super::{
    Moment,
    signs::Signs,
    word::{Change, Listed, Told},
};
use natter_domain::{AccountId, Timestamp};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// An edge of which nothing is heard for so long is gone, and its people with it.
pub const LEASE: Duration = Duration::from_secs(5);

/// Who looks at the board less often has stood still.
const STILL: Duration = Duration::from_secs(2);
/// Before a list that did not come, or not whole, is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Words that wait for a list; with more of them another list is asked for.
const WAITING_MAX: usize = 1_000;

pub struct Board {
    own: Uuid,
    edges: HashMap<Uuid, Edge>,
    looked: Instant,
    questions: u64,
}

struct Edge {
    heard: Moment,
    /// Of the last word that is in `people`.
    number: u64,
    people: HashMap<AccountId, Signs>,
    /// Where something of it was missed.
    asked: Option<Question>,
}

/// A list that is to come.
struct Question {
    number: u64,
    at: Instant,
    /// As far as it came, with the page that is next.
    people: Vec<(AccountId, Signs)>,
    page: u32,
    /// What was said meanwhile.
    waiting: BTreeMap<u64, Vec<Change>>,
}

/// What follows from what was heard.
#[derive(Default, PartialEq, Debug)]
pub struct Outcome {
    /// Of these people something may be otherwise; when they left, where they did.
    pub changed: Vec<(AccountId, Option<Timestamp>)>,
    /// Lists to ask for: of which edge, and the question's number.
    pub ask: Vec<(Uuid, u64)>,
    /// Those who were at edges that are gone, and when these were heard last.
    pub lost: Vec<(AccountId, Timestamp)>,
}

impl Board {
    pub fn new(own: Uuid, now: Instant) -> Self {
        Self { own, edges: HashMap::new(), looked: now, questions: 0 }
    }

    /// At all other edges together.
    pub fn signs(&self, account: AccountId) -> Signs {
        let at = |edge: &Edge| edge.people.get(&account).copied().unwrap_or_default();
        self.edges.values().map(at).fold(Signs::NONE, Signs::with)
    }

    pub fn count(&self) -> usize {
        self.edges.len()
    }

    /// Of all edges that live, this one has the smallest name: it does what one of them is to do.
    pub fn is_first(&self) -> bool {
        self.edges.keys().all(|edge| self.own < *edge)
    }

    pub fn hear(&mut self, told: Told, now: Moment) -> Outcome {
        if told.edge == self.own {
            return Outcome::default();
        }
        let edge = self.edges.entry(told.edge).or_insert_with(|| Edge::new(now));
        edge.heard = now;
        let mut outcome = Outcome::default();
        if let Some(question) = &mut edge.asked {
            question.keep(told.number, told.changed);
        } else if edge.follows(&told) {
            edge.apply(told.number, told.changed, &mut outcome);
        } else if told.number > edge.number {
            let changed = (!told.changed.is_empty()).then_some((told.number, told.changed));
            self.questions += 1;
            edge.ask(Question::new(self.questions, now.at, changed.into_iter().collect()), told.edge, &mut outcome);
        }
        outcome
    }

    pub fn listed(&mut self, listed: Listed, now: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(edge) = self.edges.get_mut(&listed.edge) else { return outcome };
        edge.heard = now;
        let expected = |question: &&mut Question| (question.number, question.page) == (listed.question, listed.page);
        let Some(question) = edge.asked.as_mut().filter(expected) else { return outcome };
        question.page += 1;
        question.people.extend(listed.people);
        if !listed.is_last {
            return outcome;
        }
        let Some(whole) = edge.asked.take() else { return outcome };
        edge.replace(whole.people, now.wall, &mut outcome);
        edge.number = listed.number;
        for (number, changed) in whole.waiting {
            if number == edge.number + 1 {
                edge.apply(number, changed, &mut outcome);
            } else if number > edge.number {
                self.questions += 1;
                let rest = Question::new(self.questions, now.at, BTreeMap::new());
                edge.ask(rest, listed.edge, &mut outcome);
                break;
            }
        }
        outcome
    }

    /// Now and then. `hears`: the bus carries.
    pub fn look(&mut self, now: Moment, hears: bool) -> Outcome {
        let stood_still = now.at.duration_since(self.looked) > STILL;
        self.looked = now.at;
        if stood_still || !hears {
            self.edges.values_mut().for_each(|edge| edge.heard = now);
        }
        let mut outcome = Outcome::default();
        let silent = |edge: &Edge| edge.heard.at + LEASE <= now.at;
        let gone: Vec<Edge> = self.edges.extract_if(|_, edge| silent(edge)).map(|(_, edge)| edge).collect();
        for edge in gone {
            let left = edge.heard.wall;
            outcome.changed.extend(edge.people.keys().map(|account| (*account, Some(left))));
            outcome.lost.extend(edge.people.keys().map(|account| (*account, left)));
        }
        self.ask_again(&mut outcome, |question| question.at + ASK_AGAIN <= now.at, now);
        outcome
    }

    /// What anybody said may have been lost: everybody is asked.
    pub fn doubt(&mut self, now: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        for edge in self.edges.values_mut() {
            edge.heard = now;
            edge.asked.get_or_insert_with(|| Question::new(0, now.at, BTreeMap::new()));
        }
        self.ask_again(&mut outcome, |_| true, now);
        outcome
    }

    fn ask_again(&mut self, outcome: &mut Outcome, is_due: impl Fn(&Question) -> bool, now: Moment) {
        for (&name, edge) in &mut self.edges {
            let Some(question) = edge.asked.take_if(|question| is_due(question)) else { continue };
            self.questions += 1;
            edge.ask(Question::new(self.questions, now.at, question.waiting), name, outcome);
        }
    }
}

impl Edge {
    fn new(now: Moment) -> Self {
        Self { heard: now, number: 0, people: HashMap::new(), asked: None }
    }

    fn follows(&self, told: &Told) -> bool {
        told.number == self.number + 1 && !told.changed.is_empty()
    }

    fn ask(&mut self, question: Question, name: Uuid, outcome: &mut Outcome) {
        outcome.ask.push((name, question.number));
        self.asked = Some(question);
    }

    fn apply(&mut self, number: u64, changed: Vec<Change>, outcome: &mut Outcome) {
        self.number = number;
        for Change { account, signs, left } in changed {
            match signs.is_online() {
                true => self.people.insert(account, signs),
                false => self.people.remove(&account),
            };
            outcome.changed.push((account, left));
        }
    }

    /// Who is not in the list has left; when, nobody says.
    fn replace(&mut self, people: Vec<(AccountId, Signs)>, now: Timestamp, outcome: &mut Outcome) {
        let before = std::mem::replace(&mut self.people, people.into_iter().collect());
        let all: HashSet<AccountId> = before.keys().chain(self.people.keys()).copied().collect();
        let differs = |account: &AccountId| before.get(account) != self.people.get(account);
        let left = |account: &AccountId| (!self.people.contains_key(account)).then_some(now);
        outcome.changed.extend(all.into_iter().filter(differs).map(|account| (account, left(&account))));
    }
}

impl Question {
    fn new(number: u64, at: Instant, waiting: BTreeMap<u64, Vec<Change>>) -> Self {
        Self { number, at, people: Vec::new(), page: 0, waiting }
    }

    /// What does not fit leaves a gap, which is found behind the list.
    fn keep(&mut self, number: u64, changed: Vec<Change>) {
        if changed.is_empty() {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_first();
        }
        self.waiting.insert(number, changed);
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
