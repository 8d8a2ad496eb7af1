//! The bare connection.

use super::TIMEOUT;
use crate::{Client, Close, Error};
use futures::{SinkExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

/// What the server may send in one frame; the contract's own limit holds for the other way.
const MAX_FRAME: usize = 1024 * 1024;
const MAX_UNSENT: usize = 4 * 1024 * 1024;
const BUFFER: usize = 8 * 1024;

pub(super) type Bare = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection without the protocol: frames in, frames out.
pub struct Frames {
    pub(super) stream: Bare,
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

pub(super) async fn next(stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin)) -> Frame {
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
