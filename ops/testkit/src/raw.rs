//! The contract in its own words: requests and frames as text, answers as JSON, nothing of the wire types. So a
//! field that is renamed in both the server and the wire types is noticed.

use crate::eventually::{BOUND, within};
use natter_client::{
    Client, Close, Error,
    rest::Raw as Answer,
    socket::{Frame, Frames},
};
use serde_json::Value;

/// Somebody who speaks HTTP.
#[derive(Clone)]
pub struct Raw {
    client: Client,
    headers: Vec<(String, String)>,
}

/// An answer, whatever it is.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    answer: Answer,
}

impl Raw {
    pub(crate) fn new(client: Client, token: Option<&str>) -> Self {
        let headers = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
        Self { client, headers: headers.into_iter().collect() }
    }

    /// The same with one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut more = self.clone();
        more.headers.push((name.to_owned(), value.to_owned()));
        more
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None).await
    }

    /// `body` is sent as it is, as `application/json`.
    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.with("content-type", "application/json").call("POST", path, Some(body.into())).await
    }

    pub async fn put(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.with("content-type", "application/json").call("PUT", path, Some(body.into())).await
    }

    /// A `POST` without a body and without a type.
    pub async fn post_nothing(&self, path: &str) -> Reply {
        self.call("POST", path, None).await
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Reply {
        let answer = self.try_call(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}: {:?}", std::error::Error::source(&error)))
    }

    /// For when the server may be away.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Result<Reply, Error> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer =
            within(&format!("{method} {path}"), BOUND * 2, self.client.raw(method, path, &headers, body)).await?;
        Ok(Reply { status: answer.status, answer })
    }

    /// A WebSocket with these headers; nothing is sent or read yet.
    pub async fn socket(&self) -> RawSocket {
        self.try_socket().await.unwrap_or_else(|error| panic!("open a WebSocket: {error}"))
    }

    pub async fn try_socket(&self) -> Result<RawSocket, Error> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let frames = within("the WebSocket's handshake", BOUND, Frames::connect(&self.client, &headers)).await?;
        Ok(RawSocket { frames, kept: Vec::new(), closed: None })
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }

    pub fn text(&self) -> String {
        self.answer.text()
    }

    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("status {} with no JSON ({error}): {text:?}", self.status))
    }

    /// The answer's JSON, once its status is as expected.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// `Natter-Position`, which every accepted write has.
    pub fn position(&self) -> String {
        let position = self.header("natter-position");
        position.unwrap_or_else(|| panic!("no Natter-Position with status {}: {}", self.status, self.text())).to_owned()
    }

    /// Checks the shape of a problem, and that it is this one.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let text = self.text();
        assert_eq!(self.status, status, "expected {code}: {text}");
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "content-type {kind:?}: {text}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{text}");
        assert_eq!(problem["status"], status, "{text}");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(problem[field].is_string(), "no {field:?} in {text}");
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{text}");
        problem
    }

    /// [`Self::refused`] as invalid input, with this pointer among its errors.
    pub fn invalid(&self, pointer: &str) {
        let problem = self.refused(422, "invalid_input");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let pointers: Vec<_> = errors.iter().map(|error| &error["pointer"]).collect();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "no pointer {pointer:?} among {pointers:?}");
        assert!(errors.iter().all(|error| error["detail"].is_string()), "{problem}");
    }
}

/// A WebSocket in text. What was read and not asked for is kept for later questions.
pub struct RawSocket {
    frames: Frames,
    kept: Vec<Value>,
    closed: Option<Close>,
}

impl RawSocket {
    /// The sub-protocol that the server selected.
    pub fn protocol(&self) -> Option<&str> {
        self.frames.protocol.as_deref()
    }

    pub async fn send(&mut self, text: impl AsRef<str>) {
        self.try_send(text).await.expect("send a frame");
    }

    pub async fn try_send(&mut self, text: impl AsRef<str>) -> Result<(), Error> {
        within("sending a frame", BOUND, self.frames.send_text(text.as_ref())).await
    }

    pub async fn try_send_binary(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        within("sending a frame", BOUND, self.frames.send_binary(bytes)).await
    }

    /// Sends a request and waits for the answer with its id.
    pub async fn ask(&mut self, request: Value) -> Value {
        self.send(request.to_string()).await;
        self.answer(&request["id"]).await
    }

    /// Sends a request that is accepted; its `ok`.
    pub async fn ok(&mut self, request: Value) -> Value {
        let asked = request.to_string();
        let answer = self.ask(request).await;
        assert!(answer["ok"].is_object(), "{asked} answered {answer}");
        answer["ok"].clone()
    }

    /// The answer with this id, `null` included.
    pub async fn answer(&mut self, id: &Value) -> Value {
        let what = format!("the answer {id}");
        self.find(&what, |frame| frame.get("event").is_none() && frame.get("id").unwrap_or(&Value::Null) == id).await
    }

    /// The next push or notice of that name.
    pub async fn event(&mut self, name: &str) -> Value {
        self.find(&format!("event {name}"), |frame| frame["event"] == name).await
    }

    /// The answer is an error of this code.
    pub async fn refused(&mut self, id: &Value, status: u16, code: &str) -> Value {
        let answer = self.answer(id).await;
        let error = &answer["error"];
        assert_eq!(error["code"], code, "{answer}");
        assert_eq!(error["status"], status, "{answer}");
        assert!(error["detail"].is_string(), "{answer}");
        answer
    }

    /// Reads to the end; how it ended.
    pub async fn closed(&mut self) -> Close {
        within("the WebSocket's end", BOUND, async {
            loop {
                if let Some(close) = &self.closed {
                    return close.clone();
                }
                self.read().await;
            }
        })
        .await
    }

    /// Whether it still answers.
    pub async fn lives(&mut self) {
        let pong = self.ask(serde_json::json!({"id": "does it live", "op": "ping"})).await;
        assert!(pong["ok"].is_object(), "{pong}");
    }

    /// Takes the first frame that fits out of what was and will be read.
    pub async fn find(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(BOUND, async {
            loop {
                if let Some(index) = self.kept.iter().position(&fits) {
                    return Ok(self.kept.remove(index));
                }
                if let Some(close) = &self.closed {
                    return Err(close.clone());
                }
                self.read().await;
            }
        })
        .await;
        match found {
            Ok(Ok(frame)) => frame,
            Ok(Err(close)) => panic!("waiting for {what}: closed with {close}; read: {:#?}", self.kept),
            Err(_) => panic!("waiting for {what}: not within {} s; read: {:#?}", BOUND.as_secs(), self.kept),
        }
    }

    async fn read(&mut self) {
        match self.frames.next().await {
            Frame::Text(text) => {
                let frame = serde_json::from_str(&text).unwrap_or_else(|_| panic!("a frame that is no JSON: {text:?}"));
                self.kept.push(frame);
            }
            Frame::Binary(bytes) => panic!("a binary frame of {} bytes", bytes.len()),
            Frame::Ping => {}
            Frame::Closed(close) => self.closed = Some(close),
        }
    }
}
