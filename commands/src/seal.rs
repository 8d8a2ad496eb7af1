//! Sealing what is said in the order in which it was said: the key of a conversation is in memory, but for the first message
//! of a month. Who has to wait for it is overtaken by nobody who speaks in the same conversation behind them.
//!
//! What somebody says to themselves is nobody else's: it is sealed with the key of their account, and forgotten with it.
//!
//! A key is for ever, so none is made for who was never in the conversation, or for one that does not exist: where it is
//! not in memory the conversation is looked at first. Who was in and is out goes on to be told so, or to get the first
//! answer to what they repeat.

use crate::{Caller, dispatch::Dispatch, error::Error, message::turn::Turns, peers::Peers};
use natter_domain::{
    AccountId, ConversationId,
    conversation::{self, Conversation, Kind, Refusal, State},
};
use natter_streams::sealing::{Keys, Sealing};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Messages that wait for a key; who comes then is told so at once.
const WAITING: usize = 1_024;

/// What a message needs.
pub(crate) struct Hand {
    pub sealing: Sealing,
    /// The one to whom it is said, where they are gone.
    pub gone: Option<AccountId>,
}

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Seals {
    keys: Keys,
    dispatch: Dispatch,
    peers: Peers,
    waiting: Turns,
    room: Arc<Semaphore>,
}

impl Seals {
    pub fn new(keys: Keys, dispatch: Dispatch, peers: Peers) -> Self {
        Self { keys, dispatch, peers, waiting: Turns::default(), room: Arc::new(Semaphore::new(WAITING)) }
    }

    /// `None`: it is to be waited for, or somebody who came before waits for it still.
    pub fn at_hand(&self, caller: Caller, conversation: ConversationId) -> Option<Hand> {
        if self.waiting.has(conversation.0) || !self.peers.are_here(caller.account, conversation) {
            return None;
        }
        Some(Hand { sealing: self.keys.of_conversation_at_hand(conversation)?, gone: None })
    }

    /// The same, for who can wait for it.
    async fn hand(&self, caller: Caller, conversation: ConversationId) -> Result<Hand, Error> {
        let sealing = self.of(caller, conversation).await?;
        Ok(Hand { sealing, gone: self.peers.gone(caller.account, conversation).await? })
    }

    /// For what this person says there, behind nobody. `not_found` where they never were in.
    pub async fn of(&self, caller: Caller, conversation: ConversationId) -> Result<Sealing, Error> {
        if let Some(sealing) = self.keys.of_conversation_at_hand(conversation) {
            return Ok(sealing);
        }
        let state = self.dispatch.inspect::<Conversation>(conversation::address(conversation)).await?;
        if state.is_channel() && state.doors.banned.contains_key(&caller.account) {
            return Err(Error::refused(&Refusal::Banned));
        }
        knows(&state, caller)?;
        Ok(match state.kind {
            Some(Kind::Own) => self.keys.of_account(caller.account).await?,
            _ => self.keys.of_conversation(conversation).await?,
        })
    }

    /// The one to whom it is said, where they are gone.
    pub async fn gone(&self, caller: Caller, conversation: ConversationId) -> Result<Option<AccountId>, Error> {
        self.peers.gone(caller.account, conversation).await
    }

    /// Queues once the key is there, behind all who have waited for it before. Goes on whether or not anybody waits for the
    /// answer.
    /// `more`: what it needs besides, found meanwhile; `again`: what is done about it once the turn has come.
    pub fn queue<T, M, F, R, G, A, Q>(
        &self,
        caller: Caller,
        conversation: ConversationId,
        more: F,
        again: R,
        queue: Q,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, M, F, R, G, A, Q>
    where
        T: Send + 'static,
        M: Send + 'static,
        F: Future<Output = Result<M, Error>> + Send + 'static,
        R: FnOnce(M) -> G + Send + 'static,
        G: Future<Output = Result<M, Error>> + Send + 'static,
        Q: FnOnce(&Hand, M) -> A + Send + 'static,
        A: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (seals, mut turn) = (self.clone(), self.waiting.take(conversation.0));
        let room = self.room.clone().try_acquire_owned();
        let queued = tokio::spawn(async move {
            let room = room.map_err(|_| Error::Unavailable)?;
            let found = async { tokio::try_join!(seals.hand(caller, conversation), more) };
            let (hand, more) = turn.come_with(found).await?;
            let answer = queue(&hand, again(more).await?);
            drop((turn, room));
            answer.await
        });
        async move { queued.await.unwrap_or(Err(Error::Unavailable)) }
    }
}

/// As the conversation itself would refuse them.
pub(crate) fn knows(state: &State, caller: Caller) -> Result<(), Error> {
    if state.knows(caller.account) { Ok(()) } else { Err(Error::refused(&Refusal::NotFound)) }
}
