//! The socket itself: reading, writing within a bound, and closing so that the other side learns why.

use super::{close::Close, outbox::Outbox};
use crate::metrics;
use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures::SinkExt;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long the other side may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a close frame may take to be read, where nothing more can be read from the other side.
const LINGER: Duration = Duration::from_millis(500);

/// What was read.
pub enum Read {
    Text(Utf8Bytes),
    Binary,
    Heard,
    /// What follows cannot be read: this is why we close.
    Unreadable(Close),
    /// The other side has closed, or is gone.
    Gone,
}

/// The other side is gone, or does not read.
pub struct Gone;

pub async fn read(socket: &mut WebSocket) -> Read {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => Read::Text(text),
        Some(Ok(Message::Binary(_))) => Read::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Read::Heard,
        Some(Ok(Message::Close(_))) | None => Read::Gone,
        Some(Err(error)) => unreadable(&error).map_or(Read::Gone, Read::Unreadable),
    }
}

/// The library's error is of a type that axum does not name; its words are tried by tests over a real socket.
fn unreadable(error: &axum::Error) -> Option<Close> {
    let text = error.to_string();
    [
        ("Space limit exceeded", Close::TooBig),
        ("UTF-8 encoding error", Close::NotUtf8),
        ("WebSocket protocol error", Close::Protocol),
    ]
    .into_iter()
    .find_map(|(words, close)| text.starts_with(words).then_some(close))
    .filter(|_| !text.ends_with("without closing handshake"))
}

/// Sends frames, all of them, within `patience`.
pub async fn write(socket: &mut WebSocket, frames: Vec<Utf8Bytes>, patience: Duration) -> Result<(), Gone> {
    within(patience, async {
        for frame in frames {
            socket.feed(Message::Text(frame)).await?;
        }
        socket.flush().await
    })
    .await
}

pub async fn ping(socket: &mut WebSocket, patience: Duration) -> Result<(), Gone> {
    within(patience, socket.send(Message::Ping(Bytes::new()))).await
}

async fn within(patience: Duration, sending: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Gone> {
    timeout(patience, sending).await.map_err(|_| Gone)?.map_err(|_| Gone)
}

/// Sends the answers that wait, then says why we close, and waits for the other side to have read it.
pub async fn close(mut socket: WebSocket, outbox: &Outbox, close: Close, readable: bool) {
    let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
    let said = async {
        flush(&mut socket, outbox).await?;
        within(FAREWELL, socket.send(Message::Close(Some(frame)))).await
    };
    if !matches!(timeout(FAREWELL, said).await, Ok(Ok(()))) {
        return;
    }
    if readable {
        let _ = timeout(FAREWELL, farewell(&mut socket)).await;
    } else {
        // To close with bytes unread would reset the connection, and the reason would be lost with it.
        sleep(LINGER).await;
    }
}

async fn flush(socket: &mut WebSocket, outbox: &Outbox) -> Result<(), Gone> {
    loop {
        let batch = outbox.take();
        if batch.frames.is_empty() {
            return Ok(());
        }
        metrics::pushes_sent(batch.pushes as u64);
        write(socket, batch.frames, FAREWELL).await?;
    }
}

/// Answers the other side's close, or waits for its answer to ours.
pub async fn farewell(socket: &mut WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}
