//! Turns: what is asked of one message one after the other is queued in that order, though each asks the log first.
//! Turns are taken at once, when a command comes; who gives up passes the turn on.

use crate::dispatch::DEADLINE;
use std::sync::{Mutex, PoisonError};
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// Messages share these queues by their ids: a turn is as short as a query.
const QUEUES: usize = 256;

pub(super) struct Turns(Vec<Mutex<Option<oneshot::Receiver<()>>>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..QUEUES).map(|_| Mutex::default()).collect())
    }
}

/// A place in a queue, until it is dropped.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    #[expect(dead_code, reason = "its end is what the next one waits for")]
    held: oneshot::Sender<()>,
}

impl Turns {
    /// Behind all that were taken before.
    pub fn take(&self, id: Uuid) -> Turn {
        let (held, next) = oneshot::channel();
        let queue = &self.0[usize::from(id.as_bytes()[15]) % QUEUES];
        let before = queue.lock().unwrap_or_else(PoisonError::into_inner).replace(next);
        Turn { before, held }
    }
}

impl Turn {
    pub async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = timeout(DEADLINE, before).await;
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
}
