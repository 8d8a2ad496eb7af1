//! Pipelined publishing of one lane's events, and their acknowledgements. The client's own way makes an inbox, a
//! channel, a timer and two boxes for each message; here the acknowledgements of a window come to one inbox, in the
//! order of the stream. What comes out of that order, what is refused and what stays away too long is an error: it says
//! nothing but that the window is over.

use crate::{Error, Lane, Link, Record, bus::Bus, stream, subject};
use async_nats::{Client, Message, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, timeout_at};

/// How long an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A window: what was published in it and has no answer yet.
pub(crate) struct Publisher {
    client: Client,
    inbox: String,
    acks: Subscriber,
    waiting: VecDeque<(Link, Instant)>,
}

/// What the server says to a publish.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    seq: u64,
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize, Debug, thiserror::Error)]
#[error("the server says: {description} ({err_code})")]
struct Refusal<'a> {
    #[serde(borrow)]
    description: std::borrow::Cow<'a, str>,
    err_code: u64,
}

impl Publisher {
    /// An inbox of its own: what still comes for an older window is not heard here.
    pub(crate) async fn start(bus: &Bus) -> Result<Self, Error> {
        let client = bus.publishing().client();
        let inbox = client.new_inbox();
        let acks = client.subscribe(inbox.clone()).await.map_err(Error::bus("subscribe to acknowledgements"))?;
        Ok(Self { client, inbox, acks, waiting: VecDeque::new() })
    }

    /// How many have no answer yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) async fn publish(&mut self, subject: String, record: &Record) -> Result<(), Error> {
        let (headers, payload) = (stream::headers(record), stream::payload(record));
        self.waiting.push_back((record.link(), Instant::now() + PATIENCE));
        self.client
            .publish_with_reply_and_headers(subject, self.inbox.clone(), headers, payload)
            .await
            .map_err(Error::bus(format!("publish lane {} position {}", record.lane, record.position)))
    }

    /// The newest of those that were answered in the meantime, all well; waits for one, for ever where none is waited
    /// for. Dropped before it has ended it loses nothing.
    pub(crate) async fn acknowledged(&mut self) -> Result<Link, Error> {
        let Some((link, until)) = self.waiting.front().copied() else { std::future::pending().await };
        let message = timeout_at(until, self.acks.next()).await.map_err(late(&link))?;
        let mut newest = self.accept(message)?;
        while !self.waiting.is_empty()
            && let Some(message) = self.acks.next().now_or_never()
        {
            newest = self.accept(message)?;
        }
        Ok(newest)
    }

    fn accept(&mut self, message: Option<Message>) -> Result<Link, Error> {
        let message = message.ok_or_else(|| Error::Unfit("the connection for publishing has ended".to_owned()))?;
        let (link, _) = self.waiting.pop_front().expect("the caller has looked: one waits");
        answered(&message, link.lane, link.position)?;
        Ok(link)
    }
}

fn late<E: Into<Box<dyn std::error::Error + Send + Sync>>>(link: &Link) -> impl FnOnce(E) -> Error {
    Error::bus(format!("publish lane {} position {}", link.lane, link.position))
}

/// Stored, and at this position.
fn answered(message: &Message, lane: Lane, position: u64) -> Result<(), Error> {
    let what = || format!("publish lane {lane} position {position}");
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Error::Unfit(format!("{}: there is no stream {}", what(), subject::stream(lane))));
    }
    let answer: Answer<'_> = serde_json::from_slice(&message.payload).map_err(Error::bus(what()))?;
    match answer.error {
        Some(refusal) => Err(Error::bus(what())(refusal.to_string())),
        None if answer.seq == position => Ok(()),
        None => Err(Error::Unfit(format!("position {position} was stored as message {}", answer.seq))),
    }
}
