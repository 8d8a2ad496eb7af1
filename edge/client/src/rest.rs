//! The contract's paths as methods. A write answers with its position; [`Signed::at`] makes reads wait for it.

use crate::{Error, trust, wire};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use tokio_rustls::rustls::ClientConfig;
use tokio_tungstenite::Connector;
use uuid::Uuid;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

/// Tokens are renewed when this part of their life is left.
const RENEWED_BEFORE: f64 = 0.2;

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
        Signed {
            client: self.clone(),
            account: Arc::new(signed_in.account),
            session: Arc::new(Mutex::new(Session::new(signed_in.tokens))),
            position: None,
            key: None,
        }
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

/// Which page of a list.
#[derive(Clone, Default, Debug)]
pub struct Page {
    /// From the page before.
    pub cursor: Option<String>,
    /// 1 to 200; the server's default is 50.
    pub limit: Option<u32>,
}

/// Which messages of a conversation; both bounds exclusive. Bounds or a middle, not both.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub struct Range {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
    /// With it: oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// In the middle of the page, which is oldest first then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Somebody who is signed in. Cheap to clone; clones share the tokens, which are renewed before they expire.
#[derive(Clone, Debug)]
pub struct Signed {
    client: Client,
    account: Arc<wire::Account>,
    session: Arc<Mutex<Session>>,
    position: Option<Arc<str>>,
    key: Option<Uuid>,
}

#[derive(Debug)]
struct Session {
    tokens: wire::Tokens,
    expires_at: Instant,
    renew_at: Instant,
    /// The refresh token went out and its answer did not come: sending it again would end the session.
    spent: bool,
}

impl Session {
    fn new(tokens: wire::Tokens) -> Self {
        let (now, life) = (Instant::now(), Duration::from_secs(tokens.expires_in));
        Self { tokens, expires_at: now + life, renew_at: now + life.mul_f64(1.0 - RENEWED_BEFORE), spent: false }
    }

    async fn renew(&mut self, client: &Client) -> Result<(), Error> {
        if self.spent {
            return Err(Error::Spent);
        }
        match client.refresh(&self.tokens.refresh_token).await {
            Ok(tokens) => *self = Self::new(tokens),
            Err(error) => {
                self.spent = !never_left(&error);
                return Err(error);
            }
        }
        Ok(())
    }
}

fn never_left(error: &Error) -> bool {
    matches!(error, Error::Http { source, .. } if source.is_connect())
}

impl Signed {
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// As it was at sign-in.
    pub fn account(&self) -> &wire::Account {
        &self.account
    }

    pub fn id(&self) -> Uuid {
        self.account.id
    }

    /// The same person, whose reads wait until they see this position.
    pub fn at(&self, position: &str) -> Self {
        Self { position: Some(position.into()), ..self.clone() }
    }

    /// The same person, whose writes carry this `Idempotency-Key`: for one write, and its repetitions.
    pub fn keyed(&self, key: Uuid) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// A token that works for a while, and until when.
    pub async fn access_token(&self) -> Result<(String, Instant), Error> {
        let mut session = self.session.lock().await;
        if Instant::now() >= session.renew_at {
            match session.renew(&self.client).await {
                Err(error) if Instant::now() >= session.expires_at => return Err(error),
                // The old one works still.
                _ => {}
            }
        }
        Ok((session.tokens.access_token.clone(), session.renew_at))
    }

    /// Exchanges the tokens now.
    pub async fn refresh(&self) -> Result<wire::Tokens, Error> {
        let mut session = self.session.lock().await;
        session.renew(&self.client).await?;
        Ok(session.tokens.clone())
    }

    /// The tokens as they are now.
    pub async fn tokens(&self) -> wire::Tokens {
        self.session.lock().await.tokens.clone()
    }

    pub async fn logout(&self) -> Result<Answer<()>, Error> {
        self.write("POST", "/auth/logout", None::<&()>).await
    }

    /// The sessions of this person that are open, newest first.
    pub async fn sessions(&self) -> Result<Vec<wire::Session>, Error> {
        let found: wire::Items<_> = self.read("/auth/sessions".to_owned()).await?;
        Ok(found.items)
    }

    pub async fn end_session(&self, session: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/auth/sessions/{session}"), None::<&()>).await
    }

    /// Every session but this one.
    pub async fn end_other_sessions(&self) -> Result<Answer<()>, Error> {
        self.write("DELETE", "/auth/sessions", None::<&()>).await
    }

    /// Ends every other session.
    pub async fn change_password(&self, old: &str, new: &str) -> Result<Answer<()>, Error> {
        let change = wire::PasswordChange { old_password: old.to_owned(), new_password: new.to_owned() };
        self.write("POST", "/auth/password/change", Some(&change)).await
    }

    pub async fn me(&self) -> Result<wire::Account, Error> {
        self.read("/accounts/me".to_owned()).await
    }

    pub async fn change_account(&self, change: &wire::AccountChange) -> Result<Answer<wire::Account>, Error> {
        self.write("PATCH", "/accounts/me", Some(change)).await
    }

    /// Asks for the account to be closed; every session ends, this one too.
    pub async fn close_account(&self, password: &str) -> Result<Answer<wire::AccountClosing>, Error> {
        let close = wire::AccountClose { password: password.to_owned() };
        self.write("DELETE", "/accounts/me", Some(&close)).await
    }

    pub async fn settings(&self) -> Result<wire::Settings, Error> {
        self.read("/settings".to_owned()).await
    }

    pub async fn change_settings(&self, change: &wire::SettingsChange) -> Result<Answer<wire::Settings>, Error> {
        self.write("PATCH", "/settings", Some(change)).await
    }

    /// Those who want to be found so: by the beginning of their user name.
    pub async fn find_accounts(&self, query: &str, page: &Page) -> Result<wire::PageOf<wire::Account>, Error> {
        self.read(page.query().with("query", Some(query)).on("/accounts")).await
    }

    /// The public part of anybody's account.
    pub async fn account_of(&self, account: Uuid) -> Result<wire::Account, Error> {
        self.read(format!("/accounts/{account}")).await
    }

    /// Those of the accounts that exist, at most a hundred in one call.
    pub async fn accounts_of(&self, ids: &[Uuid]) -> Result<Vec<wire::Account>, Error> {
        let found: Answer<wire::Items<_>> =
            self.write("POST", "/accounts/lookup", Some(&wire::Lookup { ids: ids.to_vec() })).await?;
        Ok(found.value.items)
    }

    /// Status 200: the other one had asked first, and that request is accepted by this.
    pub async fn request_friend(&self, to: Uuid, message: Option<&str>) -> Result<Answer<wire::FriendRequest>, Error> {
        let request = wire::FriendRequestNew { to, message: message.map(str::to_owned) };
        self.write("POST", "/friends/requests", Some(&request)).await
    }

    pub async fn accept_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/accept"), None::<&()>).await
    }

    pub async fn reject_friend(&self, request: Uuid) -> Result<Answer<wire::FriendRequest>, Error> {
        self.write("POST", &format!("/friends/requests/{request}/reject"), None::<&()>).await
    }

    /// `direction`: `in` or `out`.
    pub async fn friend_requests(
        &self,
        direction: &str,
        status: Option<&str>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::FriendRequest>, Error> {
        let query = page.query().with("direction", Some(direction)).with("status", status);
        self.read(query.on("/friends/requests")).await
    }

    pub async fn friends(&self, page: &Page) -> Result<wire::PageOf<wire::Friend>, Error> {
        self.read(page.query().on("/friends")).await
    }

    /// What changed since the cursor; without one: everything. While there is `more`, to be called again at once.
    pub async fn sync(&self, cursor: Option<&str>) -> Result<wire::Sync, Error> {
        self.read(Query(String::new()).with("cursor", cursor).on("/sync")).await
    }

    /// The conversation with a friend. Status 200: it was there.
    pub async fn open_direct(&self, with: Uuid) -> Result<Answer<wire::OwnConversation>, Error> {
        let request = wire::ConversationNew { kind: "direct".to_owned(), with: Some(with), name: None, members: None };
        self.write("POST", "/conversations", Some(&request)).await
    }

    /// A group of the caller and these friends of theirs.
    pub async fn start_group(&self, name: &str, members: &[Uuid]) -> Result<Answer<wire::OwnConversation>, Error> {
        let (name, members) = (Some(name.to_owned()), Some(members.to_vec()));
        let request = wire::ConversationNew { kind: "group".to_owned(), with: None, name, members };
        self.write("POST", "/conversations", Some(&request)).await
    }

    pub async fn rename_group(&self, group: Uuid, name: &str) -> Result<Answer<wire::OwnConversation>, Error> {
        let change = wire::ConversationChange { name: name.to_owned() };
        self.write("PATCH", &format!("/conversations/{group}"), Some(&change)).await
    }

    /// Who is in, the newest first.
    pub async fn members(&self, conversation: Uuid, page: &Page) -> Result<wire::PageOf<wire::Member>, Error> {
        self.read(page.query().on(&format!("/conversations/{conversation}/members"))).await
    }

    pub async fn add_members(&self, group: Uuid, accounts: &[Uuid]) -> Result<Answer<wire::MembersAdded>, Error> {
        let new = wire::MembersNew { account_ids: accounts.to_vec() };
        self.write("POST", &format!("/conversations/{group}/members"), Some(&new)).await
    }

    pub async fn remove_member(&self, group: Uuid, account: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}/members/{account}"), None::<&()>).await
    }

    pub async fn leave(&self, group: Uuid) -> Result<Answer<()>, Error> {
        self.write("DELETE", &format!("/conversations/{group}/members/me"), None::<&()>).await
    }

    /// By last activity, newest first.
    pub async fn conversations(&self, page: &Page) -> Result<wire::PageOf<wire::OwnConversation>, Error> {
        self.read(page.query().on("/conversations")).await
    }

    pub async fn conversation(&self, conversation: Uuid) -> Result<wire::OwnConversation, Error> {
        self.read(format!("/conversations/{conversation}")).await
    }

    /// Durable once answered. Status 200: this `message_id` was sent before, and this is the first answer.
    pub async fn send(
        &self,
        conversation: Uuid,
        message: &wire::MessageNew,
    ) -> Result<Answer<wire::MessageSent>, Error> {
        self.write("POST", &format!("/conversations/{conversation}/messages"), Some(message)).await
    }

    pub async fn messages(&self, conversation: Uuid, range: Range) -> Result<Vec<wire::Message>, Error> {
        let number = |bound: Option<u64>| bound.map(|bound| bound.to_string());
        let query = Query::default()
            .with("before_seq", number(range.before_seq).as_deref())
            .with("after_seq", number(range.after_seq).as_deref())
            .with("around_seq", number(range.around_seq).as_deref())
            .with("limit", number(range.limit.map(u64::from)).as_deref());
        let listed: wire::Items<_> = self.read(query.on(&format!("/conversations/{conversation}/messages"))).await?;
        Ok(listed.items)
    }

    pub async fn message(&self, conversation: Uuid, message: Uuid) -> Result<wire::Message, Error> {
        self.read(format!("/conversations/{conversation}/messages/{message}")).await
    }

    /// Those of the messages that exist for the caller, in this order; at most a hundred in one call.
    pub async fn messages_of(&self, conversation: Uuid, ids: &[Uuid]) -> Result<Vec<wire::Message>, Error> {
        let path = format!("/conversations/{conversation}/messages/lookup");
        let found: Answer<wire::Items<_>> =
            self.write("POST", &path, Some(&wire::Lookup { ids: ids.to_vec() })).await?;
        Ok(found.value.items)
    }

    pub async fn edit(
        &self,
        conversation: Uuid,
        message: Uuid,
        body: &wire::Body,
    ) -> Result<Answer<wire::Message>, Error> {
        let edit = wire::MessageEdit { body: body.clone() };
        self.write("PATCH", &format!("/conversations/{conversation}/messages/{message}"), Some(&edit)).await
    }

    pub async fn recall(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("/conversations/{conversation}/messages/{message}"), None).await
    }

    pub async fn react(&self, conversation: Uuid, message: Uuid, emoji: &str) -> Result<Answer<()>, Error> {
        self.exchange("PUT", &reaction(conversation, message, emoji), None).await
    }

    pub async fn unreact(&self, conversation: Uuid, message: Uuid, emoji: &str) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &reaction(conversation, message, emoji), None).await
    }

    pub async fn pin(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("PUT", &format!("/conversations/{conversation}/messages/{message}/pin"), None).await
    }

    pub async fn unpin(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("/conversations/{conversation}/messages/{message}/pin"), None).await
    }

    /// Moves the read cursor forward; answers where it is now.
    pub async fn read_up_to(&self, conversation: Uuid, seq: u64) -> Result<Answer<wire::ReadUpTo>, Error> {
        self.write("PUT", &format!("/conversations/{conversation}/read"), Some(&wire::Read { seq })).await
    }

    async fn read<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        Ok(self.exchange("GET", &path, None).await?.value)
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Error> {
        self.exchange(method, path, body.map(encode)).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer<T>, Error> {
        let path = format!("/api/v1{path}");
        let (token, _) = self.access_token().await?;
        let bearer = format!("Bearer {token}");
        let key = self.key.map(|key| key.to_string());
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(body.as_ref().map(|_| JSON));
        headers.extend(self.position.as_deref().map(|position| ("natter-position", position)));
        headers.extend(key.as_deref().map(|key| ("idempotency-key", key)));
        let answer = self.client.raw(method, &path, &headers, body).await?;
        read(method, &path, &answer)
    }
}

fn reaction(conversation: Uuid, message: Uuid, emoji: &str) -> String {
    let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/conversations/{conversation}/messages/{message}/reactions/{encoded}")
}

/// Reads an answer of the contract: the thing, nothing (204), or a problem.
fn read<T: DeserializeOwned>(method: &str, path: &str, answer: &Raw) -> Result<Answer<T>, Error> {
    let unreadable =
        || Error::Unreadable { what: format!("{method} {path}"), status: answer.status, body: answer.text() };
    if answer.status >= 400 {
        let problem = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        return Err(Error::Problem(Box::new(problem)));
    }
    let body = if answer.body.is_empty() { b"null" } else { &answer.body[..] };
    let value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    Ok(Answer { value, status: answer.status, position: answer.header("natter-position").map(str::to_owned) })
}

impl Page {
    fn query(&self) -> Query {
        let limit = self.limit.map(|limit| limit.to_string());
        Query::default().with("cursor", self.cursor.as_deref()).with("limit", limit.as_deref())
    }
}

#[derive(Default)]
struct Query(String);

impl Query {
    fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let sign = if self.0.is_empty() { '?' } else { '&' };
            self.0.push(sign);
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(value.bytes().map(escape));
        }
        self
    }

    fn on(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opaque_travels_whole_in_a_query() {
        let query = Query::default().with("cursor", Some("a+b/c=&")).with("status", None).with("limit", Some("2"));
        assert_eq!(query.on("/friends"), "/friends?cursor=a%2Bb%2Fc%3D%26&limit=2");
    }

    #[test]
    fn the_websocket_is_where_the_server_is() {
        let url = |base| Client::new(base).unwrap().websocket_url();
        assert_eq!(url("http://127.0.0.1:8080/"), "ws://127.0.0.1:8080/ws");
        assert_eq!(url("https://natter.example"), "wss://natter.example/ws");
        assert!(Client::new("natter.example").is_err());
    }
}
