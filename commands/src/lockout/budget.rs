//! What a place has left of wrong tries. Whatever is tried there takes one before it is made; what was right gives it back,
//! and so changes nothing for anybody else there. One comes back each minute, so that typos of weeks never add up. Without
//! IO and without a clock.

use natter_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many come at once.
const AT_ONCE: u32 = 50;

/// After this there is one more.
const EACH: Duration = Duration::from_secs(60);

/// From empty to full. What was not touched for so long can be forgotten.
pub(super) const FULL_AFTER: Duration = EACH.saturating_mul(AT_ONCE);

/// Only the moment is kept at which all of them are there again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Budget {
    full_at: Timestamp,
}

impl Budget {
    /// With one less; or how long until there is one.
    pub fn take(self, now: Timestamp) -> Result<Self, Duration> {
        let latest = now + FULL_AFTER;
        // What lies far beyond was written by a clock that is ahead of ours: it says nothing, and one is there.
        let is_ahead = self.full_at > latest + EACH;
        let full_at = if is_ahead { latest } else { self.full_at.clamp(now, latest) + EACH };
        let wait = u64::try_from(full_at.as_millis() - latest.as_millis()).unwrap_or_default();
        if wait > 0 { Err(Duration::from_millis(wait)) } else { Ok(Self { full_at }) }
    }

    /// The one that was taken, and no other.
    pub fn give_back(self) -> Self {
        let each = EACH.as_millis() as i64;
        Self { full_at: Timestamp::from_millis(self.full_at.as_millis().saturating_sub(each)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn taken(mut budget: Budget, times: u32, now: Timestamp) -> Budget {
        for _ in 0..times {
            budget = budget.take(now).unwrap();
        }
        budget
    }

    #[test]
    fn so_many_come_at_once_and_then_one_each_minute() {
        let empty = taken(Budget::default(), AT_ONCE, NOW);
        assert_eq!(empty.take(NOW), Err(EACH));
        assert_eq!(empty.take(NOW + Duration::from_millis(59_999)), Err(Duration::from_millis(1)));
        let empty = taken(empty, 1, NOW + EACH);
        assert_eq!(empty.take(NOW + EACH), Err(EACH));
        let full = taken(empty, AT_ONCE, NOW + EACH + FULL_AFTER);
        assert!(full.take(NOW + EACH + FULL_AFTER).is_err());
    }

    #[test]
    fn typos_of_weeks_never_add_up() {
        let (mut budget, mut now) = (Budget::default(), NOW);
        for _ in 0..10_000 {
            budget = taken(budget, 12, now);
            now = now + Duration::from_secs(14 * 60);
        }
        taken(budget, AT_ONCE, now);
    }

    #[test]
    fn what_was_right_changes_nothing_for_others() {
        let low = taken(Budget::default(), AT_ONCE - 1, NOW);
        let comparing = taken(low, 1, NOW);
        assert!(comparing.take(NOW).is_err(), "it may be wrong, for all that is known");
        assert_eq!(comparing.give_back(), low);
        // Somebody's wrong one and somebody's right one at once: what the wrong one has cost stays.
        let both = taken(taken(Budget::default(), AT_ONCE - 2, NOW), 2, NOW);
        let wrong = taken(both.give_back(), 1, NOW);
        assert_eq!(wrong.take(NOW), Err(EACH));
    }

    #[test]
    fn nothing_is_gained_by_giving_back() {
        let mut budget = taken(Budget::default(), 1, NOW);
        for _ in 0..1_000 {
            budget = budget.give_back();
        }
        assert!(taken(budget, AT_ONCE, NOW).take(NOW).is_err());
    }

    #[test]
    fn a_clock_that_was_ahead_bars_nobody_for_longer_than_a_minute() {
        let ahead = taken(Budget::default(), AT_ONCE, NOW + Duration::from_secs(1_000_000));
        let mended = taken(ahead, 1, NOW);
        assert_eq!(mended.take(NOW), Err(EACH));
        taken(mended, 1, NOW + EACH);
    }
}
