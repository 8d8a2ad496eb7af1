//! Crowds: groups of so many that a frame is published once, for all edges, and each edge hands it to those who are
//! connected to it. What delivery and edges say to each other about that, and who is meant by it.
//!
//! What a crowd's frames need of its members is how many they are; who they are is known to relations. An edge asks
//! there for those who are connected to it, and follows the changes, which ride with the frames. Each part names the change
//! before it ([`Part::since`]), so an edge that has missed one knows, and asks again before it hands anything on.
//!
//! A group that was a crowd once remains one, however few are left: all its frames go one way then, so none overtakes
//! another. What that costs is a message to each edge for each of its frames. The bound may differ between starts: then a
//! group changes its way while its lane changes hands, where frames may come again anyway.

use super::letters::BREAK;
use crate::{Error, gate::Interval};
use bytes::{BufMut, Bytes, BytesMut};
use natter_domain::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};

/// So many members make a crowd, unless a setting says otherwise.
pub const MIN: u64 = 256;

/// What is told to all edges at once: the first line of a message, before the frames, which have a line each.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub conversation_id: ConversationId,
    /// Of the lane, as position tokens have it.
    pub incarnation: u32,
    /// In the order of the log. Together they have as many audiences as there are frames.
    pub parts: Vec<Part>,
}

/// The frames of one event.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The event's, in the conversation's lane.
    pub position: u64,
    /// Where the members last changed before this, or later: whoever knows all changes up to there knows enough.
    pub since: u64,
    /// What the event does to the members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Whom each frame is for.
    #[serde(rename = "for")]
    pub audiences: Vec<Audience>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Joined {
        joined_seq: u64,
        account_ids: Vec<AccountId>,
        /// Where what each of them sees begins, in their order, if not there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        begins: Vec<u64>,
    },
    Left {
        account_id: AccountId,
        joined_seq: u64,
        left_seq: u64,
    },
    /// Somebody is told of a channel from now on.
    Subscribed {
        account_id: AccountId,
    },
    /// They are not any more, or are banned from it.
    Unsubscribed {
        account_id: AccountId,
        last_seq: u64,
    },
}

/// Who is meant, said by the numbers of stays: the same rule for everybody, wherever it is applied.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Who may see the message of that seq.
    Seeing {
        seq: u64,
    },
    /// Of those the ones who had come by then: it is told as it happens.
    Hearing {
        seq: u64,
    },
    /// Of [`Self::Hearing`] the ones who see the message that is answered too, and the others.
    Quoting {
        seq: u64,
        answered: u64,
    },
    Unquoting {
        seq: u64,
        answered: u64,
    },
    /// Of those the ones whose stay had not ended before that position: the others see the message as it was.
    SeeingChange {
        seq: u64,
        position: u64,
    },
    /// Who was in once the message of that seq was there.
    InAfter {
        seq: u64,
    },
    /// Who came in with the message of that seq.
    JoinedWith {
        seq: u64,
    },
    /// Who was in when others came in with it.
    InBefore {
        seq: u64,
    },
    /// This one, whatever their stay.
    Only {
        account_id: AccountId,
    },
}

impl Audience {
    /// Whether somebody is meant by this stay of theirs.
    pub fn means(self, account: AccountId, stay: &Interval) -> bool {
        match self {
            Self::Seeing { seq } => stay.sees(seq),
            Self::Hearing { seq } => stay.sees(seq) && stay.entered_seq < seq,
            Self::Quoting { seq, answered } => Self::Hearing { seq }.means(account, stay) && stay.sees(answered),
            Self::Unquoting { seq, answered } => Self::Hearing { seq }.means(account, stay) && !stay.sees(answered),
            Self::SeeingChange { seq, position } => {
                stay.sees(seq) && stay.left_position.is_none_or(|left| position <= left)
            }
            Self::InAfter { seq } => stay.sees(seq) && stay.entered_seq < seq && stay.left_seq != Some(seq),
            Self::JoinedWith { seq } => stay.entered_seq.checked_add(1) == Some(seq),
            Self::InBefore { seq } => stay.sees(seq) && stay.entered_seq.saturating_add(1) < seq,
            Self::Only { account_id } => account_id == account,
        }
    }
}

/// Frames of one crowd on their way out, in the order of the log.
pub(super) struct Letter {
    told: Told,
    frames: Vec<Bytes>,
    bytes: usize,
}

impl Letter {
    pub(super) fn new(conversation_id: ConversationId, incarnation: u32) -> Self {
        let told = Told { conversation_id, incarnation, parts: Vec::new() };
        Self { told, frames: Vec::new(), bytes: 0 }
    }

    /// Of all frames.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a frame behind the others. `part` is of its event, and is told once.
    pub(super) fn add(&mut self, part: &mut Part, audience: Audience, frame: Bytes) {
        self.bytes += frame.len() + 1;
        self.frames.push(frame);
        match self.told.parts.last_mut().filter(|last| last.position == part.position) {
            Some(last) => last.audiences.push(audience),
            None => {
                let first = Part { audiences: vec![audience], ..part.clone() };
                // Should the rest need another letter: what changed has been told by then.
                if part.change.take().is_some() {
                    part.since = part.position;
                }
                self.told.parts.push(first);
            }
        }
    }

    pub(super) fn close(self) -> Result<Bytes, Error> {
        let told = serde_json::to_vec(&self.told).map_err(Error::Frame)?;
        let mut text = BytesMut::with_capacity(told.len() + self.bytes);
        text.put_slice(&told);
        for frame in &self.frames {
            text.put_u8(BREAK);
            text.put_slice(frame);
        }
        Ok(text.freeze())
    }
}

/// What an edge was told, and the frames, which share the message's memory.
pub fn read(message: &Bytes) -> Result<(Told, Vec<Bytes>), Error> {
    let mut lines = message.split(|byte| *byte == BREAK);
    let told: Told = serde_json::from_slice(lines.next().unwrap_or_default()).map_err(Error::Frame)?;
    Ok((told, lines.map(|frame| message.slice_ref(frame)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ANYBODY: AccountId = AccountId(Uuid::from_u128(3));

    fn stay(joined_seq: u64, left: Option<(u64, u64)>) -> Interval {
        let (left_seq, left_position) = left.unzip();
        Interval { left_seq, left_position, ..Interval::begun(joined_seq, joined_seq) }
    }

    #[test]
    fn who_is_meant() {
        // from the start and in; left with 4, at position 40; came with 5; came with 5 and left with 7
        let stays = [stay(0, None), stay(0, Some((4, 40))), stay(4, None), stay(4, Some((7, 70)))];
        let table = [
            (Audience::Seeing { seq: 1 }, [true, true, false, false]),
            (Audience::Seeing { seq: 4 }, [true, true, false, false]),
            (Audience::Seeing { seq: 5 }, [true, false, true, true]),
            (Audience::Seeing { seq: 8 }, [true, false, true, false]),
            (Audience::Quoting { seq: 6, answered: 3 }, [true, false, false, false]),
            (Audience::Quoting { seq: 6, answered: 5 }, [true, false, true, true]),
            (Audience::Unquoting { seq: 6, answered: 3 }, [false, false, true, true]),
            (Audience::Unquoting { seq: 6, answered: 5 }, [false, false, false, false]),
            (Audience::SeeingChange { seq: 4, position: 40 }, [true, true, false, false]),
            (Audience::SeeingChange { seq: 4, position: 41 }, [true, false, false, false]),
            (Audience::InAfter { seq: 4 }, [true, false, false, false]),
            (Audience::InAfter { seq: 5 }, [true, false, true, true]),
            (Audience::InAfter { seq: 7 }, [true, false, true, false]),
            (Audience::JoinedWith { seq: 1 }, [true, true, false, false]),
            (Audience::JoinedWith { seq: 5 }, [false, false, true, true]),
            (Audience::InBefore { seq: 5 }, [true, false, false, false]),
        ];
        for (audience, expected) in table {
            assert_eq!(stays.map(|stay| audience.means(ANYBODY, &stay)), expected, "{audience:?}");
        }
        // Came with 5 and sees what was said before.
        let shared = Interval::begun(0, 4);
        let meant = [
            (Audience::Seeing { seq: 3 }, true),
            (Audience::Hearing { seq: 4 }, false),
            (Audience::Hearing { seq: 5 }, true),
            (Audience::InAfter { seq: 4 }, false),
            (Audience::InAfter { seq: 5 }, true),
            (Audience::JoinedWith { seq: 5 }, true),
            (Audience::JoinedWith { seq: 1 }, false),
            (Audience::InBefore { seq: 5 }, false),
            (Audience::InBefore { seq: 6 }, true),
        ];
        for (audience, expected) in meant {
            assert_eq!(audience.means(ANYBODY, &shared), expected, "{audience:?} of who is shown the history");
        }
    }

    #[test]
    fn a_letter_comes_as_it_went_and_says_a_change_once() {
        let (conversation, account) = (ConversationId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let change = Some(Change::Joined { joined_seq: 3, account_ids: vec![account], begins: vec![] });
        let mut part = Part { position: 40, since: 20, change: change.clone(), audiences: vec![] };
        let audiences = [Audience::JoinedWith { seq: 4 }, Audience::InBefore { seq: 4 }, Audience::Seeing { seq: 4 }];
        let mut letters = [Letter::new(conversation, 7), Letter::new(conversation, 7)];
        for (number, frame) in ["a", "b", "c"].into_iter().enumerate() {
            letters[number / 2].add(&mut part, audiences[number], Bytes::from_static(frame.as_bytes()));
        }
        let read = letters.map(|letter| read(&letter.close().unwrap()).unwrap());
        assert_eq!(read[0].1, ["a", "b"]);
        assert_eq!(read[0].0.parts, [Part { position: 40, since: 20, change, audiences: audiences[..2].to_vec() }]);
        assert_eq!(read[1].1, ["c"]);
        let rest = Part { position: 40, since: 40, change: None, audiences: audiences[2..].to_vec() };
        assert_eq!(read[1].0.parts, [rest], "who missed the first letter asks");
    }
}
