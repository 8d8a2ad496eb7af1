//! Who wants to know of whom, and what they were told: without IO and without a clock.
//!
//! A watch knows whether its watcher may see whom they watch. While that is in doubt nothing is told; once it is known again
//! the watcher is told what is so now, if that is not what they were told last.

use super::signs::Signs;
use natter_domain::{AccountId, limit};
use natter_projections::presence::Pair;
use std::collections::{HashMap, HashSet, hash_map::Entry};

/// `O`: by what a watcher is told.
pub struct Watches<O> {
    by: HashMap<u64, Watcher<O>>,
    of: HashMap<AccountId, HashMap<u64, Watch>>,
    /// So many questions have been numbered: no watch ever has the number of one that was before it.
    questions: u64,
}

struct Watcher<O> {
    account: AccountId,
    outbox: O,
    watched: HashSet<AccountId>,
}

struct Watch {
    /// `None`: it has to be asked.
    sees: Option<bool>,
    told: Seen,
    /// Its number when it began: a question of before is about one that is no more.
    began: u64,
    /// Of the question with which it began, or of its newest doubt: an answer to an earlier one is none.
    number: u64,
    /// So many have asked for it and are not answered yet.
    asking: usize,
    /// Somebody was answered: it stays until they take it back.
    is_kept: bool,
}

impl Watch {
    fn new(number: u64) -> Self {
        Self { sees: None, told: Seen::default(), began: number, number, asking: 0, is_kept: false }
    }
}

/// What somebody is shown of somebody else. Who may not see is shown nobody who is online, and no time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    pub sees: bool,
    pub signs: Signs,
}

impl Seen {
    pub fn new(sees: bool, signs: Signs) -> Self {
        Self { sees, signs: if sees { signs } else { Signs::NONE } }
    }
}

/// A watch of which it has to be asked whether it sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    pub watcher: u64,
    /// Who looks, and at whom.
    pub pair: Pair,
    number: u64,
}

/// To be told by this: of this person, this.
pub type Push<O> = (O, AccountId, Seen);

impl<O> Default for Watches<O> {
    fn default() -> Self {
        Self { by: HashMap::new(), of: HashMap::new(), questions: 0 }
    }
}

impl<O: Clone> Watches<O> {
    /// Watches these too; `None`: they would be too many. What has to be asked for it, of those too that are watched already;
    /// it is settled, or has failed.
    pub fn add(
        &mut self,
        watcher: u64,
        account: AccountId,
        outbox: O,
        accounts: &[AccountId],
    ) -> Option<Vec<Question>> {
        let known = self.by.get(&watcher).map(|watcher| &watcher.watched);
        let is_new = |account: &&AccountId| known.is_none_or(|known| !known.contains(account));
        let new = accounts.iter().filter(is_new).collect::<HashSet<_>>().len();
        if known.map_or(0, HashSet::len) + new > limit::WATCHED_MAX {
            return None;
        }
        let place = self.by.entry(watcher).or_insert_with(|| Watcher { account, outbox, watched: HashSet::new() });
        place.watched.extend(accounts);
        self.questions += 1;
        let number = self.questions;
        let ask = |other: &AccountId| {
            let watches = self.of.entry(*other).or_default();
            let watch = watches.entry(watcher).or_insert_with(|| Watch::new(number));
            watch.asking += 1;
            Question { watcher, pair: (account, *other), number: watch.number }
        };
        Some(accounts.iter().map(ask).collect())
    }

    pub fn remove(&mut self, watcher: u64, accounts: &[AccountId]) {
        let Entry::Occupied(mut place) = self.by.entry(watcher) else { return };
        for account in accounts {
            if place.get_mut().watched.remove(account) {
                unlink(&mut self.of, watcher, *account);
            }
        }
        if place.get().watched.is_empty() {
            place.remove();
        }
    }

    /// The connection is gone.
    pub fn leave(&mut self, watcher: u64) {
        let Some(gone) = self.by.remove(&watcher) else { return };
        gone.watched.into_iter().for_each(|account| unlink(&mut self.of, watcher, account));
    }

    /// Of who watches it is now known whom they see; they are told by who asked. Where it came into doubt meanwhile, or is not
    /// known yet (`None`), it is asked by somebody else, who tells them.
    pub fn settle(
        &mut self,
        questions: &[Question],
        sees: impl Fn(Pair) -> Option<bool>,
        signs: impl Fn(AccountId) -> Signs,
    ) -> Vec<(AccountId, Seen)> {
        let mut shown = Vec::new();
        for question in questions {
            let other = question.pair.1;
            let Some(watch) = find(&mut self.of, question) else {
                shown.push((other, Seen::default()));
                continue;
            };
            watch.asking -= 1;
            watch.is_kept = true;
            if watch.number == question.number {
                watch.sees = sees(question.pair).or(watch.sees);
            }
            watch.told = Seen::new(watch.sees.unwrap_or(false), signs(other));
            shown.push((other, watch.told));
        }
        shown
    }

    /// It could not be asked: what was added for it is watched no more, unless it was asked for by another frame too.
    pub fn fail(&mut self, questions: &[Question]) {
        for question in questions {
            let Some(watch) = find(&mut self.of, question) else { continue };
            watch.asking -= 1;
            if watch.asking == 0 && !watch.is_kept {
                self.remove(question.watcher, &[question.pair.1]);
            }
        }
    }

    /// Something of these people may be otherwise: those who watch and see them are told what is so now.
    pub fn changed(&mut self, accounts: &[AccountId], signs: impl Fn(AccountId) -> Signs) -> Vec<Push<O>> {
        let mut pushes = Vec::new();
        for account in accounts {
            let Some(watches) = self.of.get_mut(account) else { continue };
            let seen = Seen::new(true, signs(*account));
            for (number, watch) in watches.iter_mut().filter(|(_, watch)| watch.sees == Some(true)) {
                if watch.told != seen
                    && let Some(watcher) = self.by.get(number)
                {
                    watch.told = seen;
                    pushes.push((watcher.outbox.clone(), *account, seen));
                }
            }
        }
        pushes
    }

    /// Whether those who watch this one see them is in doubt from now on.
    pub fn doubt_of(&mut self, account: AccountId) -> Vec<Question> {
        self.doubt(account, |_| true)
    }

    /// Between two people, whichever of them watches the other.
    pub fn doubt_between(&mut self, one: AccountId, other: AccountId) -> Vec<Question> {
        let mut questions = self.doubt(one, |watcher| watcher == other);
        questions.extend(self.doubt(other, |watcher| watcher == one));
        questions
    }

    pub fn doubt_all(&mut self) -> Vec<Question> {
        let all: Vec<AccountId> = self.of.keys().copied().collect();
        all.into_iter().flat_map(|account| self.doubt_of(account)).collect()
    }

    /// All of which it has to be asked, whoever does.
    pub fn unknown(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for (&account, watches) in &self.of {
            for (&watcher, watch) in watches.iter().filter(|(_, watch)| watch.sees.is_none()) {
                let Some(by) = self.by.get(&watcher) else { continue };
                questions.push(Question { watcher, pair: (by.account, account), number: watch.number });
            }
        }
        questions
    }

    fn doubt(&mut self, account: AccountId, is_meant: impl Fn(AccountId) -> bool) -> Vec<Question> {
        self.questions += 1;
        let (number, mut questions) = (self.questions, Vec::new());
        for (&watcher, watch) in self.of.get_mut(&account).into_iter().flatten() {
            let Some(by) = self.by.get(&watcher).filter(|by| is_meant(by.account)) else { continue };
            watch.sees = None;
            watch.number = number;
            questions.push(Question { watcher, pair: (by.account, account), number });
        }
        questions
    }

    /// It is known again.
    pub fn resolve(
        &mut self,
        questions: &[Question],
        sees: impl Fn(Pair) -> bool,
        signs: impl Fn(AccountId) -> Signs,
    ) -> Vec<Push<O>> {
        let mut pushes = Vec::new();
        for question in questions {
            let other = question.pair.1;
            let watch = find(&mut self.of, question).filter(|watch| watch.number == question.number);
            let Some(watch) = watch else { continue };
            let seen = Seen::new(sees(question.pair), signs(other));
            watch.sees = Some(seen.sees);
            if watch.told != seen
                && let Some(watcher) = self.by.get(&question.watcher)
            {
                watch.told = seen;
                pushes.push((watcher.outbox.clone(), other, seen));
            }
        }
        pushes
    }

    pub fn count(&self) -> usize {
        self.by.values().map(|watcher| watcher.watched.len()).sum()
    }
}

/// The watch that it was asked about, not one that came after it.
fn find<'a>(of: &'a mut HashMap<AccountId, HashMap<u64, Watch>>, question: &Question) -> Option<&'a mut Watch> {
    of.get_mut(&question.pair.1)?.get_mut(&question.watcher).filter(|watch| watch.began <= question.number)
}

fn unlink(of: &mut HashMap<AccountId, HashMap<u64, Watch>>, watcher: u64, account: AccountId) {
    if let Entry::Occupied(mut watches) = of.entry(account) {
        watches.get_mut().remove(&watcher);
        if watches.get().is_empty() {
            watches.remove();
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
