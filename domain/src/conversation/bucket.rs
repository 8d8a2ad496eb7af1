//! By what a nickname in a group is found, which nobody can read where it lies.
//!
//! A nickname is sealed, and is to be forgotten with whose it is. Hashes of all its beginnings, as user names have them, could
//! be followed letter by letter by whoever has the installation's key, for ever. So but a few bits are kept, of its first three
//! characters: whoever looks for a name opens those of its bucket and compares.

use crate::{limit, value::folded};
use serde::{Deserialize, Serialize};

/// Where the nicknames with some beginnings are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(pub u16);

impl Bucket {
    /// So many that in a group of 100,000 few lie in one, so few that many beginnings share one.
    pub const COUNT: u16 = 1_024;

    /// By a keyed hash of [`Beginning::first`].
    pub fn of(hash: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(hash) % Self::COUNT)
    }
}

/// How a nickname begins, as it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beginning(String);

impl Beginning {
    /// `None`: nobody is looked for by less than three characters.
    pub fn of(text: &str) -> Option<Self> {
        let folded = folded(text);
        (folded.chars().count() >= limit::NAME_PREFIX_MIN).then_some(Self(folded))
    }

    pub fn is_of(&self, nickname: &str) -> bool {
        folded(nickname).starts_with(&self.0)
    }

    /// What all names have in common that share a bucket with good reason.
    pub fn first(&self) -> &str {
        let end = self.0.char_indices().nth(limit::NAME_PREFIX_MIN).map_or(self.0.len(), |(at, _)| at);
        &self.0[..end]
    }
}
