//! What is kept of codes: of the newest one to a target, and of how often that target was sent any. Without IO and
//! without a clock.

use natter_domain::{Timestamp, limit};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A code that was sent. A newer one stands in its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Keyed hash; `None`: used.
    hash: Option<String>,
    tries_left: u8,
    expires_at: Timestamp,
}

/// What a try comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Try {
    Right,
    Wrong,
}

impl Sent {
    pub fn new(hash: blake3::Hash, now: Timestamp) -> Self {
        let expires_at = now + limit::CODE_LIFETIME;
        Self { hash: Some(hash.to_hex().to_string()), tries_left: limit::CODE_TRIES, expires_at }
    }

    /// What to keep instead, and what the try comes to once that is kept. `None`: nothing can come of any try.
    pub fn tried(&self, given: blake3::Hash, now: Timestamp) -> Option<(Self, Try)> {
        let hash = blake3::Hash::from_hex(self.hash.as_ref()?).ok()?;
        if now >= self.expires_at || self.tries_left == 0 {
            return None;
        }
        // `Hash` compares in constant time.
        Some(if hash == given {
            (Self { hash: None, ..self.clone() }, Try::Right)
        } else {
            (Self { tries_left: self.tries_left - 1, ..self.clone() }, Try::Wrong)
        })
    }

    pub fn remains(&self, now: Timestamp) -> Duration {
        until(now, self.expires_at)
    }
}

/// When a target was sent codes lately, whatever for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace(Vec<Timestamp>);

impl Pace {
    /// With one more; or how long to wait for it.
    pub fn one_more(&self, now: Timestamp) -> Result<Self, Duration> {
        let mut lately: Vec<_> = self.0.iter().copied().filter(|&at| now < at + limit::CODES_WITHIN).collect();
        let paused = lately.last().map(|&last| last + limit::CODE_PAUSE);
        let full =
            (lately.len() >= limit::CODES_MAX).then(|| lately[lately.len() - limit::CODES_MAX] + limit::CODES_WITHIN);
        match paused.max(full) {
            Some(at) if now < at => Err(until(now, at)),
            _ => {
                lately.push(now);
                Ok(Self(lately))
            }
        }
    }
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(then.as_millis() - now.as_millis()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn hash(text: &str) -> blake3::Hash {
        blake3::hash(text.as_bytes())
    }

    fn sent() -> Sent {
        Sent::new(hash("123456"), NOW)
    }

    #[test]
    fn a_code_is_right_once() {
        let (used, right) = sent().tried(hash("123456"), NOW).unwrap();
        assert_eq!(right, Try::Right);
        assert_eq!(used.tried(hash("123456"), NOW), None);
    }

    #[test]
    fn after_five_wrong_tries_the_right_one_is_no_good() {
        let mut code = sent();
        for _ in 0..limit::CODE_TRIES {
            let (next, wrong) = code.tried(hash("000000"), NOW).unwrap();
            assert_eq!(wrong, Try::Wrong);
            code = next;
        }
        assert_eq!(code.tried(hash("123456"), NOW), None);
    }

    #[test]
    fn a_code_has_its_time() {
        let just_before = NOW + (limit::CODE_LIFETIME - Duration::from_millis(1));
        assert!(sent().tried(hash("123456"), just_before).is_some());
        assert_eq!(sent().tried(hash("123456"), NOW + limit::CODE_LIFETIME), None);
    }

    #[test]
    fn one_a_minute_and_ten_a_day() {
        let mut pace = Pace::default();
        let mut now = NOW;
        for _ in 1..limit::CODES_MAX {
            pace = pace.one_more(now).unwrap();
            assert_eq!(pace.one_more(now), Err(MINUTE));
            now = now + MINUTE;
        }
        pace = pace.one_more(now).unwrap();
        now = now + MINUTE;
        assert_eq!(pace.one_more(now), Err(until(now, NOW + limit::CODES_WITHIN)));
        assert!(pace.one_more(NOW + limit::CODES_WITHIN).is_ok());
    }
}
