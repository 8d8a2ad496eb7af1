//! Position tokens: what a write hands out and a read waits for. Opaque to clients.

use crate::{Lane, Lanes};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Positions in one or more lanes, each of a known incarnation of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Positions(BTreeMap<Lane, Place>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub position: u64,
    /// The first four bytes of the lane's incarnation: a token from before a restore is told apart.
    pub incarnation: u32,
}

impl Place {
    pub fn new(position: u64, incarnation: Uuid) -> Self {
        Self { position, incarnation: incarnation.as_fields().0 }
    }

    /// Of this incarnation of the lane.
    pub fn is_of(&self, incarnation: Uuid) -> bool {
        *self == Self::new(self.position, incarnation)
    }
}

impl Positions {
    pub fn one(lane: Lane, position: u64, incarnation: Uuid) -> Self {
        Self(BTreeMap::from([(lane, Place::new(position, incarnation))]))
    }

    /// Keeps the later position where both name a lane.
    pub fn merge(&mut self, other: &Self) {
        for (&lane, &place) in &other.0 {
            let mine = self.0.entry(lane).or_insert(place);
            if mine.position < place.position {
                *mine = place;
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Lane, Place)> {
        self.0.iter().map(|(&lane, &place)| (lane, place))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` where the text is not a token of an installation with these lanes.
    pub fn parse(text: &str, lanes: Lanes) -> Option<Self> {
        let mut positions = Self::default();
        for part in text.split(',') {
            let mut fields = part.trim().split(':');
            let lane = Lane::parse(fields.next()?).filter(|&lane| lanes.contains(lane))?;
            let position = fields.next()?.parse().ok()?;
            let incarnation = u32::from_str_radix(fields.next()?, 16).ok()?;
            if fields.next().is_some() {
                return None;
            }
            positions.merge(&Self(BTreeMap::from([(lane, Place { position, incarnation })])));
        }
        Some(positions)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (lane, place)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{lane}:{}:{:08x}", place.position, place.incarnation)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Positions> {
        Positions::parse(text, Lanes::new(16).unwrap())
    }

    #[test]
    fn a_token_comes_back_as_it_went() {
        let text = "03:7:0000beef,0a:1234:0000beef";
        assert_eq!(parse(text).unwrap().to_string(), text);
        assert_eq!(parse("0a:5:1, 0a:9:1").unwrap().to_string(), "0a:9:00000001");
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        for bad in ["", "0a", "0a:1", "0a:x:1", "0a:-1:1", "10:1:1", "0a:1:1:1", "0a:1:1,", "zz:1:1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
