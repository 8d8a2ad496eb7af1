//! When somebody who does not answer is left alone: after some failures in a row nothing is asked for a while, then one
//! thing; what becomes of it decides. Without IO and without a clock.

use std::time::Duration;

/// Failures in a row after which it opens.
const FAILURES: u32 = 5;
/// How long it stays open.
pub(crate) const REST: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// By the caller's clock, from any beginning.
    open_until: Option<Duration>,
}

impl Breaker {
    /// How many may be asked now.
    pub fn room(&self, now: Duration, most: i64) -> i64 {
        match self.open_until {
            None => most,
            Some(until) if now < until => 0,
            Some(_) => 1,
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open_until = Some(now + REST);
        }
    }

    pub fn is_open(&self) -> bool {
        self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed(times: u32) -> Breaker {
        let mut breaker = Breaker::default();
        (0..times).for_each(|_| breaker.failed(SECOND));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        assert_eq!(failed(FAILURES - 1).room(SECOND, 8), 8);
        assert_eq!(failed(FAILURES).room(SECOND, 8), 0);
        let mut between = failed(FAILURES - 1);
        between.succeeded();
        between.failed(SECOND);
        assert_eq!(between.room(SECOND, 8), 8);
    }

    #[test]
    fn it_lets_one_through_after_its_rest_and_what_becomes_of_that_decides() {
        let mut breaker = failed(FAILURES);
        assert_eq!(breaker.room(SECOND + REST, 8), 1);
        breaker.failed(SECOND + REST);
        assert_eq!(breaker.room(SECOND + REST, 8), 0);
        assert_eq!(breaker.room(SECOND + REST + REST, 8), 1);
        breaker.succeeded();
        assert_eq!((breaker.room(SECOND, 8), breaker.is_open()), (8, false));
    }
}
