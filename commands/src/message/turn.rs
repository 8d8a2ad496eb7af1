//! Turns: what is asked of one message one after the other is queued in that order, though each asks the log first.
//! Turns are taken at once, when a command comes; who gives up passes the turn on. What is asked of another message waits
//! for nobody.

use crate::dispatch::DEADLINE;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// The newest turn of each message: its number, and its end. A message without one has no entry.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Newest>>);

#[derive(Default)]
struct Newest {
    taken: u64,
    of: HashMap<Uuid, (u64, oneshot::Receiver<()>)>,
}

/// A place behind others of the same message, until it is dropped.
pub(crate) struct Turn {
    turns: Turns,
    id: Uuid,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    #[expect(dead_code, reason = "its end is what the next one waits for")]
    held: oneshot::Sender<()>,
}

impl Turns {
    /// Behind all that were taken before.
    pub fn take(&self, id: Uuid) -> Turn {
        let (held, next) = oneshot::channel();
        let mut newest = self.newest();
        newest.taken += 1;
        let number = newest.taken;
        let before = newest.of.insert(id, (number, next)).map(|(_, before)| before);
        Turn { turns: self.clone(), id, number, before, held }
    }

    /// Whether somebody has one.
    pub fn has(&self, id: Uuid) -> bool {
        self.newest().of.contains_key(&id)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// What was looked up meanwhile, once the turn has come: a look-up that stalls holds up no other's, and those behind it
    /// no longer than its own bound.
    pub async fn come_with<T>(&mut self, look_up: impl Future<Output = T>) -> T {
        let ((), found) = tokio::join!(self.come(), look_up);
        found
    }

    async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = timeout(DEADLINE, before).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut newest = self.turns.newest();
        if newest.of.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            newest.of.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn turns_come_in_the_order_in_which_they_were_taken() {
        let turns = Turns::default();
        let [mut first, mut second, mut third] = [1, 1, 1].map(|id| turns.take(Uuid::from_u128(id)));
        let mut other = turns.take(Uuid::from_u128(2));
        assert!(other.come().now_or_never().is_some(), "another message waits for nobody");
        first.come().await;
        let mut waiting = Box::pin(second.come());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        waiting.await;
        drop(second);
        assert!(third.come().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waits_has_begun_to_look_up() {
        let turns = Turns::default();
        let [mut first, mut second] = [1, 1].map(|id| turns.take(Uuid::from_u128(id)));
        let mut stalled = Box::pin(first.come_with(futures::future::pending::<()>()));
        assert!(stalled.as_mut().now_or_never().is_none());
        let (begin, mut begun) = oneshot::channel();
        let mut waiting = Box::pin(second.come_with(async move { begin.send(()) }));
        assert!(waiting.as_mut().now_or_never().is_none(), "it is queued behind the first");
        assert_eq!(begun.try_recv(), Ok(()));
        drop(stalled);
        drop(first);
        assert_eq!(waiting.await, Ok(()));
    }

    #[tokio::test]
    async fn other_messages_wait_for_nobody_whatever_their_ids() {
        let turns = Turns::default();
        let _first = turns.take(Uuid::from_u128(1));
        for id in 2..2_000 {
            assert!(turns.take(Uuid::from_u128(id)).come().now_or_never().is_some(), "{id}");
        }
    }

    #[tokio::test]
    async fn what_has_ended_leaves_nothing_behind() {
        let turns = Turns::default();
        let [first, second] = [1, 1].map(|id| turns.take(Uuid::from_u128(id)));
        drop(first);
        assert_eq!(turns.newest().of.len(), 1, "the second one is there");
        drop(second);
        assert!(turns.newest().of.is_empty());
    }
}
