//! What one connection asks of one conversation goes on in the order of its frames, though each is looked at for as long as
//! that takes. Others wait for nobody.

use std::collections::HashMap;
use tokio::sync::oneshot::{self, error::TryRecvError};
use uuid::Uuid;

/// Turns that have ended are forgotten when there are so many.
const SWEPT_AT: usize = 64;

/// The newest turn of each conversation.
#[derive(Default)]
pub struct Turns(HashMap<Uuid, oneshot::Receiver<()>>);

/// A place behind those that were taken before, until it is dropped: not before it has come, or those behind it overtake those
/// before it.
pub struct Turn {
    before: Option<oneshot::Receiver<()>>,
    #[expect(dead_code, reason = "its end is what the next one waits for")]
    held: oneshot::Sender<()>,
}

impl Turns {
    pub fn take(&mut self, conversation: Uuid) -> Turn {
        if self.0.len() >= SWEPT_AT {
            self.0.retain(|_, turn| is_held(turn));
        }
        let (held, next) = oneshot::channel();
        Turn { before: self.0.insert(conversation, next), held }
    }

    /// Whether somebody has one still.
    pub fn has(&mut self, conversation: Uuid) -> bool {
        let is_held = self.0.get_mut(&conversation).is_some_and(is_held);
        if !is_held {
            // It has said that it ended: whoever awaited it once more would panic.
            self.0.remove(&conversation);
        }
        is_held
    }
}

fn is_held(turn: &mut oneshot::Receiver<()>) -> bool {
    turn.try_recv() == Err(TryRecvError::Empty)
}

impl Turn {
    /// Resolves once those before have gone on, or given up.
    pub async fn come(&mut self) {
        if let Some(before) = &mut self.before {
            let _ = before.await;
        }
        self.before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const ONE: Uuid = Uuid::from_u128(1);

    #[tokio::test]
    async fn turns_come_in_the_order_in_which_they_were_taken() {
        let mut turns = Turns::default();
        let [mut first, mut second, mut third] = [ONE; 3].map(|one| turns.take(one));
        let mut other = turns.take(Uuid::from_u128(2));
        assert!(other.come().now_or_never().is_some(), "another conversation waits for nobody");
        first.come().await;
        assert!(second.come().boxed().now_or_never().is_none());
        drop(first);
        let mut fourth = turns.take(ONE);
        assert!(third.come().boxed().now_or_never().is_none(), "the second has not gone on");
        drop((second, third));
        fourth.come().await;
        assert!(turns.has(ONE));
        drop(fourth);
        assert!(!turns.has(ONE));
        turns.take(ONE).come().await;
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let mut turns = Turns::default();
        for number in 0..10_000 {
            drop(turns.take(Uuid::from_u128(number)));
            assert!(turns.0.len() <= SWEPT_AT);
        }
    }
}
