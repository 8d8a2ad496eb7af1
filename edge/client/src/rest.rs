//! The contract's paths as methods. A write answers with its position; [`Signed::at`] makes reads wait for it.
//!
//! [`Client`] is what a stranger may do. What somebody who is signed in may do stands by noun, as the paths do:
//! `session`, `account`, `friend`, `conversation`, `message`, `thread`, `pending`.

mod account;
mod conversation;
mod friend;
mod message;
mod pending;
mod query;
mod session;
mod signed;
mod thread;

use crate::{Error, trust, wire};
use serde::{Serialize, de::DeserializeOwned};
use std::{ops::Deref, sync::Arc, time::Duration};
use tokio_rustls::rustls::ClientConfig;
use tokio_tungstenite::Connector;

pub use query::{Filter, Page, Range, Shown};
pub use signed::Signed;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server, and connections to it.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    /// `None`: whom everybody believes.
    trust: Option<Arc<ClientConfig>>,
}

/// What came back, whatever it is.
#[derive(Clone, Debug)]
pub struct Raw {
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// `base_url` such as `http://127.0.0.1:8080`.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::build(base_url, None)
    }

    /// The same, believing these certificates (PEM) and no others, where an installation has some of its own.
    pub fn trusting(base_url: &str, certificates: &[u8]) -> Result<Self, Error> {
        Self::build(base_url, Some(trust::only(certificates)?))
    }

    fn build(base_url: &str, trust: Option<Arc<ClientConfig>>) -> Result<Self, Error> {
        let base = base_url.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(Error::Address(base_url.to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // No name is looked up and no proxy asked for what is one server with one address.
            .no_proxy();
        if let Some(trust) = &trust {
            http = http.tls_backend_preconfigured(ClientConfig::clone(trust));
        }
        let http = http.build().map_err(Error::http("make an HTTP client"))?;
        Ok(Self { http, base: base.into(), trust })
    }

    pub fn base_url(&self) -> &str {
        &self.base
    }

    pub(crate) fn connector(&self) -> Option<Connector> {
        self.trust.clone().map(Connector::Rustls)
    }

    pub(crate) fn websocket_url(&self) -> String {
        // `http` becomes `ws`, `https` becomes `wss`.
        format!("ws{}/ws", self.base.trim_start_matches("http"))
    }

    /// Makes an account and signs it in.
    pub async fn register(&self, registration: &wire::Register) -> Result<Signed, Error> {
        let signed_in = self.post("/api/v1/auth/register", registration).await?;
        Ok(self.signed(signed_in))
    }

    pub async fn login(&self, login: &wire::Login) -> Result<Signed, Error> {
        let signed_in = self.post("/api/v1/auth/login", login).await?;
        Ok(self.signed(signed_in))
    }

    /// The second part, where the first was answered with `second_factor_required` and a challenge.
    pub async fn login_second(&self, login: &wire::SecondLogin) -> Result<Signed, Error> {
        let signed_in = self.post("/api/v1/auth/login/second", login).await?;
        Ok(self.signed(signed_in))
    }

    /// Where to send a browser, so that its person signs in at a provider.
    pub async fn start_oidc(&self, start: &wire::OidcStart) -> Result<wire::OidcStarted, Error> {
        self.post("/api/v1/auth/oidc/start", start).await
    }

    /// Signs in with what the browser has brought back.
    pub async fn finish_oidc(&self, finish: &wire::OidcFinish) -> Result<Signed, Error> {
        let signed_in = self.post("/api/v1/auth/oidc/finish", finish).await?;
        Ok(self.signed(signed_in))
    }

    /// Has a code sent; answered alike whether or not anybody is there.
    pub async fn ask_code(&self, code: &wire::CodeNew) -> Result<(), Error> {
        self.post("/api/v1/auth/codes", code).await
    }

    /// Exchanges a refresh token. Used twice, it ends the session.
    pub async fn refresh(&self, refresh_token: &str) -> Result<wire::Tokens, Error> {
        let request = wire::Refresh { refresh_token: refresh_token.to_owned() };
        let refreshed: wire::Refreshed = self.post("/api/v1/auth/refresh", &request).await?;
        Ok(refreshed.tokens)
    }

    /// Whether an access token works, and whose it is.
    pub async fn verify(&self, token: &str) -> Result<wire::Verified, Error> {
        self.post("/api/v1/auth/verify", &wire::Verify { token: token.to_owned() }).await
    }

    /// Whether the server says that it serves.
    pub async fn is_ready(&self) -> bool {
        self.raw("GET", "/readyz", &[], None).await.is_ok_and(|answer| answer.status == 200)
    }

    /// Somebody who is signed in, from what a sign-in answered.
    pub fn signed(&self, signed_in: wire::SignedIn) -> Signed {
        Signed::new(self.clone(), signed_in)
    }

    /// One exchange as it is, for what the methods do not cover.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Raw, Error> {
        let what = || format!("{method} {path}");
        let verb = reqwest::Method::from_bytes(method.as_bytes()).map_err(|_| Error::Address(what()))?;
        let mut request = self.http.request(verb, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(Error::http(what()))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(Error::http(what()))?.to_vec();
        Ok(Raw { status, headers, body })
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, request: &impl Serialize) -> Result<T, Error> {
        let answer = self.raw("POST", path, &[JSON], Some(encode(request))).await?;
        read("POST", path, &answer).map(|answer| answer.value)
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn encode(request: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(request).expect("wire types have no maps with odd keys")
}

/// What a request came back with.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer<T> {
    pub value: T,
    /// 201: it was made now; 200: it was there.
    pub status: u16,
    /// Of a write: what a read has to wait for, see [`Signed::at`].
    pub position: Option<String>,
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Reads an answer of the contract: the thing, nothing (204), or a problem.
fn read<T: DeserializeOwned>(method: &str, path: &str, answer: &Raw) -> Result<Answer<T>, Error> {
    let unreadable =
        || Error::Unreadable { what: format!("{method} {path}"), status: answer.status, body: answer.text() };
    if answer.status >= 400 {
        let problem = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        return Err(Error::Problem(Box::new(problem)));
    }
    if answer.status == 202
        && let Ok(wire::MessageHeld { message_id, held: true }) = serde_json::from_slice(&answer.body)
    {
        return Err(Error::Held(message_id));
    }
    let body = if answer.body.is_empty() { b"null" } else { &answer.body[..] };
    let value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    Ok(Answer { value, status: answer.status, position: answer.header("natter-position").map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::Client;

    #[test]
    fn the_websocket_is_where_the_server_is() {
        let url = |base| Client::new(base).unwrap().websocket_url();
        assert_eq!(url("http://127.0.0.1:8080/"), "ws://127.0.0.1:8080/ws");
        assert_eq!(url("https://natter.example"), "wss://natter.example/ws");
        assert!(Client::new("natter.example").is_err());
    }
}
