//! Who is in which conversation, in memory: folded from the lane as it goes by, loaded from relations where it went by
//! long ago. Bounded: of two generations the older is dropped when the younger is full, and what is used moves to the
//! younger.

use crate::gate::Interval;
use natter_domain::{AccountId, ConversationId};
use std::{collections::HashMap, sync::Arc};

/// Conversations of one generation. More than a batch can name, so that what was looked up for a batch is still there
/// when its frames are made.
const GENERATION: usize = 4_096;

/// Everybody who is or was in, with each stay.
pub(super) type Members = Arc<[(AccountId, Interval)]>;

#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<ConversationId, Members>,
    old: HashMap<ConversationId, Members>,
}

impl Cache {
    pub(super) fn insert(&mut self, conversation: ConversationId, members: Members) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation, members);
    }

    /// Whether it is there; it stays for the next [`GENERATION`] others.
    pub(super) fn keep(&mut self, conversation: ConversationId) -> bool {
        if self.young.contains_key(&conversation) {
            return true;
        }
        let Some(members) = self.old.remove(&conversation) else { return false };
        self.insert(conversation, members);
        true
    }

    /// Those who may see the message of that seq. `None`: not there.
    pub(super) fn seeing(&self, conversation: ConversationId, seq: u64) -> Option<Vec<AccountId>> {
        let members = self.young.get(&conversation).or_else(|| self.old.get(&conversation))?;
        Some(members.iter().filter(|(_, interval)| interval.sees(seq)).map(|(account, _)| *account).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn conversation(number: usize) -> ConversationId {
        ConversationId(Uuid::from_u128(number as u128))
    }

    fn nobody() -> Members {
        Arc::new([])
    }

    #[test]
    fn a_message_goes_to_those_whose_stay_holds_its_seq() {
        let account = |number| AccountId(Uuid::from_u128(number));
        let stay = |joined_seq, left_seq| Interval { joined_seq, left_seq, left_position: None };
        let mut cache = Cache::default();
        let members = [(account(1), stay(0, None)), (account(2), stay(0, Some(4))), (account(3), stay(4, None))];
        cache.insert(conversation(0), Arc::new(members));
        assert_eq!(cache.seeing(conversation(0), 4), Some(vec![account(1), account(2)]));
        assert_eq!(cache.seeing(conversation(0), 5), Some(vec![account(1), account(3)]));
        assert_eq!(cache.seeing(conversation(1), 1), None);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::default();
        cache.insert(conversation(0), nobody());
        for number in 1..4 * GENERATION {
            cache.insert(conversation(number), nobody());
            if number % 1_000 == 0 {
                assert!(cache.keep(conversation(0)), "after {number}");
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        assert!(!cache.keep(conversation(1)));
    }
}
