//! `--until`: a moment, or how long from now on.

use anyhow::{Result, bail};
use natter_domain::Timestamp;
use natter_streams::clock;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    Moment(Timestamp),
    For(Duration),
}

impl Until {
    pub fn parse(text: &str) -> Result<Self> {
        match Timestamp::parse(text) {
            Some(moment) => Ok(Self::Moment(moment)),
            None => Self::lasting(text),
        }
    }

    fn lasting(text: &str) -> Result<Self> {
        let seconds = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => bail!("a moment like 2030-12-31T00:00:00Z, or how long: 90s, 30m, 12h, 7d"),
        };
        match text[..text.len() - 1].parse::<u32>() {
            Ok(count @ 1..=1_000_000) => Ok(Self::For(Duration::from_secs(u64::from(count) * seconds))),
            _ => bail!("a whole number of seconds (s), minutes (m), hours (h) or days (d), 1 to 1000000"),
        }
    }

    /// Counted from now.
    pub fn moment(self) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            Self::For(long) => clock::now() + long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_when_is_a_moment_or_how_long() {
        let seconds = |text: &str| match Until::parse(text) {
            Ok(Until::For(long)) => long.as_secs(),
            other => panic!("{text}: {other:?}"),
        };
        let read = [seconds("90s"), seconds("30m"), seconds("12h"), seconds("7d")];
        assert_eq!(read, [90, 1_800, 43_200, 604_800]);
        let moment = Timestamp::parse("2999-12-31T00:00:00Z").unwrap();
        assert_eq!(Until::parse("2999-12-31T00:00:00Z").unwrap(), Until::Moment(moment));
        assert!(Until::parse("2h").unwrap().moment() > clock::now());
        for bad in ["", "7", "d", "-1d", "0d", "0s", "2 h", "1w", "1.5h", "2999-12-31", "7\u{e9}"] {
            assert!(Until::parse(bad).is_err(), "{bad}");
        }
    }
}
