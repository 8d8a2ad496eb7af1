//! What the log says of a message's birth, found under the key of the command that sent it. It never changes, so it is
//! read before the command is queued and kept in memory for long. That there is none is not kept: it may be born yet.

use super::turn::Turns;
use crate::{cache::Cache, dispatch::DEADLINE, error::Error};
use natter_domain::{
    ConversationId, MessageId, Noun,
    conversation::{BodyKind, Event, Root},
    message::{self, Place},
};
use natter_streams::{Log, Record};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use uuid::Uuid;

/// Births in memory, twice.
const KEPT: usize = 8_192;

/// Queries at a time, so that connections are left for others.
const AT_ONCE: usize = 4;

/// Commands that wait for a query, for their turn too; who comes then is told so at once.
const WAITING: usize = 512;

#[derive(Clone, Copy)]
pub(super) struct Birth {
    pub place: Place,
    pub kind: BodyKind,
    /// Where it is a reply itself.
    pub thread: Option<Root>,
    /// What its sender said: see [`super::fingerprint`].
    pub sent: Option<Uuid>,
}

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Births(Arc<Shared>);

pub(crate) struct Shared {
    log: Log,
    known: Mutex<Cache<Uuid, Birth>>,
    waiting: Semaphore,
    running: Semaphore,
    pub(super) turns: Turns,
}

impl std::ops::Deref for Births {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Births {
    pub fn new(log: Log) -> Self {
        let known = Mutex::new(Cache::new(KEPT, |_| false));
        let (waiting, running) = (Semaphore::new(WAITING), Semaphore::new(AT_ONCE));
        Self(Arc::new(Shared { log, known, waiting, running, turns: Turns::default() }))
    }

    /// `None`: there is no such message in this conversation.
    pub(super) async fn find(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Birth>, Error> {
        let key = message::id(conversation, id);
        if let Some(known) = self.read(key) {
            return Ok(Some(known));
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Error::Unavailable)?;
        timeout(DEADLINE, self.look_up(conversation, key)).await.map_err(|_| Error::Unavailable)?
    }

    /// Where it is, if there is such a message.
    pub async fn place(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Place>, Error> {
        Ok(self.find(conversation, id).await?.map(|birth| birth.place))
    }

    pub async fn is_born(&self, conversation: ConversationId, id: MessageId) -> Result<bool, Error> {
        Ok(self.find(conversation, id).await?.is_some())
    }

    async fn look_up(&self, conversation: ConversationId, key: Uuid) -> Result<Option<Birth>, Error> {
        let _runs = self.ask_for_room().await?;
        // Another command of the same message may have found it while this one waited.
        if let Some(known) = self.read(key) {
            return Ok(Some(known));
        }
        let found = self.ask(conversation, key).await?;
        if let Some(birth) = found {
            self.known().insert(key, birth);
        }
        Ok(found)
    }

    /// Leave to ask the log for one message: see [`AT_ONCE`].
    pub(super) async fn ask_for_room(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.running.acquire().await.map_err(|_| Error::Unavailable)
    }

    async fn ask(&self, conversation: ConversationId, key: Uuid) -> Result<Option<Birth>, Error> {
        let lane = self.log.lanes().of(conversation.0);
        let found = self.log.by_keys(lane, &[key]).await?.remove(&key);
        found.map_or(Ok(None), |record| birth(&record, conversation))
    }

    fn read(&self, key: Uuid) -> Option<Birth> {
        self.known().get(&key).copied()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Cache<Uuid, Birth>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event under that key, if it is a message of this conversation that was sent.
fn birth(record: &Record, conversation_id: ConversationId) -> Result<Option<Birth>, Error> {
    if record.noun != Noun::Conversation || record.aggregate_id != conversation_id.0 {
        return Ok(None);
    }
    let Event::MessageSent { message_id, seq, sender, body_kind: kind, details, .. } = record.decode()? else {
        return Ok(None);
    };
    let place = Place { conversation_id, message_id, seq, sender: Some(sender), sent_at: record.time };
    let of_key = || record.key.map(|key| Uuid::from_bytes(key.fingerprint));
    let (thread, sent) = (details.thread, details.said.or_else(of_key));
    Ok(Some(Birth { place, kind, thread, sent }))
}
