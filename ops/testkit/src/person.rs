//! People: each with an account, an app that follows what happens (a real WebSocket), and a diary of what it
//! showed them.

use crate::{
    eventually::{BOUND, eventually},
    raw::{Raw, RawSocket},
};
use natter_client::{
    Client, Error, Follower, Signed,
    follow::{Settings, Update},
    rest::{Answer, Page, Range},
    socket::{Handover, Socket},
    wire,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery staple";

/// How long somebody tries again while the server is away.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Person {
    pub name: String,
    signed: Signed,
    diary: Arc<Mutex<Vec<Update>>>,
    /// The conversation with each friend, by the friend's account.
    with: Mutex<HashMap<Uuid, Uuid>>,
    app: Mutex<JoinHandle<()>>,
}

impl Person {
    /// A new account. User names are unique in an installation, and so are the names of a test's people.
    pub(crate) async fn register(client: Client, name: &str) -> Self {
        let registration = wire::Register::new(name, PASSWORD);
        let signed = client.register(&registration).await;
        let signed = signed.unwrap_or_else(|error| panic!("{name} registers: {error}"));
        Self::online(name, signed).await
    }

    /// Somebody who was here before, on a device of its own.
    pub(crate) async fn sign_in(client: Client, name: &str) -> Self {
        let password = Some(PASSWORD.to_owned());
        let login = wire::Login { login: name.to_owned(), password, device: None, code: None };
        let signed = client.login(&login).await;
        Self::online(name, signed.unwrap_or_else(|error| panic!("{name} signs in: {error}"))).await
    }

    /// From here on, what happens is pushed to them.
    async fn online(name: &str, signed: Signed) -> Self {
        let diary = Arc::default();
        let app = Mutex::new(follow(signed.clone(), Settings::default(), Arc::clone(&diary)));
        let person = Self { name: name.to_owned(), signed, diary, with: Mutex::default(), app };
        person.comes_online().await;
        person
    }

    async fn comes_online(&self) {
        self.sees_that("that they are online", |update| (*update == Update::Online).then_some(())).await;
    }

    /// Another device of the same person, signed in by itself: an empty diary.
    pub async fn on_another_device(&self) -> Self {
        let login =
            wire::Login { login: self.name.clone(), password: Some(PASSWORD.to_owned()), code: None, device: None };
        let signed = self.signed.client().login(&login).await;
        let signed = signed.unwrap_or_else(|error| panic!("{} signs in again: {error}", self.name));
        let other = Self::online(&self.name, signed).await;
        *lock(&other.with) = lock(&self.with).clone();
        other
    }

    /// Has their app look at the state this often, and begin its diary anew.
    pub async fn looks_every(&self, every: Duration) {
        let settings = Settings { look_every: every, ..Settings::default() };
        let before = {
            let mut app = lock(&self.app);
            app.abort();
            std::mem::replace(&mut *app, tokio::spawn(async {}))
        };
        // It has written its last when it has ended.
        let _ = before.await;
        lock(&self.diary).clear();
        *lock(&self.app) = follow(self.signed.clone(), settings, self.diary.clone());
        self.comes_online().await;
    }

    pub fn id(&self) -> Uuid {
        self.signed.id()
    }

    /// The typed client, signed in.
    pub fn client(&self) -> &Signed {
        &self.signed
    }

    /// In raw JSON, signed in.
    pub async fn raw(&self) -> Raw {
        let tokens = self.signed.tokens().await;
        Raw::new(self.signed.client().clone(), Some(&tokens.access_token))
    }

    /// A second connection of this device, in raw JSON, ready.
    pub async fn raw_socket(&self) -> RawSocket {
        let mut socket = self.raw().await.socket().await;
        socket.event("ready").await;
        socket
    }

    /// A second connection of this device, typed, ready.
    pub async fn socket(&self) -> Socket {
        let socket = Socket::connect(&self.signed, Handover::Header).await;
        socket.unwrap_or_else(|error| panic!("{} opens a WebSocket: {error}", self.name))
    }

    /// Asks, the other accepts. Their conversation is open when this returns.
    pub async fn befriends(&self, other: &Self) -> Uuid {
        let asked = self.signed.request_friend(other.id(), None).await;
        let asked = asked.unwrap_or_else(|error| panic!("{} asks {}: {error}", self.name, other.name));
        let accepted = other.signed.accept_friend(asked.id).await;
        let accepted = accepted.unwrap_or_else(|error| panic!("{} accepts {}: {error}", other.name, self.name));
        let conversation = accepted.conversation_id.expect("an accepted request names the conversation");
        lock(&self.with).insert(other.id(), conversation);
        lock(&other.with).insert(self.id(), conversation);
        conversation
    }

    /// The conversation with a friend.
    pub fn conversation_with(&self, friend: &Self) -> Uuid {
        let found = lock(&self.with).get(&friend.id()).copied();
        found.unwrap_or_else(|| panic!("{} has befriended {}", self.name, friend.name))
    }

    /// Sends a text, again under the same id while the server is away; the first answer that came.
    pub async fn says(&self, friend: &Self, text: &str) -> Answer<wire::MessageSent> {
        let conversation = self.conversation_with(friend);
        let message = wire::MessageNew::new(natter_client::new_id(), text_body(text));
        self.insists(&format!("says {text:?}"), async || self.signed.send(conversation, &message).await).await
    }

    /// Moves the read cursor.
    pub async fn reads(&self, friend: &Self, seq: u64) -> Answer<wire::ReadUpTo> {
        let conversation = self.conversation_with(friend);
        self.insists(&format!("reads up to {seq}"), async || self.signed.read_up_to(conversation, seq).await).await
    }

    /// Does it again while the server is away. What is done must bear repetition.
    pub async fn insists<T>(&self, what: &str, mut act: impl AsyncFnMut() -> Result<T, Error>) -> T {
        let what = format!("{} {what}", self.name);
        eventually(&what, PATIENCE, async || match act().await {
            Ok(done) => Ok(done),
            Err(error) if error.is_passing() => Err(error.to_string()),
            Err(error) => panic!("{what}: {error}"),
        })
        .await
    }

    /// Waits until their app has shown this text.
    pub async fn sees(&self, text: &str) -> wire::Message {
        let body = Some(text_body(text));
        self.sees_that(&format!("{text:?}"), |update| match update {
            Update::Message(message) if message.body == body => Some((**message).clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a push. The app tells a message as [`Update::Message`], everything else as it came.
    pub async fn is_told<T>(&self, what: &str, pick: impl Fn(&wire::Push) -> Option<T>) -> T {
        self.sees_that(what, |update| match update {
            Update::Push(push) => pick(push),
            _ => None,
        })
        .await
    }

    /// Waits until their app has shown something.
    pub async fn sees_that<T>(&self, what: &str, pick: impl Fn(&Update) -> Option<T>) -> T {
        eventually(&format!("{} sees {what}", self.name), BOUND, async || {
            let diary = lock(&self.diary);
            diary.iter().find_map(&pick).ok_or_else(|| format!("they saw {}", told(&diary)))
        })
        .await
    }

    /// Everything that their app has told.
    pub fn diary(&self) -> Vec<Update> {
        lock(&self.diary).clone()
    }

    /// Every message that their app has shown, in the order in which it did.
    pub fn shown(&self) -> Vec<wire::Message> {
        let diary = lock(&self.diary);
        let messages = diary.iter().filter_map(|update| match update {
            Update::Message(message) => Some((**message).clone()),
            _ => None,
        });
        messages.collect()
    }

    /// The texts of one conversation, in the order in which the app showed them.
    pub fn shown_texts(&self, conversation: Uuid) -> Vec<String> {
        let messages = self.shown().into_iter().filter(|message| message.conversation_id == conversation);
        messages.map(|message| text_of(&message)).collect()
    }

    /// Waits until the app has shown so many messages of a conversation.
    pub async fn has_been_shown(&self, conversation: Uuid, count: usize, bound: Duration) -> Vec<wire::Message> {
        eventually(&format!("{} is shown {count} messages", self.name), bound, async || {
            let mut messages = self.shown();
            messages.retain(|message| message.conversation_id == conversation);
            if messages.len() >= count { Ok(messages) } else { Err(format!("{} were shown", messages.len())) }
        })
        .await
    }

    /// The whole conversation as it was at this position or later, oldest first, read over REST.
    pub async fn history(&self, conversation: Uuid, position: &str) -> Vec<wire::Message> {
        let reader = self.signed.at(position);
        let mut all: Vec<wire::Message> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message.seq);
            let range = Range { after_seq: Some(after), limit: Some(200), ..Range::default() };
            let page = self.insists("reads the history", async || reader.messages(conversation, range).await).await;
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// The conversation as it stands in their list.
    pub async fn listed(&self, conversation: Uuid) -> Option<wire::OwnConversation> {
        let listed = self.insists("lists", async || self.signed.conversations(&Page::default()).await).await;
        listed.items.into_iter().find(|own| own.conversation.id == conversation)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        lock(&self.app).abort();
    }
}

fn follow(signed: Signed, settings: Settings, diary: Arc<Mutex<Vec<Update>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut follower = Follower::start(signed, settings);
        while let Some(update) = follower.next().await {
            lock(&diary).push(update);
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text_body(text: &str) -> wire::Body {
    wire::Body::text(text)
}

fn text_of(message: &wire::Message) -> String {
    match &message.body {
        Some(wire::Body::Text { text, .. }) => text.clone(),
        Some(wire::Body::System { code, .. }) => format!("({code})"),
        Some(_) => "(no text)".to_owned(),
        None => "(nothing)".to_owned(),
    }
}

/// A diary for the message of a failure.
fn told(diary: &[Update]) -> String {
    let lines: Vec<String> = diary.iter().rev().take(40).rev().map(line).collect();
    format!("{} things, the last of them:\n  {}", diary.len(), lines.join("\n  "))
}

fn line(update: &Update) -> String {
    match update {
        Update::Message(message) => format!("message {} {:?}", message.seq, text_of(message)),
        Update::Changed(message) => format!("message {} is now {:?}", message.seq, text_of(message)),
        Update::Deleted(deleted) => format!("message {} is deleted for oneself", deleted.seq),
        Update::Conversation(own) => {
            format!("conversation {} up to {}, {} unread", own.conversation.id, own.conversation.last_seq, own.unread)
        }
        Update::Rest(_) => "what else a sync told".to_owned(),
        Update::Cursor(_) => "all up to a cursor".to_owned(),
        Update::Push(push) => format!("push {push:?}"),
        Update::Online => "online".to_owned(),
        Update::Offline(close) => format!("offline: {close}"),
    }
}
