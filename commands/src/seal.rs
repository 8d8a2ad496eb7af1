//! Sealing what is said in the order in which it was said: the key of a conversation is in memory, but for the first message
//! of a month. Who has to wait for it is overtaken by nobody who speaks in the same conversation behind them.

use crate::{error::Error, message::turn::Turns};
use natter_domain::ConversationId;
use natter_streams::sealing::{Keys, Sealing};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Messages that wait for a key; who comes then is told so at once.
const WAITING: usize = 1_024;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Seals {
    keys: Keys,
    waiting: Turns,
    room: Arc<Semaphore>,
}

impl Seals {
    pub fn new(keys: Keys) -> Self {
        Self { keys, waiting: Turns::default(), room: Arc::new(Semaphore::new(WAITING)) }
    }

    /// `None`: it is to be waited for, or somebody who came before waits for it still.
    pub fn at_hand(&self, conversation: ConversationId) -> Option<Sealing> {
        if self.waiting.has(conversation.0) { None } else { self.keys.of_conversation_at_hand(conversation) }
    }

    /// Queues once the key is there, behind all who have waited for it before. Goes on whether or not anybody waits for the
    /// answer.
    pub fn queue<T, A, Q>(
        &self,
        conversation: ConversationId,
        queue: Q,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, A, Q>
    where
        T: Send + 'static,
        Q: FnOnce(&Sealing) -> A + Send + 'static,
        A: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (keys, mut turn) = (self.keys.clone(), self.waiting.take(conversation.0));
        let room = self.room.clone().try_acquire_owned();
        let queued = tokio::spawn(async move {
            let room = room.map_err(|_| Error::Unavailable)?;
            let sealing = turn.come_with(keys.of_conversation(conversation)).await?;
            let answer = queue(&sealing);
            drop((turn, room));
            answer.await
        });
        async move { queued.await.unwrap_or(Err(Error::Unavailable)) }
    }
}
