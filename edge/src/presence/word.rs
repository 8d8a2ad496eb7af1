//! What edges say to each other. Core NATS carries it and may lose any of it: words are numbered, and whoever misses one
//! asks for the whole list.

use super::signs::Signs;
use natter_domain::{AccountId, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// People of one word, so that it stays far below what the bus takes.
pub const WORD_PEOPLE: usize = 500;

/// What has become of somebody at one edge. No signs: nobody of them is there any more, and when the last one left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    #[serde(rename = "a")]
    pub account: AccountId,
    #[serde(rename = "s")]
    pub signs: Signs,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
}

/// To all edges. With changes it has the next number, without (a sign of life) the last one again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Which start of which process it is: what an edge said before it began anew is another edge's.
    pub edge: Uuid,
    pub number: u64,
    pub changed: Vec<Change>,
}

/// To all edges: who is meant answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub by: Uuid,
    /// Nobody in particular: whoever lives says so.
    pub of: Option<Uuid>,
    /// Comes back with the answer.
    pub question: u64,
}

/// To who asked: a page of all who are at an edge, as of its word of this number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    pub edge: Uuid,
    pub question: u64,
    pub number: u64,
    pub page: u32,
    pub is_last: bool,
    pub people: Vec<(AccountId, Signs)>,
}

impl Listed {
    /// The whole list in pages; one at least.
    pub fn pages(edge: Uuid, question: u64, number: u64, people: &[(AccountId, Signs)]) -> Vec<Self> {
        let count = people.len().div_ceil(WORD_PEOPLE).max(1);
        let page = |page: usize| Self {
            edge,
            question,
            number,
            page: page as u32,
            is_last: page + 1 == count,
            people: people.iter().skip(page * WORD_PEOPLE).take(WORD_PEOPLE).copied().collect(),
        };
        (0..count).map(page).collect()
    }
}

pub fn written(word: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(word).expect("a word of plain fields is JSON")
}

/// `None`: of another version, which it says to others.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::signs::Class;

    #[test]
    fn a_list_comes_in_pages_that_are_bounded() {
        let people: Vec<_> =
            (0..1_200).map(|number| (AccountId(Uuid::from_u128(number)), Signs::of(Class::Web, false))).collect();
        let pages = Listed::pages(Uuid::from_u128(1), 2, 3, &people);
        assert_eq!(
            pages.iter().map(|page| (page.page, page.is_last)).collect::<Vec<_>>(),
            [(0, false), (1, false), (2, true)]
        );
        assert_eq!(pages.iter().flat_map(|page| page.people.clone()).collect::<Vec<_>>(), people);
        assert!(pages.iter().all(|page| written(page).len() < 32 * 1024));
        let empty = Listed::pages(Uuid::from_u128(1), 2, 3, &[]);
        assert_eq!((empty.len(), empty[0].is_last), (1, true));
        assert_eq!(read::<Listed>(&written(&pages[0])), Some(pages[0].clone()));
        assert_eq!(read::<Listed>(b"{}"), None);
    }
}
