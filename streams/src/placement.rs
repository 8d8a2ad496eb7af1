//! Which PostgreSQL server holds which lane, as the configuration says it. Whether it is true, the log finds out.

use crate::{Error, Lane};

/// Which server holds which lane. The first one holds every lane that is not given to another.
#[derive(Clone, PartialEq, Eq)]
pub struct Placement {
    urls: Vec<String>,
    /// Lanes that were given a server, which is an index into `urls`.
    given: Vec<(Lane, usize)>,
}

impl Placement {
    /// Every lane on one server.
    pub fn one(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], given: Vec::new() }
    }

    /// Reads `08-0f=postgres://b/natter,10=postgres://c/natter`: a lane, or the first and the last of several, as two
    /// hexadecimal digits each, and the server that holds them. Lanes that are not named are on `first`, which may be
    /// named too. A comma within a url is written `%2C`.
    pub fn parse(first: &str, text: &str) -> Result<Self, Error> {
        let mut placement = Self::one(first);
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (lanes, url) = entry.split_once('=').ok_or_else(|| unreadable(entry))?;
            let (from, to) = range(lanes).ok_or_else(|| unreadable(lanes))?;
            placement.give(from, to, url.trim())?;
        }
        Ok(placement)
    }

    fn give(&mut self, from: u8, to: u8, url: &str) -> Result<(), Error> {
        if url.is_empty() {
            return Err(Error::Unfit(format!("no server is named for lane {}", Lane::new(from))));
        }
        let known = self.urls.iter().position(|one| one == url);
        let store = known.unwrap_or(self.urls.len());
        if known.is_none() {
            self.urls.push(url.to_owned());
        }
        for lane in (from..=to).map(Lane::new) {
            if self.given.iter().any(|(given, _)| *given == lane) {
                return Err(Error::Unfit(format!("lane {lane} is placed twice")));
            }
            self.given.push((lane, store));
        }
        Ok(())
    }

    /// Every server once, the first one first.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The lane's server: an index into [`Self::urls`].
    pub fn store(&self, lane: Lane) -> usize {
        self.given.iter().find(|(given, _)| *given == lane).map_or(0, |(_, store)| *store)
    }

    /// The highest lane that was given a server.
    pub(crate) fn last(&self) -> Option<Lane> {
        self.given.iter().map(|(lane, _)| *lane).max()
    }
}

fn range(text: &str) -> Option<(u8, u8)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (Lane::parse(from.trim())?.index() as u8, Lane::parse(to.trim())?.index() as u8);
    (from <= to).then_some((from, to))
}

/// Names only what stands before the url, which may hold a password.
fn unreadable(entry: &str) -> Error {
    let lanes: String = entry.split(['=', '/', '@', ':']).next().unwrap_or_default().chars().take(20).collect();
    Error::Unfit(format!(
        "lanes {lanes:?} cannot be read: 08-0f=postgres://... is meant, lanes as two hexadecimal digits"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Placement, String> {
        Placement::parse("a", text).map_err(|error| error.to_string())
    }

    fn stores(text: &str, lanes: [u8; 4]) -> [String; 4] {
        let placement = parse(text).unwrap();
        lanes.map(|lane| placement.urls()[placement.store(Lane::new(lane))].clone())
    }

    #[test]
    fn lanes_that_are_not_named_are_on_the_first_server() {
        assert_eq!(stores("", [0, 7, 8, 255]), ["a", "a", "a", "a"]);
        assert_eq!(stores("08-0f=b", [7, 8, 15, 16]), ["a", "b", "b", "a"]);
        assert_eq!(stores("00-07=b, 08-0a=c,0b=b", [7, 8, 11, 12]), ["b", "c", "b", "a"]);
    }

    #[test]
    fn a_server_that_is_named_twice_is_one() {
        assert_eq!(parse("00-07=a,08-0f=b,10=b").unwrap().urls(), ["a", "b"]);
    }

    #[test]
    fn the_whole_of_256_lanes_can_be_placed() {
        assert_eq!(stores("00-ff=b", [0, 1, 254, 255]), ["b", "b", "b", "b"]);
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for text in ["8-f=b", "0F=b", "08-07=b", "08", "=b", "08-0f=", "08-09-0a=b", "00=b,00=c", "00-08=b,08=b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_shows_no_password() {
        let why = parse("postgres://natter:geheim@b/natter").err().unwrap();
        assert!(!why.contains("geheim"), "{why}");
        let why = parse("zz=postgres://natter:geheim@b/natter").err().unwrap();
        assert!(why.contains("zz") && !why.contains("geheim"), "{why}");
    }
}
