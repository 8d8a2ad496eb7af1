//! A client as a person's app would be: every message of every conversation once, strictly by `seq`, whatever
//! the connection, the broker or the server does.
//!
//! A push is taken as a hint. One that continues what we have is handed on; an older one is dropped; a later one
//! means a gap, which is fetched by range. An edit or a recall that comes again is dropped; one whose message is not here
//! yet waits for it. After every `ready` and `resync`, and on a slow jittered timer (a push
//! that was lost as the last one announces itself in no other way), it syncs from its cursor: what changed since is
//! told, and what is missing is fetched. On any close the connection is opened again, with jittered pauses that grow.

mod track;

use crate::{
    Close, Error, Signed,
    rest::Range,
    socket::{Handover, Incoming, Socket},
    wire::{self, InboxChanged},
};
use rand::Rng;
use std::{
    collections::{HashMap, HashSet},
    mem::take,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use track::Track;
use uuid::Uuid;

/// What waits to be taken by the caller; the follower stops reading pushes until then.
const UPDATES: usize = 1_024;
const PAGE: u32 = 200;

#[derive(Clone, Debug)]
pub struct Settings {
    /// How often the state is read without a reason, a third more or less.
    pub look_every: Duration,
    /// First pause before a connection is opened again; doubled up to `longest_pause`.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Where to go on: the last `seq` that is known of a conversation. Unnamed ones begin at their beginning.
    pub known: HashMap<Uuid, u64>,
    /// Where to go on with all else: the newest [`Update::Cursor`]. `None`: everything is told.
    pub cursor: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(30),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            known: HashMap::new(),
            cursor: None,
        }
    }
}

/// What a follower tells, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Update {
    /// The next message of its conversation.
    Message(Box<wire::Message>),
    /// A message that was told before, as it is now: it was edited, recalled, pinned, reacted to or marked. After a break it is
    /// told so alone; while online also by the push that comes.
    Changed(Box<wire::Message>),
    /// The person has deleted it for themselves. Told so after a break; while online by the push that comes.
    Deleted(wire::DeletedMessage),
    /// A conversation that is new or has changed, as it is now.
    Conversation(Box<wire::OwnConversation>),
    /// What else has changed, as it is now: friends, settings, threads, what waits to be sent. Conversations and messages are
    /// told by themselves; what this names as `left` is in no list of theirs any more, and begins anew if they come back.
    Rest(Box<wire::Sync>),
    /// All up to here was told: where to go on after a restart.
    Cursor(String),
    /// Any push, as it came, also one that tells nothing new. Messages come as [`Update::Message`] only.
    Push(Box<wire::Push>),
    /// The connection is open: what happens from here on is pushed.
    Online,
    Offline(Close),
}

/// Follows one person's conversations until it is dropped or the session ends.
pub struct Follower {
    updates: mpsc::Receiver<Update>,
    task: tokio::task::JoinHandle<()>,
}

impl Follower {
    pub fn start(person: Signed, settings: Settings) -> Self {
        let (tell, updates) = mpsc::channel(UPDATES);
        let tracks = settings.known.iter().map(|(&id, &seq)| (id, Track::after(seq))).collect();
        let cursor = settings.cursor.clone();
        let gone = HashSet::new();
        let run = Run { person, settings, tracks, gone, cursor, tell, look_at: Instant::now(), failures: 0 };
        Self { updates, task: tokio::spawn(run.forever()) }
    }

    /// `None`: the session has ended.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Stop {
    /// The connection is gone; the next one may be better.
    Closed(Close),
    /// The session has ended, or nobody listens any more.
    Ended,
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self::Closed(close)
    }
}

struct Run {
    person: Signed,
    settings: Settings,
    tracks: HashMap<Uuid, Track>,
    /// What was left: a push of it that comes late, or again, is of nothing that anybody holds.
    gone: HashSet<Uuid>,
    /// What sync has told up to; `None`: nothing yet.
    cursor: Option<String>,
    tell: mpsc::Sender<Update>,
    /// When the state is read next.
    look_at: Instant,
    /// Since something worked.
    failures: u32,
}

impl Run {
    async fn forever(mut self) {
        while let Stop::Closed(close) = self.connection().await {
            let at_once = close.code == Some(Close::RESTART);
            if close.code == Some(Close::REVOKED) {
                let _ = self.tell(Update::Offline(close)).await;
                return;
            }
            if self.tell(Update::Offline(close)).await.is_err() {
                return;
            }
            tokio::time::sleep(self.pause(at_once)).await;
        }
    }

    /// One connection, from its opening to its end.
    async fn connection(&mut self) -> Stop {
        match self.try_connection().await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn try_connection(&mut self) -> Result<std::convert::Infallible, Stop> {
        let mut socket = self.open().await?;
        let (_, mut renew_at) = self.person.access_token().await.map_err(|error| stop(&error))?;
        self.look().await?;
        self.tell(Update::Online).await?;
        loop {
            tokio::select! {
                incoming = socket.next() => self.heard(incoming?).await?,
                () = tokio::time::sleep_until(self.look_at) => self.look().await?,
                () = tokio::time::sleep_until(renew_at.into()) => renew_at = self.renew(&socket).await?,
            }
        }
    }

    async fn open(&mut self) -> Result<Socket, Stop> {
        let error = match Socket::connect(&self.person, Handover::Header).await {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        if matches!(error.code(), Some("unauthenticated" | "token_expired")) {
            self.person.refresh().await.map_err(|error| stop(&error))?;
        }
        Err(stop(&error))
    }

    /// Keeps the connection alive beyond the token that opened it.
    async fn renew(&mut self, socket: &Socket) -> Result<std::time::Instant, Stop> {
        let (token, renew_at) = self.person.access_token().await.map_err(|error| stop(&error))?;
        // Answered or not: should it have failed, the server closes, and we come back.
        let _ = socket.requests().renew(&token).await;
        Ok(renew_at.max(std::time::Instant::now() + self.settings.first_pause))
    }

    async fn heard(&mut self, incoming: Incoming) -> Result<(), Stop> {
        match incoming {
            Incoming::Push(push) => self.pushed(push).await,
            Incoming::Notice(wire::Notice::Resync { .. }) => self.look().await,
            Incoming::Notice(_) | Incoming::Unknown(_) => Ok(()),
        }
    }

    async fn pushed(&mut self, push: Box<wire::Push>) -> Result<(), Stop> {
        if let wire::Push::InboxChanged { conversation_id, changed: InboxChanged::Cleared { cleared_seq }, .. } = *push
        {
            self.forget(conversation_id, cleared_seq).await?;
        }
        if let wire::Push::MessageDeleted { conversation_id, seq, .. } = *push {
            self.delete(conversation_id, seq).await?;
        }
        let wire::Push::MessageSent { message, position } = *push else { return self.told(push).await };
        let id = message.conversation_id;
        if self.gone.contains(&id) {
            return Ok(());
        }
        let next = self.track(id).take(message);
        self.hand_on(next).await?;
        if self.track(id).is_behind() {
            let fetched = self.fetch(id, Some(&position)).await;
            self.settle(fetched)?;
        }
        Ok(())
    }

    /// What became of a message is handed on behind the message, and once.
    async fn told(&mut self, push: Box<wire::Push>) -> Result<(), Stop> {
        if let wire::Push::MessageMarked { conversation_id, seq, .. }
        | wire::Push::MessageCountdown { conversation_id, seq, .. } = *push
        {
            return match self.track(conversation_id).mark(seq, *push) {
                Some(push) => self.tell(Update::Push(Box::new(push))).await,
                None => Ok(()),
            };
        }
        if let wire::Push::ConversationStarted { conversation, .. } = &*push {
            self.gone.remove(&conversation.id);
        }
        let (wire::Push::MessageEdited { message, .. } | wire::Push::MessageRecalled { message, .. }) = &*push else {
            return self.tell(Update::Push(push)).await;
        };
        match self.track(message.conversation_id).change(message, (*push).clone()) {
            Some(push) => self.tell(Update::Push(Box::new(push))).await,
            None => Ok(()),
        }
    }

    async fn forget(&mut self, conversation: Uuid, up_to: u64) -> Result<(), Stop> {
        let next = self.track(conversation).forget(up_to);
        self.hand_on(next).await
    }

    async fn delete(&mut self, conversation: Uuid, seq: u64) -> Result<(), Stop> {
        let next = self.track(conversation).delete(seq);
        self.hand_on(next).await
    }

    fn track(&mut self, conversation: Uuid) -> &mut Track {
        self.tracks.entry(conversation).or_insert_with(|| Track::after(0))
    }

    /// Asks what changed, and fetches whatever is missing.
    async fn look(&mut self) -> Result<(), Stop> {
        self.look_at = Instant::now() + jittered(self.settings.look_every);
        let looked = self.sync().await;
        self.settle(looked)
    }

    async fn sync(&mut self) -> Result<(), Trouble> {
        loop {
            let told = self.ask().await?;
            let more = told.more;
            self.take(told).await?;
            if !more {
                self.fetch_all().await?;
                // Not before: what is missing would be fetched by nobody who goes on from there.
                let cursor = self.cursor.clone().unwrap_or_default();
                return Ok(self.tell(Update::Cursor(cursor)).await?);
            }
        }
    }

    /// A cursor that serves no more, after a loss of the log, makes room for none: everything is told anew.
    async fn ask(&mut self) -> Result<wire::Sync, Error> {
        let told = self.person.sync(self.cursor.as_deref()).await;
        match &told {
            Err(error) if self.cursor.is_some() && matches!(error.code(), Some("gone" | "invalid_input")) => {
                self.cursor = None;
                self.person.sync(None).await
            }
            _ => told,
        }
    }

    async fn take(&mut self, mut told: wire::Sync) -> Result<(), Stop> {
        // A channel stands there too, as one may read it who does not subscribe.
        told.conversations.retain(|own| own.subscribed != Some(false));
        told.left.retain(|id| !told.conversations.iter().any(|own| own.conversation.id == *id));
        for id in &told.left {
            // Should they come back, it begins anew.
            self.tracks.remove(id);
            self.gone.insert(*id);
        }
        let (conversations, messages) = (take(&mut told.conversations), take(&mut told.messages));
        let deleted = take(&mut told.deleted_messages);
        for own in conversations {
            self.gone.remove(&own.conversation.id);
            let (joined, newest) = (own.joined_seq, own.conversation.last_seq);
            // Where there is anything to fetch, what was said in earlier stays is fetched with it; of a channel there always is.
            let begins = if newest > joined || own.conversation.kind == "channel" { 0 } else { joined };
            let track = self.tracks.entry(own.conversation.id).or_insert_with(|| Track::after(begins));
            track.heard = track.heard.max(newest);
            self.forget(own.conversation.id, own.cleared_seq).await?;
            self.tell(Update::Conversation(Box::new(own))).await?;
        }
        for deleted in deleted {
            self.delete(deleted.conversation_id, deleted.seq).await?;
            self.tell(Update::Deleted(deleted)).await?;
        }
        for message in messages {
            // Those that were not handed on yet are fetched as they are, or are so from now on.
            if message.seq <= self.track(message.conversation_id).last {
                self.track(message.conversation_id).note(&message);
                self.tell(Update::Changed(Box::new(message))).await?;
            } else {
                self.track(message.conversation_id).replace(message);
            }
        }
        self.cursor = Some(told.cursor.clone());
        self.tell(Update::Rest(Box::new(told))).await
    }

    /// What an earlier look could not fetch is still missing, though the cursor is behind it. One that has to wait holds up
    /// no other.
    async fn fetch_all(&mut self) -> Result<(), Trouble> {
        let behind: Vec<Uuid> = self.tracks.iter().filter(|(_, track)| track.is_behind()).map(|(&id, _)| id).collect();
        let mut fetched = Ok(());
        for id in behind {
            match self.fetch(id, None).await {
                Err(Trouble::TooEarly) => fetched = Err(Trouble::TooEarly),
                other => other?,
            }
        }
        fetched
    }

    /// Fetches what a conversation lacks, up to what we heard of.
    async fn fetch(&mut self, conversation: Uuid, position: Option<&str>) -> Result<(), Trouble> {
        let person = position.map_or_else(|| self.person.clone(), |position| self.person.at(position));
        while self.track(conversation).is_behind() {
            let range = Range { after_seq: Some(self.track(conversation).last), limit: Some(PAGE), ..Range::default() };
            let messages = person.messages(conversation, range).await?;
            let found = !messages.is_empty();
            let next = self.track(conversation).take_range(messages);
            self.hand_on(next).await?;
            if !found {
                // The history does not have it yet.
                return Err(Trouble::TooEarly);
            }
        }
        Ok(())
    }

    async fn hand_on(&mut self, messages: Vec<wire::Message>) -> Result<(), Stop> {
        for mut message in messages {
            // A push leaves them out: nobody has reacted yet to what was just sent.
            message.reactions.get_or_insert_default();
            message = self.track(message.conversation_id).veiled(message);
            let waited = self.track(message.conversation_id).handed_on(&message);
            self.tell(Update::Message(Box::new(message))).await?;
            for push in waited {
                self.tell(Update::Push(Box::new(push))).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, update: Update) -> Result<(), Stop> {
        self.tell.send(update).await.map_err(|_| Stop::Ended)
    }

    /// A read that failed is made again soon, on the same connection.
    fn settle(&mut self, outcome: Result<(), Trouble>) -> Result<(), Stop> {
        match outcome {
            Ok(()) => self.failures = 0,
            Err(Trouble::Stop(stop)) => return Err(stop),
            Err(Trouble::TooEarly) => self.look_at = Instant::now() + self.pause(false),
        }
        Ok(())
    }

    /// Grows with every failure in a row, and is never the same for all.
    fn pause(&mut self, at_once: bool) -> Duration {
        self.failures += u32::from(!at_once);
        let doubled = self.settings.first_pause * 2u32.pow(self.failures.min(10));
        jittered(if at_once { self.settings.first_pause } else { doubled.min(self.settings.longest_pause) })
    }
}

enum Trouble {
    TooEarly,
    Stop(Stop),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) if problem.status == 401 => {
                Self::Stop(Stop::Closed(closed(&Error::Problem(problem))))
            }
            Error::Spent => Self::Stop(Stop::Ended),
            _ => Self::TooEarly,
        }
    }
}

fn stop(error: &Error) -> Stop {
    match error {
        Error::Closed(close) => Stop::Closed(close.clone()),
        Error::Spent => Stop::Ended,
        Error::Problem(problem) if problem.status == 401 && problem.code != "token_expired" => Stop::Ended,
        _ => Stop::Closed(closed(error)),
    }
}

fn closed(error: &Error) -> Close {
    Close { code: None, reason: error.to_string() }
}

fn jittered(around: Duration) -> Duration {
    around.mul_f64(rand::rng().random_range(0.67..1.33))
}
