//! A lane's tap: what its owner in this process commits, for readers in the same process.
//!
//! It keeps a batch until every listener has read it, and never more than [`LANE_BYTES`] of them: whoever is slower loses
//! what was pushed out, is told, and reads it from the log. Bounded by bytes, not by count, because a batch may be one
//! small event or a thousand: 64 of them (a channel of tokio's, tried first) were 64 MiB per lane at the worst, and at the
//! same time run over by a projection that paces itself for 100 ms over thin batches.

use crate::{Record, feed::Batch};
use std::{
    collections::{HashMap, VecDeque},
    mem::size_of,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The most a lane's tap holds for its slowest listener. 16 lanes at once: 64 MiB.
pub const LANE_BYTES: usize = 4 * 1024 * 1024;

/// The owner's end.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Shared>);

/// A reader's end. Hears of what is published from its making on.
pub struct Listener {
    shared: Arc<Shared>,
    number: u64,
    published: watch::Receiver<u64>,
}

/// A listener was too slow, and what it lost must be read elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost;

struct Shared {
    state: Mutex<State>,
    /// How many batches there were.
    published: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    kept: VecDeque<(Batch, usize)>,
    bytes: usize,
    /// The number of the oldest batch that is kept.
    first: u64,
    /// By listener: the number of the batch that it reads next.
    next: HashMap<u64, u64>,
    listeners: u64,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), published: watch::Sender::new(0) }))
    }

    pub(crate) fn publish(&self, batch: Batch) {
        let mut state = self.0.state();
        let bytes = size(&batch);
        state.kept.push_back((batch, bytes));
        state.bytes += bytes;
        state.forget_what_was_read();
        while state.bytes > LANE_BYTES {
            state.forget_oldest();
        }
        let end = state.end();
        drop(state);
        self.0.published.send_replace(end);
    }

    pub(crate) fn listen(&self) -> Listener {
        let mut state = self.0.state();
        let (number, next) = (state.listeners, state.end());
        state.listeners += 1;
        state.next.insert(number, next);
        drop(state);
        Listener { shared: self.0.clone(), number, published: self.0.published.subscribe() }
    }
}

impl Listener {
    pub async fn recv(&mut self) -> Result<Batch, Lost> {
        loop {
            self.published.borrow_and_update();
            if let Some(received) = self.try_recv() {
                return received;
            }
            // The sender is in `shared`: it cannot be gone.
            let _ = self.published.changed().await;
        }
    }

    /// `None`: there is nothing now.
    pub fn try_recv(&mut self) -> Option<Result<Batch, Lost>> {
        self.shared.state().take(self.number)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.next.remove(&self.number);
        state.forget_what_was_read();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn take(&mut self, listener: u64) -> Option<Result<Batch, Lost>> {
        let (first, end) = (self.first, self.end());
        let next = self.next.get_mut(&listener)?;
        let taken = if *next == end {
            return None;
        } else if *next < first {
            // What is still kept would be read from the log with what is not.
            *next = end;
            Err(Lost)
        } else {
            *next += 1;
            Ok(self.kept[(*next - 1 - first) as usize].0.clone())
        };
        self.forget_what_was_read();
        Some(taken)
    }

    fn forget_what_was_read(&mut self) {
        let needed = self.next.values().copied().min().unwrap_or(self.end());
        while self.first < needed && !self.kept.is_empty() {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, bytes)) = self.kept.pop_front() {
            self.bytes -= bytes;
            self.first += 1;
        }
    }
}

/// What a batch takes in memory, about.
fn size(batch: &Batch) -> usize {
    let record = |record: &Arc<Record>| size_of::<Record>() + record.payload.len() + record.metadata.len();
    size_of::<Batch>() + batch.iter().map(record).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hash, Lane};
    use natter_domain::{EventId, Noun, Timestamp};
    use uuid::Uuid;

    fn batch(position: u64, bytes: usize) -> Batch {
        Arc::new(vec![Arc::new(Record {
            lane: Lane::new(0),
            incarnation: Uuid::nil(),
            position,
            event_id: EventId(Uuid::nil()),
            noun: Noun::Account,
            aggregate_id: Uuid::nil(),
            sequence: 1,
            event_type: "registered".into(),
            version: 1,
            payload: "x".repeat(bytes).into(),
            metadata: "{}".into(),
            key: None,
            time: Timestamp::default(),
            previous: Hash::default(),
            hash: Hash::default(),
        })])
    }

    fn position(received: Option<Result<Batch, Lost>>) -> u64 {
        received.expect("there is one").expect("nothing was lost")[0].position
    }

    fn kept(tap: &Tap) -> usize {
        tap.0.state().kept.len()
    }

    #[test]
    fn a_batch_is_kept_until_all_have_read_it_and_no_longer() {
        let tap = Tap::new();
        tap.publish(batch(1, 1));
        assert_eq!(kept(&tap), 0, "nobody listens");
        let (mut quick, mut slow) = (tap.listen(), tap.listen());
        (2..=300).for_each(|number| tap.publish(batch(number, 1)));
        (2..=300).for_each(|number| assert_eq!(position(quick.try_recv()), number));
        assert_eq!((quick.try_recv(), kept(&tap)), (None, 299));
        (2..=100).for_each(|number| assert_eq!(position(slow.try_recv()), number));
        assert_eq!(kept(&tap), 200);
        drop(slow);
        assert_eq!(kept(&tap), 0);
    }

    #[test]
    fn a_slow_listener_holds_no_more_than_the_bound_and_is_told() {
        let tap = Tap::new();
        let (mut quick, mut slow) = (tap.listen(), tap.listen());
        for number in 1..=64 {
            tap.publish(batch(number, 1024 * 1024));
            assert_eq!(position(quick.try_recv()), number);
            assert!(tap.0.state().bytes <= LANE_BYTES);
        }
        assert_eq!(slow.try_recv(), Some(Err(Lost)));
        assert_eq!((slow.try_recv(), kept(&tap)), (None, 0), "it reads on elsewhere, up to here");
        tap.publish(batch(65, 1));
        assert_eq!((position(slow.try_recv()), position(quick.try_recv())), (65, 65));
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept() {
        let tap = Tap::new();
        let mut listener = tap.listen();
        tap.publish(batch(1, LANE_BYTES));
        assert_eq!((kept(&tap), listener.try_recv()), (0, Some(Err(Lost))));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let tap = Tap::new();
        let mut listener = tap.listen();
        let (received, ()) = tokio::join!(listener.recv(), async {
            tokio::task::yield_now().await;
            tap.publish(batch(7, 1));
        });
        assert_eq!(position(Some(received)), 7);
    }
}
