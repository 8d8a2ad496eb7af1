//! Somebody who is online: a connection that a task of its own keeps, and what they do over it.

use super::{kind::Kind, ledger::Ledger};
use anyhow::{Context, Result, bail};
use natter_client::{
    Client,
    socket::{Frame, Frames},
    wire,
};
use natter_streams::id;
use rand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: u32 = 30;
/// With the moment in front of it.
const WORDS: &str = "shall we meet at seven by the old bridge? I will bring the book that you lent me.";
const EMOJI: &str = "👍";

/// Where somebody talks.
#[derive(Clone, Copy, Debug)]
pub struct Talks {
    pub direct: Uuid,
    pub group: Uuid,
}

struct Order {
    kind: Kind,
    permit: Option<OwnedSemaphorePermit>,
}

/// Dropping it leaves.
pub struct Member {
    orders: mpsc::Sender<Order>,
    ledger: Arc<Ledger>,
}

impl Member {
    /// Returns once they are online.
    pub async fn connect(url: &str, account: Uuid, token: String, talks: Talks, ledger: Arc<Ledger>) -> Result<Self> {
        let client = Client::new(url)?;
        let frames = open(&client, &token).await?;
        for talk in [talks.direct, talks.group] {
            ledger.is_known(talk, account, 0);
        }
        let (orders, ordered) = mpsc::channel(64);
        let (waiting, newest, pushed, reacted) = Default::default();
        let life = Life {
            client,
            account,
            token,
            talks,
            ledger: ledger.clone(),
            frames,
            waiting,
            newest,
            pushed,
            reacted,
            asked: 0,
            cursor: None,
            returns: None,
        };
        tokio::spawn(life.lead(ordered));
        Ok(Self { orders, ledger })
    }

    /// Has them do it; `permit` is given back once it is answered, or at once where nobody waits for that.
    pub async fn does(&self, kind: Kind, permit: Option<OwnedSemaphorePermit>) -> Result<()> {
        if kind.is_answered() {
            self.ledger.asks();
        }
        let permit = permit.filter(|_| kind.is_waited_for());
        self.orders.send(Order { kind, permit }).await.ok().context("a connection ended: the server's log says why")
    }
}

async fn open(client: &Client, token: &str) -> Result<Frames> {
    let bearer = format!("Bearer {token}");
    let mut frames = Frames::connect(client, &[("authorization", &bearer)]).await.context("connect")?;
    let ready = async {
        loop {
            match frames.next().await {
                Frame::Text(text) if text.contains("\"ready\"") => return Ok(()),
                Frame::Closed(close) => bail!("closed before `ready`: {close}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.context("nobody says `ready`")??;
    Ok(frames)
}

struct Life {
    client: Client,
    account: Uuid,
    token: String,
    talks: Talks,
    ledger: Arc<Ledger>,
    frames: Frames,
    /// What is not answered yet, by its number.
    waiting: HashMap<u64, Waiting>,
    /// The newest message of each conversation that was pushed.
    newest: HashMap<Uuid, (Uuid, u64)>,
    /// What comes next of each, over this connection.
    pushed: HashMap<Uuid, u64>,
    /// On which message of each they have put something.
    reacted: HashMap<Uuid, Uuid>,
    asked: u64,
    cursor: Option<String>,
    /// They lose their connection once nothing waits any more.
    returns: Option<Returns>,
}

struct Waiting {
    kind: Kind,
    since: Instant,
    talk: Uuid,
    _permit: Option<OwnedSemaphorePermit>,
}

struct Returns {
    _permit: Option<OwnedSemaphorePermit>,
}

#[derive(Deserialize)]
struct Said {
    id: Option<String>,
    ok: Option<Done>,
    error: Option<wire::FrameError>,
    event: Option<String>,
    message: Option<Pushed>,
}

#[derive(Deserialize)]
struct Done {
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Pushed {
    conversation_id: Uuid,
    message_id: Uuid,
    seq: u64,
    sender: Option<Uuid>,
    body: Option<Words>,
}

#[derive(Deserialize)]
struct Words {
    text: Option<String>,
}

impl Life {
    async fn lead(mut self, mut orders: mpsc::Receiver<Order>) {
        if let Err(error) = self.go_on(&mut orders).await {
            // Who orders next is told that nobody is there.
            tracing::error!(%error, "a connection of the benchmark");
        }
    }

    async fn go_on(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<()> {
        loop {
            if self.waiting.is_empty() && self.returns.is_some() {
                self.return_now().await?;
                self.returns = None;
            }
            tokio::select! {
                frame = self.frames.next() => match frame {
                    Frame::Text(text) => self.hear(&text)?,
                    Frame::Closed(close) => bail!("closed: {close}"),
                    Frame::Binary(_) | Frame::Ping => {}
                },
                order = orders.recv(), if self.returns.is_none() => {
                    let Some(order) = order else { return Ok(()) };
                    self.obey(order).await?;
                }
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<()> {
        let Order { kind, permit } = order;
        if kind == Kind::Return {
            self.returns = Some(Returns { _permit: permit });
            return Ok(());
        }
        let talk = match kind {
            Kind::Direct => self.talks.direct,
            Kind::Group => self.talks.group,
            _ if rand::rng().random() => self.talks.group,
            _ => self.talks.direct,
        };
        self.asked += 1;
        let frame = self.frame(kind, talk);
        if kind.is_answered() {
            let waiting = Waiting { kind, since: Instant::now(), talk, _permit: permit };
            self.waiting.insert(self.asked, waiting);
        }
        self.frames.send_text(&frame.to_string()).await.context("send a frame")
    }

    fn frame(&mut self, kind: Kind, talk: Uuid) -> Value {
        let id = self.asked.to_string();
        let newest = self.newest.get(&talk).copied();
        match (kind, newest) {
            (Kind::Read, _) => {
                let seq = newest.map_or(0, |(_, seq)| seq);
                json!({"id": id, "op": "conversation.read", "conversation_id": talk, "seq": seq})
            }
            (Kind::Page, _) => json!({"id": id, "op": "message.list", "conversation_id": talk, "limit": PAGE}),
            (Kind::Typing, _) => json!({"op": "typing", "conversation_id": talk}),
            (Kind::Ping | Kind::Return, _) => json!({"id": id, "op": "ping"}),
            (Kind::React, Some((message, _))) => {
                let was_on = self.reacted.remove(&talk) == Some(message);
                if !was_on {
                    self.reacted.insert(talk, message);
                }
                let op = if was_on { "message.unreact" } else { "message.react" };
                json!({"id": id, "op": op, "conversation_id": talk, "message_id": message, "emoji": EMOJI})
            }
            // Nothing was said yet that one could react to.
            (Kind::Direct | Kind::Group | Kind::React, _) => {
                let text = format!("{} {WORDS}", self.ledger.now());
                let body = json!({"kind": "text", "text": text});
                json!({"id": id, "op": "message.send", "conversation_id": talk, "message_id": id::new(), "body": body})
            }
        }
    }

    fn hear(&mut self, text: &str) -> Result<()> {
        let said: Said = serde_json::from_str(text).context("read a frame")?;
        if let Some(id) = said.id {
            self.answered(&id, said.ok.and_then(|ok| ok.seq), said.error);
            return Ok(());
        }
        match (said.event.as_deref(), said.message) {
            (Some("message.sent"), Some(message)) => self.pushed(&message),
            (Some("typing"), _) => self.ledger.hears_typing(),
            (Some("resync"), _) => {
                self.ledger.is_resynced();
                self.pushed.clear();
                if self.returns.is_none() {
                    // What was missed is read like after a loss.
                    self.ledger.asks();
                    self.returns = Some(Returns { _permit: None });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, id: &str, seq: Option<u64>, error: Option<wire::FrameError>) {
        let Some(waiting) = id.parse().ok().and_then(|id: u64| self.waiting.remove(&id)) else { return };
        if let (Kind::Direct | Kind::Group, Some(seq)) = (waiting.kind, seq) {
            self.ledger.is_acknowledged(waiting.talk, seq);
        }
        let error = error.map(|error| format!("{}: {}", waiting.kind.as_str(), error.code));
        self.ledger.is_answered(waiting.kind, waiting.since.elapsed(), error);
    }

    fn pushed(&mut self, message: &Pushed) {
        let talk = message.conversation_id;
        let next = self.pushed.entry(talk).or_insert(message.seq);
        if message.seq > *next {
            self.ledger.is_disordered();
        }
        *next = (message.seq + 1).max(*next);
        self.newest.insert(talk, (message.message_id, message.seq));
        self.ledger.is_known(talk, self.account, message.seq);
        let text = message.body.as_ref().and_then(|body| body.text.as_deref()).unwrap_or_default();
        let sent_at = text.split(' ').next().and_then(|moment| moment.parse().ok());
        if let Some(sent_at) = sent_at.filter(|_| message.sender != Some(self.account)) {
            self.ledger.is_delivered(sent_at);
        }
    }

    /// From the loss until all that changed since is read.
    async fn return_now(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.frames.close().await;
        self.frames = open(&self.client, &self.token).await?;
        self.pushed.clear();
        while self.sync().await? {}
        self.ledger.is_answered(Kind::Return, begin.elapsed(), None);
        Ok(())
    }

    /// A page of it; whether there are more.
    async fn sync(&mut self) -> Result<bool> {
        let ask = json!({"id": "sync", "op": "sync", "cursor": self.cursor});
        self.frames.send_text(&ask.to_string()).await.context("ask what changed")?;
        loop {
            let text = match self.frames.next().await {
                Frame::Text(text) => text,
                Frame::Closed(close) => bail!("closed: {close}"),
                Frame::Binary(_) | Frame::Ping => continue,
            };
            if !text.starts_with(r#"{"id":"sync""#) {
                self.hear(&text)?;
                continue;
            }
            let answer: wire::Reply<wire::Sync> = serde_json::from_str(&text).context("read what changed")?;
            let told = answer.ok.with_context(|| format!("a sync is refused: {text}"))?;
            for own in &told.conversations {
                self.ledger.is_known(own.conversation.id, self.account, own.conversation.last_seq);
            }
            self.cursor = Some(told.cursor);
            return Ok(told.more);
        }
    }
}
