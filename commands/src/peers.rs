//! Whether the one to whom a direct message goes is still there. Who the two are never changes, and that somebody is gone is
//! told to every node: their key was destroyed. So both are kept in memory, and a send hardly ever asks.
//!
//! An account is gone a moment after it was closed: what is sent in between is sent.

use crate::{cache::Cache, dispatch::Dispatch, error::Error};
use natter_domain::{
    AccountId, ConversationId,
    conversation::{self, Conversation, Kind},
};
use natter_streams::{
    Log,
    sealing::{Forgotten, is_destroyed},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Conversations in memory, twice, and people.
const KEPT: usize = 16_384;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Shared>);

struct Shared {
    log: Log,
    dispatch: Dispatch,
    kept: Mutex<Kept>,
}

struct Kept {
    /// The two of a direct conversation; `None`: another kind.
    pairs: Cache<ConversationId, Option<[AccountId; 2]>>,
    here: Cache<AccountId, ()>,
    /// Counts what was forgotten, so that what was asked before is not kept after.
    forgotten: u64,
}

impl Kept {
    /// `None`: not known; else the other one, if there is one.
    fn peer(&mut self, of: AccountId, conversation: ConversationId) -> Option<Option<AccountId>> {
        let pair = *self.pairs.get(&conversation)?;
        Some(pair.and_then(|pair| pair.into_iter().find(|&account| account != of)))
    }
}

impl Peers {
    pub fn new(log: Log, dispatch: Dispatch) -> Self {
        let (pairs, here) = (Cache::new(KEPT, |_| false), Cache::new(KEPT, |()| false));
        Self(Arc::new(Shared { log, dispatch, kept: Mutex::new(Kept { pairs, here, forgotten: 0 }) }))
    }

    /// Whether it is known, without asking, that nobody is missing.
    pub fn are_here(&self, caller: AccountId, conversation: ConversationId) -> bool {
        let mut kept = self.kept();
        match kept.peer(caller, conversation) {
            Some(Some(peer)) => kept.here.get(&peer).is_some(),
            Some(None) => true,
            None => false,
        }
    }

    /// The other one of the conversation, where they are gone.
    pub async fn gone(&self, caller: AccountId, conversation: ConversationId) -> Result<Option<AccountId>, Error> {
        let known = self.kept().peer(caller, conversation);
        let peer = match known {
            Some(peer) => peer,
            None => self.look(caller, conversation).await?,
        };
        match peer {
            Some(peer) => self.is_gone(peer).await.map(|is_gone| is_gone.then_some(peer)),
            None => Ok(None),
        }
    }

    /// What has not begun may begin yet: that is not kept.
    async fn look(&self, caller: AccountId, conversation: ConversationId) -> Result<Option<AccountId>, Error> {
        let state = self.0.dispatch.inspect::<Conversation>(conversation::address(conversation)).await?;
        let pair = match state.kind {
            Some(Kind::Direct) => state.members.keys().copied().collect::<Vec<_>>().try_into().ok(),
            Some(_) => None,
            None => return Ok(None),
        };
        let mut kept = self.kept();
        kept.pairs.insert(conversation, pair);
        Ok(kept.peer(caller, conversation).flatten())
    }

    async fn is_gone(&self, account: AccountId) -> Result<bool, Error> {
        let before = {
            let mut kept = self.kept();
            if kept.here.get(&account).is_some() {
                return Ok(false);
            }
            kept.forgotten
        };
        let is_gone = is_destroyed(&self.0.log, account).await?;
        let mut kept = self.kept();
        if !is_gone && kept.forgotten == before {
            kept.here.insert(account, ());
        }
        Ok(is_gone)
    }

    /// Whose key was destroyed is asked about again.
    pub async fn forget(self, mut forgotten: Receiver<Forgotten>, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                heard = forgotten.recv() => heard,
                () = stop.cancelled() => return,
            };
            let mut kept = self.kept();
            kept.forgotten += 1;
            match heard {
                Ok(Forgotten::Of(owner)) => drop(kept.here.remove(&AccountId(owner))),
                Ok(Forgotten::All) | Err(RecvError::Lagged(_)) => kept.here.clear(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
