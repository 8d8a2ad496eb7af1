//! What is kept of tries of passwords, and how long the next one waits. Without IO and without a clock.

use natter_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a delay grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// So many tries cost nothing.
    pub free: u32,
    /// Doubled with each further one.
    pub first: Duration,
    pub longest: Duration,
    /// Without a further try all is forgotten after this.
    pub forgotten: Duration,
}

impl Rule {
    /// After so many tries that came to nothing.
    pub fn delay(&self, failed: u32) -> Duration {
        let Some(over) = failed.checked_sub(self.free).and_then(|over| over.checked_sub(1)) else {
            return Duration::ZERO;
        };
        let doubled = 2_u32.checked_pow(over).and_then(|times| self.first.checked_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tries {
    /// Those that came to nothing, and those of which it is not known yet.
    failed: u32,
    /// Before this nothing is tried.
    free_at: Timestamp,
    /// It has waited for what others tried, or was right before.
    known: bool,
}

impl Tries {
    /// How long the next one has to wait.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let left = self.free_at.as_millis().saturating_sub(now.as_millis());
        u64::try_from(left).ok().filter(|&left| left > 0).map(Duration::from_millis)
    }

    /// With one more, which counts as a failure until more is known; or how long it has to wait.
    pub fn one_more(&self, rule: &Rule, now: Timestamp) -> Result<Self, Duration> {
        match self.wait(now) {
            Some(wait) => Err(wait),
            None => Ok(self.failed_once_more(rule, now)),
        }
    }

    pub fn failed_once_more(&self, rule: &Rule, now: Timestamp) -> Self {
        let failed = self.failed.saturating_add(1);
        Self { failed, free_at: now + rule.delay(failed), known: self.known }
    }

    /// Who comes from where nobody was known waits for what others have tried, once.
    pub fn as_newcomer(&self, delay: Duration, now: Timestamp) -> Option<Self> {
        (!self.known && !delay.is_zero()).then(|| Self { free_at: now + delay, known: true, ..self.clone() })
    }

    /// It was no failure.
    pub fn one_less(&self) -> Self {
        Self { failed: self.failed.saturating_sub(1), free_at: Timestamp::default(), known: self.known }
    }

    /// It was right.
    pub fn right() -> Self {
        Self { known: true, ..Self::default() }
    }

    pub fn delay(&self, rule: &Rule) -> Duration {
        rule.delay(self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const RULE: Rule = Rule { free: 2, first: SECOND, longest: Duration::from_secs(5), forgotten: SECOND };

    #[test]
    fn the_delay_grows_up_to_its_bound() {
        let seconds: Vec<u64> = (0..8).map(|failed| RULE.delay(failed).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 4, 5, 5]);
        assert_eq!(RULE.delay(u32::MAX), RULE.longest);
    }

    #[test]
    fn who_waits_is_not_counted_and_who_has_waited_may_try() {
        let mut tries = Tries::default();
        let mut now = NOW;
        for wait in [0, 0, 1, 2, 4, 5, 5] {
            tries = tries.one_more(&RULE, now).unwrap();
            assert_eq!(tries.wait(now), (wait > 0).then(|| Duration::from_secs(wait)));
            if wait > 0 {
                let early = now + Duration::from_millis(wait * 1_000 - 1);
                assert_eq!(tries.one_more(&RULE, early), Err(Duration::from_millis(1)));
            }
            now = now + Duration::from_secs(wait);
        }
    }

    #[test]
    fn a_newcomer_waits_once_for_what_others_tried() {
        let newcomer = Tries::default();
        assert_eq!(newcomer.as_newcomer(Duration::ZERO, NOW), None, "nobody has tried");
        let waits = newcomer.as_newcomer(SECOND, NOW).unwrap();
        assert_eq!(waits.wait(NOW), Some(SECOND));
        assert_eq!(waits.as_newcomer(RULE.longest, NOW + SECOND), None, "whatever others try meanwhile");
        assert!(waits.one_more(&RULE, NOW + SECOND).is_ok());
        assert_eq!(Tries::right().as_newcomer(SECOND, NOW), None, "nor who was right before");
    }

    #[test]
    fn what_was_no_failure_leaves_nothing_behind() {
        let tries = Tries::default().one_more(&RULE, NOW).unwrap();
        assert_eq!(tries.one_less(), Tries::default());
        assert_eq!(Tries::right().wait(NOW), None);
    }
}
