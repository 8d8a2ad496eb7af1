//! How far a checkpoint may go while effects of many events are in flight: to just before the first event that still
//! has one. Pure bookkeeping, without IO.

use natter_streams::Link;
use std::collections::BTreeMap;

pub(crate) struct Ledger {
    /// The last event that was read.
    read: Link,
    /// Events with unfinished effects, by position.
    open: BTreeMap<u64, Open>,
}

struct Open {
    /// The event before it.
    before: Link,
    effects: usize,
}

impl Ledger {
    pub fn new(read: Link) -> Self {
        Self { read, open: BTreeMap::new() }
    }

    pub fn read(&self) -> Link {
        self.read
    }

    /// The next event was read, and asks for so many effects.
    pub fn note(&mut self, event: Link, effects: usize) {
        if effects > 0 {
            self.open.insert(event.position, Open { before: self.read, effects });
        }
        self.read = event;
    }

    /// One effect of the event at this position is done.
    pub fn done(&mut self, position: u64) {
        let Some(open) = self.open.get_mut(&position) else { return };
        open.effects -= 1;
        if open.effects == 0 {
            self.open.remove(&position);
        }
    }

    /// Everything up to here is done, whatever is still in flight.
    pub fn checkpoint(&self) -> Link {
        self.open.first_key_value().map_or(self.read, |(_, open)| open.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_streams::{Hash, Lane};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn link(position: u64) -> Link {
        let hash = Hash([position as u8; 32]);
        Link { lane: Lane::new(3), incarnation: Uuid::nil(), position, hash }
    }

    proptest! {
        // Failures are printed whole, so no file of seeds is kept.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever ends in whatever order: the checkpoint never passes an unfinished event, never goes back, is a link
        /// that was read, and is at the end once all is done.
        #[test]
        fn the_checkpoint_follows_the_first_unfinished_event(
            events in proptest::collection::vec((0..3_usize, any::<u8>()), 1..40),
        ) {
            let mut ledger = Ledger::new(link(7));
            let (mut unfinished, mut last) = (Vec::new(), 7);
            for (position, (effects, pick)) in (8..).zip(events) {
                ledger.note(link(position), effects);
                unfinished.extend(std::iter::repeat_n(position, effects));
                if pick % 2 == 0 && !unfinished.is_empty() {
                    ledger.done(unfinished.remove(usize::from(pick) % unfinished.len()));
                }
                last = check(&ledger, &unfinished, last)?;
            }
            while let Some(position) = unfinished.pop() {
                ledger.done(position);
                last = check(&ledger, &unfinished, last)?;
            }
            prop_assert_eq!(ledger.checkpoint(), ledger.read());
        }
    }

    fn check(ledger: &Ledger, unfinished: &[u64], last: u64) -> Result<u64, TestCaseError> {
        let first = unfinished.iter().min().copied().unwrap_or(ledger.read().position + 1);
        prop_assert_eq!(ledger.checkpoint(), link(first - 1));
        prop_assert!(ledger.checkpoint().position >= last, "it went back");
        Ok(ledger.checkpoint().position)
    }
}
