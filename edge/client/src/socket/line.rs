//! The task behind an open connection.

use super::{
    Incoming,
    frames::{Bare, Frame, Frames, next},
};
use crate::{Close, Error, wire};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

const LAST_WORDS: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<Value, Error>>;

/// What is to be sent.
pub(super) struct Order {
    pub text: String,
    /// Under which id it is answered, and to whom.
    pub answer: Option<(String, Answer)>,
}

/// The task that owns the connection. It listens while it sends: a server that waits for us to take its answers
/// would otherwise wait for ever.
pub(super) struct Line {
    waiting: Mutex<HashMap<String, Answer>>,
    pushes: mpsc::Sender<Incoming>,
    lost: Arc<AtomicBool>,
    /// Nothing heard for this long: the server is gone, whatever the system thinks.
    silence: Duration,
}

impl Line {
    pub fn new(pushes: mpsc::Sender<Incoming>, lost: Arc<AtomicBool>, silence: Duration) -> Self {
        Self { waiting: Mutex::default(), pushes, lost, silence }
    }

    pub async fn run(self, frames: Frames, mut orders: mpsc::Receiver<Order>) -> Close {
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

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
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
