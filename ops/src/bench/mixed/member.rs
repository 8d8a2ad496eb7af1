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
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout},
};
use uuid::Uuid;

/// For what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: u32 = 30;
/// Well within the time in which the server lets somebody edit.
const EDITABLE: Duration = Duration::from_secs(10 * 60);
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
    /// From when on it is timed, wherever it waits.
    due: Instant,
    permit: Option<OwnedSemaphorePermit>,
}

/// Dropping it leaves.
pub struct Member {
    orders: mpsc::Sender<Order>,
    ledger: Arc<Ledger>,
}

impl Member {
    /// Returns once they are online and know what there is.
    pub async fn connect(url: &str, account: Uuid, token: String, talks: Talks, ledger: Arc<Ledger>) -> Result<Self> {
        let client = Client::new(url)?;
        let frames = open(&client, &token).await?;
        for talk in [talks.direct, talks.group] {
            ledger.is_known(talk, account, 0);
        }
        let (orders, ordered) = mpsc::channel(64);
        let (waiting, newest, own, pushed, reacted) = Default::default();
        let mut life = Life {
            client,
            account,
            token,
            talks,
            ledger: ledger.clone(),
            frames,
            waiting,
            newest,
            own,
            pushed,
            reacted,
            asked: 0,
            cursor: None,
            lost: false,
            returns: None,
        };
        while life.sync().await? {}
        tokio::spawn(life.lead(ordered));
        Ok(Self { orders, ledger })
    }

    /// Has them do it, timed from when it was `due`; `permit` is given back once it is answered, or at once where nobody
    /// waits for that.
    pub async fn does(&self, kind: Kind, due: Instant, permit: Option<OwnedSemaphorePermit>) -> Result<()> {
        if kind.is_answered() {
            self.ledger.asks();
        }
        let permit = permit.filter(|_| kind.is_waited_for());
        let order = Order { kind, due, permit };
        let taken = timeout(PATIENCE, self.orders.send(order)).await.context("somebody is not answered any more")?;
        taken.ok().context("a connection ended: the server's log says why")
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
    timeout(PATIENCE, ready).await.context("nobody says `ready`")??;
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
    /// The newest of each that they said and that was acknowledged.
    own: HashMap<Uuid, Own>,
    /// What comes next of each, over this connection.
    pushed: HashMap<Uuid, u64>,
    /// On which message of each they have put something.
    reacted: HashMap<Uuid, Uuid>,
    asked: u64,
    cursor: Option<String>,
    /// They were told that pushes are missing, and have not read since.
    lost: bool,
    /// They lose their connection once nothing waits any more.
    returns: Option<Returns>,
}

struct Waiting {
    kind: Kind,
    since: Instant,
    talk: Uuid,
    _permit: Option<OwnedSemaphorePermit>,
}

struct Own {
    message: Uuid,
    seq: u64,
    since: Instant,
}

struct Returns {
    /// Unknown where a `resync` asks for it: that is no operation of the mix.
    due: Option<Instant>,
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
    message_id: Option<Uuid>,
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
            while self.waiting.is_empty()
                && let Some(returns) = self.returns.take()
            {
                self.return_now().await?;
                if let Some(due) = returns.due {
                    self.ledger.is_answered(Kind::Return, due.elapsed(), None);
                }
            }
            tokio::select! {
                frame = self.frames.next() => match frame {
                    Frame::Text(text) => self.hear(&text)?,
                    // It is over, and so is the server.
                    Frame::Closed(_) if orders.is_closed() => return Ok(()),
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
        let Order { kind, due, permit } = order;
        if kind == Kind::Return {
            self.returns = Some(Returns { due: Some(due), _permit: permit });
            return Ok(());
        }
        let talk = match kind {
            Kind::Direct => self.talks.direct,
            Kind::Group => self.talks.group,
            _ if rand::rng().random() => self.talks.group,
            _ => self.talks.direct,
        };
        self.asked += 1;
        let (kind, frame) = self.frame(kind, talk, due);
        if kind.is_answered() {
            let waiting = Waiting { kind, since: due, talk, _permit: permit };
            self.waiting.insert(self.asked, waiting);
        }
        self.frames.send_text(&frame.to_string()).await.context("send a frame")
    }

    /// What they do after all, and how they ask for it: where there is no message yet to do it to, they say one.
    fn frame(&mut self, kind: Kind, talk: Uuid, due: Instant) -> (Kind, Value) {
        let id = self.asked.to_string();
        let frame = match kind {
            Kind::Read => {
                let seq = self.newest.get(&talk).map_or(0, |(_, seq)| *seq);
                Some(json!({"id": id, "op": "conversation.read", "conversation_id": talk, "seq": seq}))
            }
            Kind::Page => Some(json!({"id": id, "op": "message.list", "conversation_id": talk, "limit": PAGE})),
            Kind::Typing => Some(json!({"op": "typing", "conversation_id": talk})),
            Kind::Ping | Kind::Return => Some(json!({"id": id, "op": "ping"})),
            Kind::React => self.reaction(&id, talk),
            Kind::Edit => self.edit(&id, talk, due),
            Kind::Direct | Kind::Group => None,
        };
        let says = if talk == self.talks.group { Kind::Group } else { Kind::Direct };
        frame.map_or_else(|| (says, self.send(&id, talk, due)), |frame| (kind, frame))
    }

    fn reaction(&mut self, id: &str, talk: Uuid) -> Option<Value> {
        let (message, _) = *self.newest.get(&talk)?;
        let was_on = self.reacted.remove(&talk) == Some(message);
        if !was_on {
            self.reacted.insert(talk, message);
        }
        let op = if was_on { "message.unreact" } else { "message.react" };
        Some(json!({"id": id, "op": op, "conversation_id": talk, "message_id": message, "emoji": EMOJI}))
    }

    fn edit(&self, id: &str, talk: Uuid, due: Instant) -> Option<Value> {
        let own = self.own.get(&talk).filter(|own| own.since.elapsed() < EDITABLE)?;
        let body = self.body(due);
        Some(json!({"id": id, "op": "message.edit", "conversation_id": talk, "message_id": own.message, "body": body}))
    }

    fn send(&self, id: &str, talk: Uuid, due: Instant) -> Value {
        let body = self.body(due);
        json!({"id": id, "op": "message.send", "conversation_id": talk, "message_id": id::new(), "body": body})
    }

    /// Each is another one: to say the same again is no edit.
    fn body(&self, due: Instant) -> Value {
        json!({"kind": "text", "text": format!("{} {WORDS}", self.ledger.at(due))})
    }

    fn hear(&mut self, text: &str) -> Result<()> {
        let said: Said = serde_json::from_str(text).context("read a frame")?;
        if let Some(id) = said.id {
            self.answered(&id, said.ok, said.error);
            return Ok(());
        }
        match (said.event.as_deref(), said.message) {
            (Some("message.sent"), Some(message)) => self.pushed(&message),
            (Some("typing"), _) => self.ledger.hears_typing(),
            (Some("resync"), _) => self.loses(),
            _ => {}
        }
        Ok(())
    }

    /// Pushes are missing: what they told is read like after a lost connection.
    fn loses(&mut self) {
        self.ledger.is_resynced();
        self.lost = true;
        self.pushed.clear();
        if self.returns.is_none() {
            self.returns = Some(Returns { due: None, _permit: None });
        }
    }

    fn answered(&mut self, id: &str, done: Option<Done>, error: Option<wire::FrameError>) {
        let Some(waiting) = id.parse().ok().and_then(|id: u64| self.waiting.remove(&id)) else { return };
        if let (Kind::Direct | Kind::Group, Some(Done { seq: Some(seq), message_id: Some(message) })) =
            (waiting.kind, done)
        {
            self.said(waiting.talk, message, seq);
        }
        let error = error.map(|error| format!("{}: {}", waiting.kind.as_str(), error.code));
        self.ledger.is_answered(waiting.kind, waiting.since.elapsed(), error);
    }

    fn said(&mut self, talk: Uuid, message: Uuid, seq: u64) {
        self.ledger.is_acknowledged(talk, seq);
        // Answers come out of order.
        if self.own.get(&talk).is_none_or(|own| own.seq < seq) {
            self.own.insert(talk, Own { message, seq, since: Instant::now() });
        }
    }

    fn pushed(&mut self, message: &Pushed) {
        let talk = message.conversation_id;
        let next = self.pushed.entry(talk).or_insert(message.seq);
        if message.seq > *next {
            self.ledger.is_disordered();
        }
        *next = (message.seq + 1).max(*next);
        self.newest.insert(talk, (message.message_id, message.seq));
        let news = self.ledger.is_known(talk, self.account, message.seq);
        if self.lost {
            self.ledger.are_synced(news.saturating_sub(1));
        }
        let text = message.body.as_ref().and_then(|body| body.text.as_deref()).unwrap_or_default();
        let sent_at = text.split(' ').next().and_then(|moment| moment.parse().ok());
        if let Some(sent_at) = sent_at.filter(|_| message.sender != Some(self.account)) {
            self.ledger.is_delivered(sent_at);
        }
    }

    /// A connection is lost, another opened, and all that changed since is read.
    async fn return_now(&mut self) -> Result<()> {
        self.frames.close().await;
        self.frames = open(&self.client, &self.token).await?;
        self.pushed.clear();
        while self.sync().await? {}
        // Told so once more meanwhile, they return once more.
        self.lost = self.returns.is_some();
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
                let news = self.ledger.is_known(own.conversation.id, self.account, own.conversation.last_seq);
                if self.lost {
                    self.ledger.are_synced(news);
                }
            }
            self.cursor = Some(told.cursor);
            return Ok(told.more);
        }
    }
}
