//! Frames of a batch on their way out. Those for one person share messages, in their order: under load a batch holds
//! several for each, and a message costs the server, the client and every edge that listens more than a frame does.
//!
//! A letter is frames with a line break between them. JSON text as we write it has none. Those of a crowd have letters of
//! their own, each with a first line that says whom they are for. A group that becomes one in the middle of a batch is one
//! for the whole batch: what it was told by name is in batches before.

use super::{
    crowd::{Audience, Letter as CrowdLetter},
    frame::Origin,
};
use bytes::{BufMut, Bytes, BytesMut};
use natter_domain::{AccountId, ConversationId};
use natter_streams::Lane;
use std::collections::HashMap;

/// Between two frames of a letter.
pub(super) const BREAK: u8 = b'\n';

/// A letter is not made longer than this, unless one frame is: far below what the server takes, and what an edge keeps
/// in memory for the last frame of a letter.
const LETTER_BYTES: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Letters {
    people: HashMap<AccountId, Letter>,
    crowds: HashMap<ConversationId, (Lane, CrowdLetter)>,
}

#[derive(Default)]
struct Letter {
    frames: Vec<Bytes>,
    bytes: usize,
}

impl Letters {
    /// Puts the frame behind those that wait for the person. Where it does not fit in, the letter so far is to be sent.
    pub(super) fn add(&mut self, to: AccountId, frame: Bytes) -> Option<Bytes> {
        let letter = self.people.entry(to).or_default();
        let full = letter.bytes + frame.len() > LETTER_BYTES;
        let sent = if full { std::mem::take(letter).close() } else { None };
        letter.bytes += frame.len() + 1;
        letter.frames.push(frame);
        sent
    }

    /// What waits for one person.
    pub(super) fn take(&mut self, to: AccountId) -> Option<Bytes> {
        self.people.remove(&to).and_then(Letter::close)
    }

    /// What waits for everybody else, by name.
    pub(super) fn people(&mut self) -> impl Iterator<Item = (AccountId, Bytes)> + use<> {
        std::mem::take(&mut self.people).into_iter().filter_map(|(to, letter)| Some((to, letter.close()?)))
    }

    /// Puts the frame behind those that wait for the crowd. Where it does not fit in, the letter so far is to be sent.
    pub(super) fn add_to_crowd(
        &mut self,
        origin: &mut Origin,
        audience: Audience,
        frame: Bytes,
    ) -> Option<(Lane, CrowdLetter)> {
        let Origin { conversation, lane, incarnation, part } = origin;
        let new = || (*lane, CrowdLetter::new(*conversation, *incarnation));
        let waiting = self.crowds.entry(*conversation).or_insert_with(new);
        let full = waiting.1.bytes() > 0 && waiting.1.bytes() + frame.len() > LETTER_BYTES;
        let sent = full.then(|| std::mem::replace(waiting, new()));
        waiting.1.add(part, audience, frame);
        sent
    }

    /// What waits for crowds.
    pub(super) fn crowds(&mut self) -> impl Iterator<Item = (Lane, CrowdLetter)> + use<> {
        std::mem::take(&mut self.crowds).into_values()
    }
}

impl Letter {
    /// One frame alone, which is usual while there is little to do, is not copied.
    fn close(self) -> Option<Bytes> {
        if self.frames.len() <= 1 {
            return self.frames.into_iter().next();
        }
        let mut text = BytesMut::with_capacity(self.bytes);
        for (number, frame) in self.frames.iter().enumerate() {
            if number > 0 {
                text.put_u8(BREAK);
            }
            text.put_slice(frame);
        }
        Some(text.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    #[test]
    fn frames_for_one_person_share_a_letter_in_their_order() {
        let mut letters = Letters::default();
        for (to, frame) in [(1, "a"), (2, "b"), (1, "c"), (1, "d")] {
            assert_eq!(letters.add(account(to), Bytes::from_static(frame.as_bytes())), None);
        }
        assert_eq!(letters.take(account(2)).as_deref(), Some(&b"b"[..]));
        assert_eq!(letters.take(account(2)), None);
        let rest: Vec<_> = letters.people().collect();
        assert_eq!(rest, [(account(1), Bytes::from_static(b"a\nc\nd"))]);
    }

    #[test]
    fn letters_are_bounded_and_lose_nothing() {
        let mut letters = Letters::default();
        let frame = |number: usize| Bytes::from(format!("{number}{}", "x".repeat(LETTER_BYTES / 3)));
        let mut sent: Vec<Bytes> = (0..10).filter_map(|number| letters.add(account(1), frame(number))).collect();
        sent.extend(letters.add(account(1), "y".repeat(2 * LETTER_BYTES).into()));
        sent.extend(letters.people().map(|(_, letter)| letter));
        assert!(sent[..sent.len() - 1].iter().all(|letter| letter.len() <= LETTER_BYTES));
        let frames: Vec<&[u8]> = sent.iter().flat_map(|letter| letter.split(|byte| *byte == BREAK)).collect();
        assert_eq!(frames.len(), 11);
        assert!((0..10).all(|number| frames[number] == frame(number)));
    }
}
