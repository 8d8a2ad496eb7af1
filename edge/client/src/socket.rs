//! One WebSocket connection. [`Frames`] is the bare connection; [`Socket`] speaks `natter.v1` on it: requests
//! and their answers by id, pipelined, and a bounded queue of what the server pushes. Coming back after a close
//! is not done here: see [`crate::follow`].

use crate::{Client, Close, Error, Signed, rest::Range, wire};
use futures::{
    SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use uuid::Uuid;

pub const PROTOCOL: &str = "natter.v1";

/// What the server may send in one frame; the contract's own limit holds for the other way.
const MAX_FRAME: usize = 1024 * 1024;
const MAX_UNSENT: usize = 4 * 1024 * 1024;
const BUFFER: usize = 8 * 1024;
/// Pushes that wait to be taken; more are dropped, and the next thing told is `resync`.
const PUSHES: usize = 4_096;
const ORDERS: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(30);
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection without the protocol: frames in, frames out.
pub struct Frames {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The sub-protocol that the server selected.
    pub protocol: Option<String>,
}

/// A frame of a connection, or its end. Pings are answered and told as `Ping`.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Closed(Close),
}

impl Frames {
    /// Opens `/ws` with these headers. A refused handshake is an [`Error::Problem`].
    pub async fn connect(client: &Client, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let url = client.websocket_url();
        let address = || Error::Address(url.clone());
        let mut request = url.as_str().into_client_request().map_err(|_| address())?;
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).map_err(|_| address())?;
            request.headers_mut().append(name, http::HeaderValue::from_str(value).map_err(|_| address())?);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_UNSENT)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let connecting = connect_async_tls_with_config(request, Some(config), true, client.connector());
        let connected = tokio::time::timeout(TIMEOUT, connecting).await;
        let silent = |_| Error::Silent { what: "the WebSocket's handshake".to_owned(), after: TIMEOUT };
        let (stream, response) = connected.map_err(silent)?.map_err(refused)?;
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.and_then(|name| name.to_str().ok()).map(str::to_owned);
        Ok(Self { stream, protocol })
    }

    pub async fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.send(Message::text(text)).await
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.send(Message::binary(bytes)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.stream.send(message).await.map_err(Error::websocket("send a frame"))
    }

    /// The next frame; after `Closed` nothing else comes.
    pub async fn next(&mut self) -> Frame {
        next(&mut self.stream).await
    }

    /// Says good-bye; the server's answer is not waited for.
    pub async fn close(&mut self) {
        let _ = self.stream.close(None).await;
    }
}

async fn next(stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin)) -> Frame {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => return Frame::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => return Frame::Binary(bytes.to_vec()),
            Some(Ok(Message::Ping(_))) => return Frame::Ping,
            Some(Ok(Message::Close(frame))) => {
                let told = |frame: CloseFrame| Close {
                    code: Some(frame.code.into()),
                    reason: frame.reason.as_str().to_owned(),
                };
                return Frame::Closed(frame.map_or_else(|| Close::without_frame("an empty close frame"), told));
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Frame::Closed(Close::without_frame(error.to_string())),
            None => return Frame::Closed(Close::without_frame("the stream ended")),
        }
    }
}

fn refused(error: tungstenite::Error) -> Error {
    if let tungstenite::Error::Http(response) = &error
        && let Some(problem) = response.body().as_ref().and_then(|body| serde_json::from_slice(body).ok())
    {
        return Error::Problem(problem);
    }
    Error::websocket("open a WebSocket")(error)
}

/// How the access token is handed over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Handover {
    #[default]
    Header,
    /// A second sub-protocol, for browsers.
    Protocol,
    /// The first frame.
    Frame,
}

/// What the server said when pushes began to flow.
#[derive(Clone, PartialEq, Debug)]
pub struct Ready {
    pub account_id: Uuid,
    pub session_id: Uuid,
    pub heartbeat: Duration,
    pub max_frame_bytes: u64,
    pub server_time: String,
}

/// What the server tells without being asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Incoming {
    Push(Box<wire::Push>),
    Notice(wire::Notice),
    /// An event of a newer server.
    Unknown(Value),
}

/// An open connection. Dropping it closes it.
pub struct Socket {
    pub ready: Ready,
    requests: Requests,
    incoming: mpsc::Receiver<Incoming>,
    lost: Arc<AtomicBool>,
    end: oneshot::Receiver<Close>,
    closed: Option<Close>,
}

impl Socket {
    /// Returns once the server is ready: what happens from then on is pushed.
    pub async fn connect(person: &Signed, handover: Handover) -> Result<Self, Error> {
        let (token, _) = person.access_token().await?;
        let mut frames = open(person.client(), handover, &token).await?;
        if handover == Handover::Frame {
            frames.send_text(&json!({"op": "auth", "token": token}).to_string()).await?;
        }
        let ready = tokio::time::timeout(TIMEOUT, ready(&mut frames)).await;
        let ready =
            ready.map_err(|_| Error::Silent { what: "the WebSocket's `ready`".to_owned(), after: TIMEOUT })??;
        Ok(Self::start(frames, ready))
    }

    fn start(frames: Frames, ready: Ready) -> Self {
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (pushes, incoming) = mpsc::channel(PUSHES);
        let (ended, end) = oneshot::channel();
        let lost = Arc::new(AtomicBool::new(false));
        let silence = ready.heartbeat * 2;
        let line = Line { waiting: Mutex::default(), pushes, lost: lost.clone(), silence };
        tokio::spawn(async move {
            let close = line.run(frames, ordered).await;
            let _ = ended.send(close);
        });
        let requests = Requests { orders, ids: Arc::default() };
        Self { ready, requests, incoming, lost, end, closed: None }
    }

    /// Asks while somebody else listens.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// The next push or notice; the error tells how the connection ended, as often as it is asked.
    pub async fn next(&mut self) -> Result<Incoming, Close> {
        if self.lost.swap(false, Ordering::AcqRel) {
            let reason = "this client took its pushes too slowly".to_owned();
            return Ok(Incoming::Notice(wire::Notice::Resync { reason }));
        }
        if let Some(incoming) = self.incoming.recv().await {
            return Ok(incoming);
        }
        if self.closed.is_none() {
            let gone = |_| Close::without_frame("its task is gone");
            self.closed = Some((&mut self.end).await.unwrap_or_else(gone));
        }
        Err(self.closed.clone().expect("it was just set"))
    }
}

async fn open(client: &Client, handover: Handover, token: &str) -> Result<Frames, Error> {
    match handover {
        Handover::Header => {
            let bearer = format!("Bearer {token}");
            Frames::connect(client, &[("authorization", &bearer), ("sec-websocket-protocol", PROTOCOL)]).await
        }
        Handover::Protocol => {
            let protocols = format!("{PROTOCOL}, bearer.{token}");
            Frames::connect(client, &[("sec-websocket-protocol", &protocols)]).await
        }
        Handover::Frame => Frames::connect(client, &[("sec-websocket-protocol", PROTOCOL)]).await,
    }
}

async fn ready(frames: &mut Frames) -> Result<Ready, Error> {
    loop {
        let text = match frames.next().await {
            Frame::Text(text) => text,
            Frame::Closed(close) => return Err(Error::Closed(close)),
            Frame::Binary(_) | Frame::Ping => continue,
        };
        if let Ok(wire::Notice::Ready { account_id, session_id, heartbeat_ms, max_frame_bytes, server_time }) =
            serde_json::from_str(&text)
        {
            let heartbeat = Duration::from_millis(heartbeat_ms);
            return Ok(Ready { account_id, session_id, heartbeat, max_frame_bytes, server_time });
        }
    }
}

struct Order {
    text: String,
    /// Under which id it is answered, and to whom.
    answer: Option<(String, oneshot::Sender<Result<Value, Error>>)>,
}

/// Sends requests on an open connection. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    orders: mpsc::Sender<Order>,
    ids: Arc<AtomicU64>,
}

/// An answer that has not come yet.
pub struct Pending<T> {
    what: &'static str,
    answer: oneshot::Receiver<Result<Value, Error>>,
    kind: PhantomData<fn() -> T>,
}

impl Requests {
    /// Queues a message behind those queued before: the server numbers them in this order, answered or not.
    pub async fn send(&self, conversation: Uuid, message: &wire::MessageNew) -> Result<Pending<wire::SentOk>, Error> {
        self.ask("message.send", &InConversation { conversation_id: conversation, fields: message }).await
    }

    /// What is done to one message is done in this order, answered or not.
    pub async fn edit(
        &self,
        conversation: Uuid,
        message: Uuid,
        body: &wire::Body,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.edit", conversation, message, &json!({"body": body})).await
    }

    pub async fn recall(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.recall", conversation, message, &json!({})).await
    }

    pub async fn react(
        &self,
        conversation: Uuid,
        message: Uuid,
        emoji: &str,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.react", conversation, message, &json!({"emoji": emoji})).await
    }

    pub async fn unreact(
        &self,
        conversation: Uuid,
        message: Uuid,
        emoji: &str,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unreact", conversation, message, &json!({"emoji": emoji})).await
    }

    pub async fn pin(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.pin", conversation, message, &json!({})).await
    }

    pub async fn unpin(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unpin", conversation, message, &json!({})).await
    }

    pub async fn star(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.star", conversation, message, &json!({})).await
    }

    pub async fn unstar(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unstar", conversation, message, &json!({})).await
    }

    /// The person has listened to a voice message.
    pub async fn listen(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.listen", conversation, message, &json!({})).await
    }

    /// Deletes the message for the person alone, for ever.
    pub async fn delete_for_me(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.delete", conversation, message, &json!({})).await
    }

    async fn on_message(
        &self,
        op: &'static str,
        conversation_id: Uuid,
        message_id: Uuid,
        fields: &Value,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.ask(op, &OnMessage { conversation_id, message_id, fields }).await
    }

    pub async fn list(&self, conversation: Uuid, range: Range) -> Result<Pending<wire::Items<wire::Message>>, Error> {
        self.ask("message.list", &InConversation { conversation_id: conversation, fields: range }).await
    }

    /// What changed since the cursor; while there is `more`, to be called again at once.
    pub async fn sync(&self, cursor: Option<&str>) -> Result<Pending<wire::Sync>, Error> {
        self.ask("sync", &json!({"cursor": cursor})).await
    }

    /// Answered when it is written, which may be a second later.
    pub async fn read(&self, conversation: Uuid, seq: u64) -> Result<Pending<wire::ReadOk>, Error> {
        self.ask("conversation.read", &InConversation { conversation_id: conversation, fields: wire::Read { seq } })
            .await
    }

    /// Messages of a direct conversation have come to this device.
    pub async fn delivered(&self, conversation: Uuid, seq: u64) -> Result<Pending<wire::DeliveredOk>, Error> {
        self.ask("message.delivered", &InConversation { conversation_id: conversation, fields: wire::Read { seq } })
            .await
    }

    /// Says that the person types; nothing comes back.
    pub async fn typing(&self, conversation: Uuid) -> Result<(), Error> {
        self.say(&Said { op: "typing", conversation_id: conversation }).await
    }

    /// Has every change of these people's presence pushed to this connection from now on; what they are now.
    pub async fn watch(&self, accounts: &[Uuid]) -> Result<Pending<wire::Items<wire::Presence>>, Error> {
        self.ask("presence.subscribe", &json!({"account_ids": accounts})).await
    }

    pub async fn unwatch(&self, accounts: &[Uuid]) -> Result<Pending<wire::Items<wire::Presence>>, Error> {
        self.ask("presence.unsubscribe", &json!({"account_ids": accounts})).await
    }

    /// Whether anybody sits at this device.
    pub async fn set_away(&self, is_away: bool) -> Result<Pending<Value>, Error> {
        self.ask("presence.set", &json!({"state": if is_away { "away" } else { "online" }})).await
    }

    /// Lets the connection live as long as this newer token of the same session.
    pub async fn renew(&self, token: &str) -> Result<Pending<wire::AuthOk>, Error> {
        self.ask("auth", &json!({"token": token})).await
    }

    /// Any request: `fields` is what stands beside `id` and `op`.
    pub async fn ask<T>(&self, op: &'static str, fields: &impl Serialize) -> Result<Pending<T>, Error> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed).to_string();
        let text = encode(&Request { id: &id, op, fields });
        let (answer, awaited) = oneshot::channel();
        self.order(Order { text, answer: Some((id, answer)) }).await?;
        Ok(Pending { what: op, answer: awaited, kind: PhantomData })
    }

    /// What is not answered.
    async fn say(&self, frame: &impl Serialize) -> Result<(), Error> {
        self.order(Order { text: encode(frame), answer: None }).await
    }

    async fn order(&self, order: Order) -> Result<(), Error> {
        let gone = |_| Error::Closed(Close::without_frame("it was closed before"));
        self.orders.send(order).await.map_err(gone)
    }
}

#[derive(Serialize)]
struct Request<'a, F> {
    id: &'a str,
    op: &'a str,
    #[serde(flatten)]
    fields: &'a F,
}

#[derive(Serialize)]
struct Said {
    op: &'static str,
    conversation_id: Uuid,
}

#[derive(Serialize)]
struct OnMessage<'a> {
    conversation_id: Uuid,
    message_id: Uuid,
    #[serde(flatten)]
    fields: &'a Value,
}

#[derive(Serialize)]
struct InConversation<F> {
    conversation_id: Uuid,
    #[serde(flatten)]
    fields: F,
}

fn encode(request: &impl Serialize) -> String {
    serde_json::to_string(request).expect("wire types have no maps with odd keys")
}

impl<T: DeserializeOwned> Pending<T> {
    pub async fn answer(self) -> Result<T, Error> {
        let gone = |_| Error::Closed(Close::without_frame("before the answer"));
        let silent = |_| Error::Silent { what: self.what.to_owned(), after: TIMEOUT };
        let value = tokio::time::timeout(TIMEOUT, self.answer).await.map_err(silent)?.map_err(gone)??;
        if let Ok(wire::MessageHeld { message_id, held: true }) = wire::MessageHeld::deserialize(&value) {
            return Err(Error::Held(message_id));
        }
        let body = value.to_string();
        serde_json::from_value(value).map_err(|_| Error::Unreadable { what: self.what.to_owned(), status: 200, body })
    }
}

type Bare = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The task that owns the connection. It listens while it sends: a server that waits for us to take its answers
/// would otherwise wait for ever.
struct Line {
    waiting: Mutex<HashMap<String, oneshot::Sender<Result<Value, Error>>>>,
    pushes: mpsc::Sender<Incoming>,
    lost: Arc<AtomicBool>,
    /// Nothing heard for this long: the server is gone, whatever the system thinks.
    silence: Duration,
}

impl Line {
    async fn run(self, frames: Frames, mut orders: mpsc::Receiver<Order>) -> Close {
        let (sink, stream) = frames.stream.split();
        let close = tokio::select! {
            close = self.listen(stream) => close,
            close = self.speak(sink, &mut orders) => close,
        };
        orders.close();
        while let Some(order) = orders.recv().await {
            if let Some((_, answer)) = order.answer {
                let _ = answer.send(Err(Error::Closed(close.clone())));
            }
        }
        for (_, answer) in self.waiting().drain() {
            let _ = answer.send(Err(Error::Closed(close.clone())));
        }
        close
    }

    async fn listen(&self, mut stream: SplitStream<Bare>) -> Close {
        loop {
            match tokio::time::timeout(self.silence, next(&mut stream)).await {
                Ok(Frame::Text(text)) => self.take(&text),
                Ok(Frame::Binary(_) | Frame::Ping) => {}
                Ok(Frame::Closed(close)) => return close,
                Err(_) => {
                    return Close {
                        code: Some(Close::NO_HEARTBEAT),
                        reason: "nothing was heard of the server".to_owned(),
                    };
                }
            }
        }
    }

    async fn speak(&self, mut sink: SplitSink<Bare, Message>, orders: &mut mpsc::Receiver<Order>) -> Close {
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                () = self.pushes.closed() => None,
            };
            let Some(order) = order else {
                let _ = sink.close().await;
                return Close::without_frame("closed by this side");
            };
            self.waiting().extend(order.answer);
            if let Err(error) = sink.send(Message::text(order.text)).await {
                // A connection that cannot be written to has often said why: `listen` hears it.
                tokio::time::sleep(LAST_WORDS).await;
                return Close::without_frame(error.to_string());
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Result<Value, Error>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        if value.get("event").is_some() {
            if self.pushes.try_send(read_push(value)).is_err() {
                self.lost.store(true, Ordering::Release);
            }
            return;
        }
        let Ok(reply) = serde_json::from_value::<wire::Reply<Value>>(value) else { return };
        let Some(answer) = reply.id.and_then(|id| self.waiting().remove(&id)) else { return };
        let outcome = match reply.error {
            Some(error) => Err(Error::Refused(Box::new(error))),
            None => Ok(reply.ok.unwrap_or(Value::Null)),
        };
        let _ = answer.send(outcome);
    }
}

fn read_push(value: Value) -> Incoming {
    if let Ok(push) = wire::Push::deserialize(&value) {
        return Incoming::Push(Box::new(push));
    }
    match wire::Notice::deserialize(&value) {
        Ok(notice) => Incoming::Notice(notice),
        Err(_) => Incoming::Unknown(value),
    }
}
