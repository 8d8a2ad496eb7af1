//! When somebody who does not answer is left alone: after some failures in a row nothing is asked for a while, then one
//! thing; what becomes of it decides. Nothing that Natter cannot do without has one. Without IO and without a clock.

use std::time::Duration;

/// Failures in a row after which it opens.
const FAILURES: u32 = 5;
/// How long it stays open.
pub const REST: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// By the caller's clock, from any beginning.
    open_until: Option<Duration>,
}

impl Breaker {
    /// Whether somebody may be asked now.
    pub fn lets_through(&self, now: Duration) -> bool {
        self.open_until.is_none_or(|until| until <= now)
    }

    /// The same for many who ask at once: after a rest one of them may, and whoever comes before that one knows waits
    /// for another.
    pub fn takes_one(&mut self, now: Duration) -> bool {
        let may = self.lets_through(now);
        if may && self.is_open() {
            self.open_until = Some(now + REST);
        }
        may
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
        assert!(failed(FAILURES - 1).lets_through(SECOND));
        assert!(!failed(FAILURES).lets_through(SECOND));
        let mut between = failed(FAILURES - 1);
        between.succeeded();
        between.failed(SECOND);
        assert!(between.lets_through(SECOND));
    }

    #[test]
    fn of_many_who_ask_at_once_one_is_let_through_after_its_rest() {
        let mut closed = failed(FAILURES - 1);
        assert!(closed.takes_one(SECOND) && closed.takes_one(SECOND));
        let mut breaker = failed(FAILURES);
        assert!(!breaker.takes_one(SECOND));
        assert!(breaker.takes_one(SECOND + REST));
        assert!(!breaker.takes_one(SECOND + REST), "the one is not back yet");
        assert!(breaker.takes_one(SECOND + REST + REST), "it never came back");
        breaker.succeeded();
        assert!(breaker.takes_one(SECOND) && breaker.takes_one(SECOND));
    }

    #[test]
    fn it_lets_one_through_after_its_rest_and_what_becomes_of_that_decides() {
        let mut breaker = failed(FAILURES);
        assert!(breaker.lets_through(SECOND + REST));
        breaker.failed(SECOND + REST);
        assert!(!breaker.lets_through(SECOND + REST));
        assert!(breaker.lets_through(SECOND + REST + REST));
        breaker.succeeded();
        assert_eq!((breaker.lets_through(SECOND), breaker.is_open()), (true, false));
    }
}
