//! Where a client stands: how far every lane had been read when it last heard everything, and, within an answer of
//! several pages, where the next one begins. Opaque to clients, and proven by a keyed hash: what they send back is ours.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{AccountId, Timestamp};
use natter_streams::keyring::Keyring;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PROOF: usize = 16;
const PURPOSE: &[u8] = b"natter sync cursor 1";

/// The longest text that is read: 256 lanes, twice, with room to spare.
const MAX_BYTES: usize = 16 * 1024;

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    /// Stands for the incarnations of all lanes: after a declared loss positions mean other events.
    pub(crate) log: u64,
    /// Everything up to here has been told.
    pub(crate) told: Told,
    /// Further pages of the same answer.
    pub(crate) resume: Option<Resume>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// How far each lane had been read, by its number.
    pub(crate) lanes: Vec<u64>,
    /// What runs out without an event had run out by then; milliseconds.
    pub(crate) at: i64,
}

impl Told {
    pub(crate) fn nothing(lanes: usize) -> Self {
        Self { lanes: vec![0; lanes], at: 0 }
    }

    /// By whom nothing was asked for yet.
    pub(crate) fn is_nothing(&self) -> bool {
        self.at == 0
    }

    pub(crate) fn lane(&self, number: i16) -> u64 {
        self.lanes.get(number as usize).copied().unwrap_or(0)
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Resume {
    /// What will have been told with the last page.
    pub(crate) until: Told,
    pub(crate) section: u8,
    /// The last thing of the section that was told.
    pub(crate) after: After,
}

/// A place in a section: things are told in the order of their ids, those of one id by their number.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct After {
    pub(crate) id: Uuid,
    pub(crate) number: u64,
}

impl Cursor {
    pub(crate) fn text(&self, owner: AccountId, keyring: &Keyring) -> Result<String, serde_json::Error> {
        let json = serde_json::to_vec(self)?;
        let proof = proof(owner, keyring, &json);
        Ok(URL_SAFE_NO_PAD.encode([proof.as_slice(), &json].concat()))
    }

    /// `None`: broken, or somebody else's.
    pub(crate) fn parse(text: &str, owner: AccountId, keyring: &Keyring) -> Option<Self> {
        let bytes = if text.len() <= MAX_BYTES { URL_SAFE_NO_PAD.decode(text).ok()? } else { return None };
        let (given, json) = bytes.split_first_chunk::<PROOF>()?;
        (*given == proof(owner, keyring, json)).then(|| serde_json::from_slice(json).ok()).flatten()
    }
}

fn proof(owner: AccountId, keyring: &Keyring, json: &[u8]) -> [u8; PROOF] {
    keyring.fingerprint(&[PURPOSE, owner.0.as_bytes(), json].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(lanes: usize) -> Cursor {
        let until = Told { lanes: vec![u64::MAX >> 1; lanes], at: 7 };
        let after = After { id: Uuid::from_u128(5), number: 9 };
        Cursor { log: 3, told: Told::nothing(lanes), resume: Some(Resume { until, section: 2, after }) }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_to_its_owner_only() {
        let (keyring, other_keys) = (Keyring::new(&[7; 32]), Keyring::new(&[8; 32]));
        let (mine, theirs) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let text = cursor(256).text(mine, &keyring).unwrap();
        assert!(text.len() < MAX_BYTES);
        assert_eq!(Cursor::parse(&text, mine, &keyring), Some(cursor(256)));
        assert_eq!(Cursor::parse(&text, theirs, &keyring), None);
        assert_eq!(Cursor::parse(&text, mine, &other_keys), None);
    }

    #[test]
    fn what_was_changed_on_its_way_is_no_cursor() {
        let (keyring, mine) = (Keyring::new(&[7; 32]), AccountId(Uuid::from_u128(1)));
        let text = cursor(1).text(mine, &keyring).unwrap();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character's low bits may carry nothing: then it is refused as no base64.
            assert_eq!(Cursor::parse(&changed, mine, &keyring), None, "{place}");
        }
        for bad in ["", "A", "AAAA", &"A".repeat(100), &"A".repeat(MAX_BYTES + 1), "\u{1f600}", &text[..text.len() - 4]]
        {
            assert_eq!(Cursor::parse(bad, mine, &keyring), None, "{bad}");
        }
    }
}
