//! Aggregates that are talked to now. What was loaded to make a snapshot is kept for a while, and what comes by is added
//! to it: the next snapshot needs no event from PostgreSQL. Reading them all again was a quarter of the
//! process' time in `natter bench append`.

use super::Loaded;
use crate::cache::Cache;
use natter_domain::Decider;
use natter_streams::Record;
use uuid::Uuid;

/// Aggregates kept per noun and lane, twice.
const KEPT: usize = 256;

pub(super) struct Hot<D: Decider>(Cache<Uuid, Loaded<D>>);

impl<D: Decider> Default for Hot<D> {
    fn default() -> Self {
        Self(Cache::new(KEPT, |_| false))
    }
}

impl<D: Decider> Hot<D> {
    pub fn keep(&mut self, id: Uuid, loaded: Loaded<D>) {
        self.0.insert(id, loaded);
    }

    /// What is kept of the aggregate, where it ends with this very event.
    pub fn take(&mut self, record: &Record) -> Option<Loaded<D>> {
        self.0.remove(&record.aggregate_id).filter(|kept| kept.sequence == record.sequence)
    }

    /// An event that came by. One that does not continue what is kept, or cannot be read, ends the keeping.
    pub fn add(&mut self, record: &Record) {
        let Some(kept) = self.0.get(&record.aggregate_id) else { return };
        match record.decode::<D::Event>() {
            Ok(event) if record.sequence == kept.sequence + 1 => {
                D::evolve(&mut kept.state, &event);
                kept.sequence += 1;
            }
            _ => drop(self.0.remove(&record.aggregate_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::{
        AccountId, Address, Timestamp,
        conversation::{Conversation, Event},
    };
    use natter_streams::{Draft, Lanes, Link, log::chain};
    use std::sync::Arc;

    const ID: Uuid = Uuid::from_u128(7);

    fn record(sequence: u64, event: &Event) -> Arc<Record> {
        let address = Address { noun: Conversation::NOUN, id: ID, route: ID };
        let draft = Draft::encode(event, address, sequence, "{}".into(), Timestamp::default()).unwrap();
        let lane = Lanes::new(1).unwrap().iter().next().unwrap();
        chain(&Link::start(lane, Uuid::nil()), [draft]).remove(0)
    }

    fn started() -> Event {
        Event::started_direct([1, 2].map(|id| AccountId(Uuid::from_u128(id))))
    }

    fn kept() -> Hot<Conversation> {
        let mut hot = Hot::default();
        hot.keep(ID, Loaded { sequence: 2, ..Loaded::default() });
        hot
    }

    #[test]
    fn what_comes_by_is_added() {
        let (mut hot, next) = (kept(), record(3, &started()));
        hot.add(&next);
        let loaded = hot.take(&next).unwrap();
        assert_eq!((loaded.sequence, loaded.state.members.len()), (3, 2));
    }

    #[test]
    fn what_does_not_continue_it_is_not_believed() {
        for stray in [2, 4] {
            let (mut hot, stray) = (kept(), record(stray, &started()));
            hot.add(&stray);
            assert!(hot.take(&stray).is_none());
        }
    }

    #[test]
    fn what_ends_elsewhere_is_not_given() {
        assert!(kept().take(&record(3, &started())).is_none());
    }
}
