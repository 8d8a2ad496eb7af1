//! How many codes of an account's second factor were tried lately. Without IO.

use crate::{
    error::Error,
    passing::{Next, until},
};
use natter_domain::{Timestamp, limit};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Guesses(Vec<Timestamp>);

impl Guesses {
    /// Refuses with the time to wait.
    pub fn one_more(kept: Option<Self>, now: Timestamp) -> Result<Next<Self, ()>, Error> {
        let Self(mut lately) = kept.unwrap_or_default();
        lately.retain(|&at| now < at + limit::GUESSES_WITHIN);
        if lately.len() >= limit::GUESSES_MAX {
            return Err(Error::TooOften { wait: until(now, lately[0] + limit::GUESSES_WITHIN) });
        }
        lately.push(now);
        Ok(Next { kept: Some(Self(lately)), lifetime: limit::GUESSES_WITHIN, told: () })
    }

    /// Whoever was right has not guessed.
    pub fn none(_: Option<Self>, _: Timestamp) -> Result<Next<Self, ()>, Error> {
        Ok(Next { kept: None, lifetime: limit::GUESSES_WITHIN, told: () })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn so_many_in_an_hour_and_then_one_for_each_that_is_an_hour_old() {
        let mut kept = None;
        for number in 0..limit::GUESSES_MAX as u32 {
            let at = NOW + Duration::from_secs(1) * number;
            kept = Guesses::one_more(kept, at).unwrap().kept;
        }
        let late = NOW + Duration::from_secs(60);
        let refused = Guesses::one_more(kept.clone(), late).err();
        assert!(
            matches!(refused, Some(Error::TooOften { wait }) if wait == Duration::from_secs(59 * 60)),
            "{refused:?}"
        );
        let next = Guesses::one_more(kept, NOW + limit::GUESSES_WITHIN).unwrap().kept;
        let just_then = NOW + limit::GUESSES_WITHIN + Duration::from_millis(1);
        assert!(Guesses::one_more(next, just_then).is_err(), "one was an hour old, the next one is not yet");
    }

    #[test]
    fn who_was_right_begins_anew() {
        let full = Guesses(vec![NOW; limit::GUESSES_MAX]);
        let kept = Guesses::none(Some(full), NOW).unwrap().kept;
        assert!(Guesses::one_more(kept, NOW).is_ok());
    }
}
