//! Commands that cross from one node to another: what goes over NATS, and both ends of it. At most once, in order per
//! lane; what gets lost is asked again under the same key by the [`crate::road`], so nothing here is tried twice.
//!
//! Whoever may publish on `natter.commands.>` may command anything: these subjects are for nodes only.

use crate::{Caller, error::Error, keys::Key, road::Roads};
use futures::StreamExt;
use natter_domain::{AccountId, Address, Code, Noun, SessionId, Timestamp};
use natter_streams::{Lane, Node, bus::Bus, event::CommandKey, subject};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
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
            Error::Refused { code, detail } => Self::Refused { code: code.as_str().to_owned(), detail },
            Error::Unavailable => Self::Unavailable,
            Error::Failed { .. } => Self::Failed,
        }
    }
}

/// What a refusal of another node says here. A code that is not known here is another version's.
pub(crate) fn refused(code: &str, detail: String) -> Error {
    match Code::ALL.iter().find(|known| known.as_str() == code) {
        Some(&code) => Error::Refused { code, detail },
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
        let numbered = Numbered { lane: self.lane, number: self.number, content };
        match serde_json::to_vec(&numbered) {
            Ok(bytes) => self.replies.send(self.subject, bytes),
            Err(error) => tracing::error!(%error, "encode a reply"),
        }
    }
}

/// Replies leave in order through one task: those who answer must not wait for the bus. As many as there were
/// admitted commands, so not more than these are bounded to.
#[derive(Clone)]
struct Replies(mpsc::UnboundedSender<(String, Vec<u8>)>);

impl Replies {
    fn start(bus: Bus) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<(String, Vec<u8>)>();
        tokio::spawn(async move {
            while let Some((subject, bytes)) = receiver.recv().await {
                if let Err(error) = bus.live().publish(subject, bytes.into()).await {
                    tracing::warn!(%error, "send a reply");
                }
            }
        });
        Self(sender)
    }

    fn send(&self, subject: String, bytes: Vec<u8>) {
        // An error means that the process ends.
        let _ = self.0.send((subject, bytes));
    }
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
    follow(&bus, subject::replies(me.start), &stop, |_, payload| {
        let Ok(Numbered { lane, number, content }) = serde_json::from_slice::<Numbered<Reply>>(payload) else {
            tracing::error!("a reply that cannot be read: another version of natter?");
            return;
        };
        roads.hear(Lane::new(lane), number, content);
    })
    .await;
}

/// Takes the commands that other nodes send here, until `stop`.
pub(crate) async fn serve(roads: Roads, bus: Bus, me: Node, stop: CancellationToken) {
    let replies = Replies::start(bus.clone());
    follow(&bus, subject::commands(me.start), &stop, |reply, payload| {
        let Some(subject) = reply else { return tracing::error!("a command that says not whom to answer") };
        match serde_json::from_slice::<Numbered<Envelope>>(payload) {
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
async fn follow(bus: &Bus, subject: String, stop: &CancellationToken, mut take: impl FnMut(Option<String>, &[u8])) {
    let followed = async {
        loop {
            match bus.live().subscribe(subject.clone()).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        take(message.reply.map(|subject| subject.to_string()), &message.payload);
                    }
                }
                Err(error) => tracing::warn!(%error, subject, "subscribe"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    stop.run_until_cancelled(followed).await;
}
