//! What changed of a conversation's messages, read for one page of a sync. What the viewer may not see takes no room in it,
//! and there may be much of that: the store is asked for many changes at a time, and a page ends when it has asked often.

use crate::{Error, gate::Membership, message::Message};
use futures::future::BoxFuture;

/// Changes that the store is asked for at a time, whatever room there is.
pub(super) const READ: u32 = 200;

/// How often a page asks. What is left is told by the next ones.
pub(super) const READS: usize = 32;

pub(super) struct Gathered {
    /// Those that the viewer may see.
    pub seen: Vec<Message>,
    /// The position up to which changes were looked at.
    pub read_to: u64,
    /// There are no more.
    pub is_all: bool,
}

/// Reads behind `behind` until there is no more, no room, or nothing left of `reads`.
pub(super) async fn gather<'a>(
    read: impl Fn(u64) -> BoxFuture<'a, Result<Vec<Message>, Error>>,
    membership: &Membership,
    behind: u64,
    room: usize,
    reads: &mut usize,
) -> Result<Gathered, Error> {
    let mut gathered = Gathered { seen: Vec::new(), read_to: behind, is_all: false };
    while gathered.seen.len() < room && *reads > 0 && !gathered.is_all {
        *reads -= 1;
        let found = read(gathered.read_to).await?;
        let is_last = found.len() < READ as usize;
        gathered.is_all = gathered.take(found, membership, room) && is_last;
    }
    Ok(gathered)
}

impl Gathered {
    /// Whether there was room for all of them.
    fn take(&mut self, found: Vec<Message>, membership: &Membership, room: usize) -> bool {
        for message in found {
            let is_seen = membership.sees(message.seq);
            if is_seen && self.seen.len() == room {
                return false;
            }
            self.read_to = message.changed;
            self.seen.extend(is_seen.then_some(message));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Interval;
    use futures::FutureExt;
    use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation::Details};
    use std::{cell::Cell, collections::BTreeMap};
    use uuid::Uuid;

    /// Changed at the position that is its number.
    fn changed(seq: u64) -> Message {
        Message {
            conversation_id: ConversationId(Uuid::nil()),
            seq,
            message_id: MessageId(Uuid::from_u128(u128::from(seq))),
            sender: None,
            body: None,
            details: Details::default(),
            sent_at: Timestamp::from_millis(0),
            edited_at: None,
            recalled_at: None,
            recalled_by: None,
            pinned_at: None,
            expires_at: None,
            reactions: BTreeMap::new(),
            position: 0,
            changed: seq,
        }
    }

    /// Who sees what comes behind that number.
    fn newcomer(joined_seq: u64) -> Membership {
        let stay = Interval::begun(joined_seq, joined_seq);
        let nobody = AccountId(Uuid::nil());
        Membership::new(nobody, ConversationId(Uuid::nil()), vec![stay], u64::MAX, 0).expect("a stay")
    }

    /// Of messages `1..=count`, all of which have changed; and how often was asked.
    fn gathered(count: u64, joined_seq: u64, behind: u64, room: usize, reads: &mut usize) -> (Gathered, usize) {
        let asked = Cell::new(0);
        let read = |behind: u64| {
            asked.set(asked.get() + 1);
            let found = (behind + 1..=count).take(READ as usize).map(changed).collect();
            async move { Ok(found) }.boxed()
        };
        let gathered = gather(read, &newcomer(joined_seq), behind, room, reads).now_or_never();
        (gathered.expect("nothing waits").expect("nothing fails"), asked.get())
    }

    fn seqs(gathered: &Gathered) -> Vec<u64> {
        gathered.seen.iter().map(|message| message.seq).collect()
    }

    #[test]
    fn what_is_not_seen_is_read_many_at_a_time_however_little_room_there_is() {
        let (found, asked) = gathered(1_000, 990, 0, 1, &mut READS.clone());
        assert_eq!((seqs(&found), found.read_to, found.is_all), (vec![991], 991, false));
        assert_eq!(asked, 5);
    }

    #[test]
    fn a_page_asks_so_often_and_says_where_it_stopped() {
        let count = 100 * u64::from(READ);
        let mut reads = READS;
        let (found, asked) = gathered(count, count, 0, 50, &mut reads);
        assert_eq!((found.seen.len(), found.is_all, reads), (0, false, 0));
        assert_eq!((asked, found.read_to), (READS, READS as u64 * u64::from(READ)));
        let (none, asked) = gathered(count, count, found.read_to, 50, &mut reads);
        assert_eq!((none.read_to, none.is_all, asked), (found.read_to, false, 0));
    }

    #[test]
    fn pages_of_any_size_tell_all_that_is_seen_once() {
        for (count, joined_seq, room) in [(0, 0, 1), (7, 0, 3), (200, 0, 200), (400, 150, 100), (613, 0, 1)] {
            let (mut told, mut behind) = (Vec::new(), 0);
            loop {
                let (found, _) = gathered(count, joined_seq, behind, room, &mut READS.clone());
                assert!(found.seen.len() <= room);
                told.extend(seqs(&found));
                behind = found.read_to;
                if found.is_all {
                    break;
                }
            }
            assert_eq!(told, (joined_seq + 1..=count).collect::<Vec<_>>(), "{count} changes, {room} a page");
        }
    }
}
