//! Position tokens: what a write hands out and a read waits for. Opaque to clients.

use crate::{Lane, Lanes};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Positions in one or more lanes, each of a known incarnation of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Positions {
    /// Nearly always all there is: every answered command has one.
    only: Option<(Lane, Place)>,
    /// Where there are several: all of them.
    several: BTreeMap<Lane, Place>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub position: u64,
    /// The last four bytes of the lane's incarnation, which are random: a token from before a restore is told apart, also
    /// where two incarnations begin within the same minute.
    pub incarnation: u32,
}

impl Place {
    pub fn new(position: u64, incarnation: Uuid) -> Self {
        let [.., a, b, c, d] = incarnation.into_bytes();
        Self { position, incarnation: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Of this incarnation of the lane.
    pub fn is_of(&self, incarnation: Uuid) -> bool {
        *self == Self::new(self.position, incarnation)
    }
}

impl Positions {
    pub fn one(lane: Lane, position: u64, incarnation: Uuid) -> Self {
        Self::at(lane, Place::new(position, incarnation))
    }

    pub fn at(lane: Lane, place: Place) -> Self {
        Self { only: Some((lane, place)), several: BTreeMap::new() }
    }

    /// Keeps the later position where both name a lane.
    pub fn merge(&mut self, other: &Self) {
        for (lane, place) in other.iter() {
            self.add(lane, place);
        }
    }

    fn add(&mut self, lane: Lane, place: Place) {
        if self.is_empty() {
            self.only = Some((lane, place));
            return;
        }
        let mine = match &mut self.only {
            Some((only, mine)) if *only == lane => mine,
            only => {
                self.several.extend(only.take());
                self.several.entry(lane).or_insert(place)
            }
        };
        if mine.position < place.position {
            *mine = place;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Lane, Place)> {
        self.only.into_iter().chain(self.several.iter().map(|(&lane, &place)| (lane, place)))
    }

    pub fn is_empty(&self) -> bool {
        self.only.is_none() && self.several.is_empty()
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
            positions.add(lane, Place { position, incarnation });
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
    fn incarnations_of_the_same_moment_are_told_apart() {
        let moment = |random| uuid::Builder::from_unix_timestamp_millis(1_800_000_000_000, &[random; 10]).into_uuid();
        assert!(Place::new(7, moment(1)).is_of(moment(1)));
        assert!(!Place::new(7, moment(1)).is_of(moment(2)));
    }

    #[test]
    fn merging_keeps_the_later_of_each_lane_whatever_comes_first() {
        let token = "03:7:0000beef,0a:9:0000beef";
        for (one, other) in [("0a:5:beef,03:7:beef", "0a:9:beef"), ("0a:9:beef", "03:7:beef,0a:5:beef"), ("", token)] {
            let mut merged = parse(one).unwrap_or_default();
            merged.merge(&parse(other).unwrap());
            assert_eq!(merged, parse(token).unwrap());
            assert_eq!(merged.to_string(), token);
        }
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        for bad in ["", "0a", "0a:1", "0a:x:1", "0a:-1:1", "10:1:1", "0a:1:1:1", "0a:1:1,", "zz:1:1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
