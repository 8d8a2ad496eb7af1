//! Lanes: the fixed number of logs of an installation, and which of them a routing key belongs to.

use std::fmt;
use uuid::Uuid;

/// How many lanes an installation has unless it was told otherwise at its first start.
pub const DEFAULT_COUNT: u16 = 16;

/// The stable hash that names a key's lane; stored with the log, which refuses another one.
pub const HASH: &str = "blake3-le64-mod";

/// One lane; written as two hexadecimal digits everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// As PostgreSQL stores it.
    pub const fn number(self) -> i16 {
        self.0 as i16
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| u8::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All lanes of an installation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lanes {
    count: u16,
}

impl Lanes {
    /// `count` from 1 to 256.
    pub fn new(count: u16) -> Option<Self> {
        (1..=256).contains(&count).then_some(Self { count })
    }

    pub const fn count(self) -> usize {
        self.count as usize
    }

    /// The lane of a routing key, for ever.
    pub fn of(self, route: Uuid) -> Lane {
        let hash = blake3::hash(route.as_bytes());
        let mut low = [0; 8];
        low.copy_from_slice(&hash.as_bytes()[..8]);
        Lane((u64::from_le_bytes(low) % u64::from(self.count)) as u8)
    }

    pub fn iter(self) -> impl Iterator<Item = Lane> {
        (0..self.count).map(|number| Lane(number as u8))
    }

    pub fn contains(self, lane: Lane) -> bool {
        lane.index() < self.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_lane_for_ever() {
        // Written down once: a change of these numbers would orphan every stored event.
        let lanes = Lanes::new(16).unwrap();
        let of = |number: u128| lanes.of(Uuid::from_u128(number)).to_string();
        assert_eq!([of(0), of(1), of(2), of(u128::MAX)], ["05", "07", "02", "03"].map(String::from));
    }

    #[test]
    fn lanes_are_two_hexadecimal_digits() {
        assert_eq!(Lane::new(10).to_string(), "0a");
        assert_eq!(Lane::parse("ff"), Some(Lane::new(255)));
        assert_eq!(Lane::parse("1"), None);
        assert_eq!(Lane::parse("+1"), None);
    }
}
