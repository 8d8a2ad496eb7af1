//! That who may see somebody, or speak somewhere, may have changed. Edges keep such answers for a while; they hear here
//! which of them to ask again, and at which position the new answer is. One word for all that a batch changes.

use crate::Error;
use bytes::Bytes;
use natter_domain::{Noun, friendship::Event as Friendship};
use natter_streams::{Positions, Record};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// What an edge hears.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changed {
    /// Whose settings were changed, and who is gone.
    pub accounts: BTreeSet<Uuid>,
    /// Of whom one blocks the other now, or does no more.
    pub pairs: BTreeSet<(Uuid, Uuid)>,
    /// In which somebody came or went, or may do other things than before.
    pub conversations: BTreeSet<Uuid>,
    /// Relations shows it from here on.
    pub position: String,
}

/// In conversations these change nobody's standing, and there are many of them.
const COMMON: [&str; 3] = ["message_sent", "paused", "nickname_changed"];

/// What a batch changes, for every edge; `None`: nothing.
pub(super) fn of(records: &[Arc<Record>]) -> Result<Option<Bytes>, Error> {
    let mut changed = Changed::default();
    for record in records {
        changed.note(record)?;
    }
    let Some(last) = records.last().filter(|_| !changed.is_empty()) else { return Ok(None) };
    changed.position = Positions::one(last.lane, last.position, last.incarnation).to_string();
    Ok(Some(serde_json::to_vec(&changed).map_err(Error::Frame)?.into()))
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.pairs.is_empty() && self.conversations.is_empty()
    }

    fn note(&mut self, record: &Record) -> Result<(), Error> {
        match (record.noun, &*record.event_type) {
            (Noun::Account, "settings_changed" | "closed" | "erased") => {
                self.accounts.insert(record.aggregate_id);
            }
            (Noun::Friendship, "blocked" | "unblocked") => {
                if let Friendship::Blocked { by, other, .. } | Friendship::Unblocked { by, other, .. } =
                    record.decode()?
                {
                    self.pairs.insert((by.0, other.0));
                }
            }
            (Noun::Conversation, event) if !COMMON.contains(&event) => {
                self.conversations.insert(record.aggregate_id);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::{
        AccountId, Address, ConversationId, Event, FriendshipId, Timestamp,
        account::{self, Event as Account},
        conversation::{self, Event as Conversation, Standing},
        friendship,
    };
    use natter_streams::{Draft, Lane, Link, log::chain};

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    fn draft<E: Event>(event: &E, address: Address) -> Draft {
        Draft::encode(event, address, 1, "{}".into(), Timestamp::from_millis(0)).unwrap()
    }

    fn word(drafts: Vec<Draft>) -> Option<Changed> {
        let records = chain(&Link::start(Lane::new(3), Uuid::from_u128(9)), drafts);
        of(&records).unwrap().map(|word| serde_json::from_slice(&word).unwrap())
    }

    #[test]
    fn edges_are_told_whose_standing_changed_and_where_the_batch_ends() {
        let (alice, bob, talk) = (account(1), account(2), ConversationId(Uuid::from_u128(3)));
        let blocked =
            friendship::Event::Blocked { by: bob, other: alice, conversation_id: None, standing: Standing::first() };
        let paused =
            Conversation::Paused { account_id: alice, at: Timestamp::from_millis(0), until: Timestamp::from_millis(1) };
        let told = word(vec![
            draft(&Account::Closed {}, account::address(alice)),
            draft(&blocked, friendship::address(FriendshipId::of(alice, bob))),
            draft(&Conversation::Ended {}, conversation::address(talk)),
            draft(&paused, conversation::address(talk)),
        ])
        .unwrap();
        assert_eq!(told.accounts, BTreeSet::from([alice.0]));
        assert_eq!(told.pairs, BTreeSet::from([(bob.0, alice.0)]));
        assert_eq!(told.conversations, BTreeSet::from([talk.0]));
        assert!(told.position.starts_with("03:4"), "{}", told.position);
        assert_eq!(word(vec![draft(&paused, conversation::address(talk))]), None, "nothing of it");
        assert_eq!(word(vec![draft(&Account::Registered {}, account::address(alice))]), None);
    }
}
