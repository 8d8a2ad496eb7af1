//! Commands that cross from one node to another: what goes over NATS, and both ends of it. At most once, in order per
//! lane; what gets lost is asked again under the same key by the [`crate::road`], so nothing here is tried twice.
//!
//! Whoever may publish on `natter.commands.>` may command anything: these subjects are for nodes only.

use crate::{Caller, error::Error, keys::Key, road::Roads};
use futures::StreamExt;
use natter_domain::{AccountId, Address, Code, Noun, SessionId, Timestamp};
use natter_streams::{
    Lane, Node,
    bus::{Bus, Message, StatusCode},
    event::CommandKey,
    subject,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{fmt::Display, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PAUSE: Duration = Duration::from_secs(1);

/// A command on its way to another node.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope {
    noun: String,
    aggregate: Uuid,
    route: Uuid,
    account: Option<AccountId>,
    session: Option<SessionId>,
    key: Option<WireKey>,
    /// `None`: only look.
    pub command: Option<Box<RawValue>>,
    /// What is left of the caller's patience: a duration, because clocks differ.
    patience_ms: u64,
    /// The number of the first question that was asked in one go with this: see [`crate::runs`].
    pub run: u64,
}

#[derive(Serialize, Deserialize)]
struct WireKey {
    key: Uuid,
    fingerprint: Uuid,
    made_at: Option<i64>,
}

impl Envelope {
    pub fn new(
        address: Address,
        caller: Option<Caller>,
        key: Option<Key>,
        command: Option<Box<RawValue>>,
        deadline: Instant,
    ) -> Self {
        let patience = deadline.saturating_duration_since(Instant::now());
        Self {
            noun: address.noun.to_string(),
            aggregate: address.id,
            route: address.route,
            account: caller.map(|caller| caller.account),
            session: caller.map(|caller| caller.session),
            key: key.map(|key| WireKey {
                key: key.stored.key,
                fingerprint: Uuid::from_bytes(key.stored.fingerprint),
                made_at: key.made_at.map(Timestamp::as_millis),
            }),
            command,
            patience_ms: patience.as_millis() as u64,
            run: 0,
        }
    }

    pub fn address(&self) -> Option<Address> {
        Some(Address { noun: Noun::parse(&self.noun)?, id: self.aggregate, route: self.route })
    }

    pub fn caller(&self) -> Option<Caller> {
        self.account.zip(self.session).map(|(account, session)| Caller { account, session })
    }

    pub fn key(&self) -> Option<Key> {
        self.key.as_ref().map(|key| Key {
            stored: CommandKey { key: key.key, fingerprint: key.fingerprint.into_bytes() },
            made_at: key.made_at.map(Timestamp::from_millis),
            is_ours: false,
        })
    }

    pub fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.patience_ms).min(crate::dispatch::DEADLINE)
    }
}

/// The answer that comes back.
#[derive(Serialize, Deserialize)]
pub(crate) enum Reply {
    Done {
        events: Vec<(Box<RawValue>, Timestamp)>,
        positions: String,
        repeated: bool,
    },
    Looked {
        state: Box<RawValue>,
        positions: String,
    },
    Refused {
        code: String,
        detail: String,
        until: Option<Timestamp>,
        #[serde(default)]
        pointer: Option<String>,
    },
    Failed,
    /// No room, or nobody could answer in time.
    Unavailable,
    /// The lane is not here; perhaps with this node.
    Moved {
        owner: Option<String>,
    },
}

impl Reply {
    pub fn moved(owner: Option<&Node>) -> Self {
        Self::Moved { owner: owner.map(ToString::to_string) }
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { code, detail, until, pointer } => {
                Self::Refused { code: code.as_str().to_owned(), detail, until, pointer }
            }
            Error::Unavailable => Self::Unavailable,
            // Found before a lane is asked, never by one.
            Error::UnknownAccount { .. } | Error::TooOften { .. } | Error::SecondFactorRequired { .. } => Self::Failed,
            Error::Failed { .. } => Self::Failed,
        }
    }
}

/// What a refusal of another node says here. A code that is not known here is another version's.
pub(crate) fn refused(code: &str, detail: String, until: Option<Timestamp>, pointer: Option<String>) -> Error {
    match Code::ALL.iter().find(|known| known.as_str() == code) {
        Some(&code) => Error::Refused { code, detail, until, pointer },
        None => Error::Failed { what: "understand a refusal", source: format!("unknown code {code}").into() },
    }
}

/// A command and its number, as they go over the wire: the number comes back with the reply.
#[derive(Serialize, Deserialize)]
struct Numbered<T> {
    lane: u8,
    number: u64,
    content: T,
}

/// Who asked from afar.
pub(crate) struct Asker {
    replies: Replies,
    /// Where it hears: nobody else does.
    pub subject: String,
    lane: u8,
    pub number: u64,
}

impl Asker {
    pub fn say(self, content: Reply) {
        let Self { replies, subject, lane, number } = self;
        // An error means that the process ends.
        let _ = replies.0.send(Letter { subject, answer: Numbered { lane, number, content } });
    }
}

/// An answer on its way.
struct Letter {
    subject: String,
    answer: Numbered<Reply>,
}

/// Replies leave in order through one task: those who answer must not wait for the bus. Not bounded: what was not admitted
/// is answered as well, and an answer's room is free again once it lies here.
#[derive(Clone)]
struct Replies(mpsc::UnboundedSender<Letter>);

impl Replies {
    fn start(bus: Bus) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let client = bus.live().clone();
            let publish = |subject: String, bytes: Vec<u8>| {
                let client = client.clone();
                async move { client.publish(subject, bytes.into()).await }
            };
            while let Some(letter) = receiver.recv().await {
                deliver(letter, &publish).await;
            }
        });
        Self(sender)
    }
}

/// An answer that cannot leave, because it is too large, is a failure: asking again would not make it smaller.
async fn deliver<F, E>(Letter { subject, answer }: Letter, publish: impl Fn(String, Vec<u8>) -> F)
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let Err(error) = publish(subject.clone(), encoded(&answer)).await else { return };
    tracing::error!(%error, "send a reply");
    let failed = Numbered { content: Reply::Failed, ..answer };
    if let Err(error) = publish(subject, encoded(&failed)).await {
        tracing::warn!(%error, "say that a reply could not be sent");
    }
}

fn encoded(answer: &Numbered<Reply>) -> Vec<u8> {
    serde_json::to_vec(answer).expect("it holds JSON, strings and numbers only")
}

/// Sends a command to the node that owns its lane.
pub(crate) async fn ask(bus: &Bus, me: &Node, to: &Node, lane: Lane, number: u64, content: Envelope) {
    let numbered = Numbered { lane: lane.index() as u8, number, content };
    let sent = match serde_json::to_vec(&numbered) {
        Ok(bytes) => bus
            .live()
            .publish_with_reply(subject::commands(to.start), subject::replies(me.start), bytes.into())
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    // What did not leave is asked again like what was lost.
    if let Err(error) = sent {
        tracing::warn!(%lane, number, error, "ask another node");
    }
}

/// Hears the replies to what was asked, until `stop`.
pub(crate) async fn hear(roads: Roads, bus: Bus, me: Node, stop: CancellationToken) {
    follow(&bus, subject::replies(me.start), &stop, |message| match Heard::of(&message) {
        Heard::Reply(Numbered { lane, number, content }) => roads.hear(Lane::new(lane), number, content),
        Heard::Nobody => roads.nobody_there(),
        Heard::Unreadable => tracing::error!("a reply that cannot be read: another version of natter?"),
    })
    .await;
}

enum Heard {
    Reply(Numbered<Reply>),
    /// NATS itself says that nobody listens where we asked. It does not say which question it was.
    Nobody,
    Unreadable,
}

impl Heard {
    fn of(message: &Message) -> Self {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Self::Nobody;
        }
        serde_json::from_slice(&message.payload).map_or(Self::Unreadable, Self::Reply)
    }
}

/// Takes the commands that other nodes send here, until `stop`.
pub(crate) async fn serve(roads: Roads, bus: Bus, me: Node, stop: CancellationToken) {
    let replies = Replies::start(bus.clone());
    follow(&bus, subject::commands(me.start), &stop, |message| {
        let Some(subject) = message.reply.map(|subject| subject.to_string()) else {
            return tracing::error!("a command that says not whom to answer");
        };
        match serde_json::from_slice::<Numbered<Envelope>>(&message.payload) {
            Ok(Numbered { lane, number, content }) => {
                roads.receive(Asker { replies: replies.clone(), subject, lane, number }, &content);
            }
            // Its number cannot be read: who asked will ask again, and then give up.
            Err(error) => tracing::error!(%error, "a command that cannot be read: another version of natter?"),
        }
    })
    .await;
}

/// Every message of a subject, in order. The client renews the subscription after a reconnect.
async fn follow(bus: &Bus, subject: String, stop: &CancellationToken, mut take: impl FnMut(Message)) {
    let followed = async {
        loop {
            match bus.live().subscribe(subject.clone()).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        take(message);
                    }
                }
                Err(error) => tracing::warn!(%error, subject, "subscribe"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    stop.run_until_cancelled(followed).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn message(payload: &str, status: Option<StatusCode>) -> Message {
        let (subject, payload) = ("natter.replies.x".into(), payload.to_owned().into());
        Message { subject, reply: None, payload, headers: None, status, description: None, length: 0 }
    }

    #[test]
    fn that_nobody_is_there_is_no_broken_reply() {
        let nobody = message("", Some(StatusCode::NO_RESPONDERS));
        assert!(matches!(Heard::of(&nobody), Heard::Nobody));
        assert!(matches!(Heard::of(&message("", None)), Heard::Unreadable));
        let reply = message(r#"{"lane":1,"number":2,"content":"Failed"}"#, None);
        assert!(matches!(Heard::of(&reply), Heard::Reply(Numbered { lane: 1, number: 2, content: Reply::Failed })));
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_told_as_a_failure() {
        let told = Mutex::new(Vec::new());
        let publish = async |_: String, bytes: Vec<u8>| {
            if bytes.len() > 200 {
                return Err("too large");
            }
            told.lock().expect("nobody panics").push(bytes);
            Ok(())
        };
        for detail in ["small", &"large".repeat(100)] {
            let content =
                Reply::Refused { code: "conflict".to_owned(), detail: detail.to_owned(), until: None, pointer: None };
            let answer = Numbered { lane: 1, number: detail.len() as u64, content };
            deliver(Letter { subject: "x".to_owned(), answer }, &publish).await;
        }
        let told = told.into_inner().unwrap();
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<Numbered<Reply>>(bytes).unwrap();
        let [small, large] = &told[..] else { panic!("each is answered once") };
        assert!(matches!(read(small), Numbered { number: 5, content: Reply::Refused { .. }, .. }));
        assert!(matches!(read(large), Numbered { lane: 1, number: 500, content: Reply::Failed }));
    }
}
