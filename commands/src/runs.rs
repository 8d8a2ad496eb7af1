//! The order of what another node asks. It numbers its questions, and groups them in *runs*: it begins a new one, named
//! after its first number, each time it asks again from the oldest question without an answer. Of a run only an unbroken
//! beginning is taken here: what comes behind a question that was refused or lost would overtake it.
//!
//! So nothing has to be remembered of what was refused, and whoever is forgotten begins a new run.

use std::collections::HashMap;

/// Askers remembered per lane; one more, and all are forgotten.
const MOST: usize = 1_024;

struct Run {
    first: u64,
    next: u64,
}

#[derive(Default)]
pub(crate) struct Runs(HashMap<String, Run>);

impl Runs {
    /// Whether this question may be taken: it begins a run, or comes next in the one that `asker` is in.
    pub fn take(&mut self, asker: &str, run: u64, number: u64) -> bool {
        match self.0.get_mut(asker) {
            Some(known) if known.first == run => {
                let follows = known.next == number;
                known.next += u64::from(follows);
                follows
            }
            Some(known) if known.first > run => false,
            Some(_) | None if run != number => false,
            Some(known) => {
                *known = Run { first: run, next: number + 1 };
                true
            }
            None => {
                if self.0.len() >= MOST {
                    self.0.clear();
                }
                self.0.insert(asker.to_owned(), Run { first: run, next: number + 1 });
                true
            }
        }
    }

    /// The lane goes: what was taken goes back, and so does all that follows it.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_up_to_its_first_gap() {
        let mut runs = Runs::default();
        assert!(runs.take("a", 1, 1) && runs.take("a", 1, 2));
        assert!(!runs.take("a", 1, 4), "3 was lost");
        assert!(!runs.take("a", 1, 5), "and all that comes behind it is refused");
        assert!(runs.take("a", 6, 6) && runs.take("a", 6, 7));
        assert!(!runs.take("a", 1, 3), "of a run that has ended");
        assert!(runs.take("b", 1, 1), "each asker has its own");
    }

    #[test]
    fn who_is_forgotten_begins_anew() {
        let mut runs = Runs::default();
        assert!(!runs.take("a", 1, 2), "its beginning was never seen");
        assert!(runs.take("a", 3, 3));
        runs.forget();
        assert!(!runs.take("a", 3, 4));
        for number in 0..10 * MOST as u64 {
            assert!(runs.take(&number.to_string(), 1, 1));
        }
        assert!(runs.0.len() <= MOST);
    }
}
