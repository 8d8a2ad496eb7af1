//! One WebSocket connection. [`Frames`] is the bare connection; [`Socket`] speaks `natter.v1` on it: requests
//! and their answers by id, pipelined, and a bounded queue of what the server pushes. Coming back after a close
//! is not done here: see [`crate::follow`].

mod frames;
mod line;
mod requests;

pub use frames::{Frame, Frames};
pub use requests::{Pending, Requests};

use crate::{Client, Close, Error, Signed, wire};
use line::Line;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub const PROTOCOL: &str = "natter.v1";

/// Pushes that wait to be taken; more are dropped, and the next thing told is `resync`.
const PUSHES: usize = 4_096;
const ORDERS: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(30);

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
        let line = Line::new(pushes, lost.clone(), silence);
        tokio::spawn(async move {
            let close = line.run(frames, ordered).await;
            let _ = ended.send(close);
        });
        let requests = Requests::new(orders);
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
