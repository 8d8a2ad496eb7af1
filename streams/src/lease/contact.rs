//! How a node stands with NATS, as far as sharing is concerned: work on a lane is of little use where nobody else can be
//! reached. Who was connected for a whole term is steady, who was not for as long is cut off; in between it is shaken,
//! and nothing changes hands for that. So when NATS comes back, those who were the first to connect again take nothing
//! from those who are a moment behind.

use super::machine::Moment;
use std::time::Duration;

/// In the order of their worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Contact {
    CutOff,
    Shaken,
    Steady,
}

impl Contact {
    /// In rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CutOff => "cut off",
            Self::Shaken => "shaken",
            Self::Steady => "steady",
        }
    }

    /// What somebody wrote whom we do not understand shall move nothing.
    pub fn parse(text: &str) -> Self {
        match text {
            "cut off" => Self::CutOff,
            "steady" => Self::Steady,
            _ => Self::Shaken,
        }
    }
}

/// Makes a contact of what is seen of a connection now and then.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    term: Duration,
    connected: bool,
    /// Since when it is as it is.
    since: Moment,
}

impl Line {
    pub fn new(term: Duration, now: Moment) -> Self {
        Self { term, connected: true, since: now }
    }

    pub fn seen(&mut self, now: Moment, connected: bool) -> Contact {
        if self.connected != connected {
            (self.connected, self.since) = (connected, now);
        }
        match now.saturating_sub(self.since) < self.term {
            true => Contact::Shaken,
            false if connected => Contact::Steady,
            false => Contact::CutOff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_a_term_counts() {
        let second = Duration::from_secs;
        let mut line = Line::new(second(5), second(100));
        let mut seen = |at, connected| line.seen(second(at), connected);
        assert_eq!(seen(104, true), Contact::Shaken);
        assert_eq!(seen(105, true), Contact::Steady);
        assert_eq!(seen(106, false), Contact::Shaken);
        assert_eq!(seen(110, false), Contact::Shaken);
        assert_eq!(seen(111, false), Contact::CutOff);
        assert_eq!(seen(200, true), Contact::Shaken, "at once, but not steady at once");
        assert_eq!(seen(203, false), Contact::Shaken);
        assert_eq!(seen(207, true), Contact::Shaken);
        assert_eq!(seen(212, true), Contact::Steady);
    }

    #[test]
    fn what_is_written_is_read() {
        for contact in [Contact::CutOff, Contact::Shaken, Contact::Steady] {
            assert_eq!(Contact::parse(contact.as_str()), contact);
        }
        assert_eq!(Contact::parse("of tomorrow"), Contact::Shaken);
    }
}
