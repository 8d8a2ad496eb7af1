//! An OpenID provider on a port of this machine, written from the standard and not from the server: discovery, keys, the
//! code flow with PKCE, ID tokens. It signs in whom the browser names, and does as the test tells it.

use super::{
    CLIENT_ID, CLIENT_SECRET,
    browser::{decoded, pairs},
};
use crate::token::{Key, Token};
use aws_lc_rs::digest;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use natter_streams::clock;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it does with those who ask. Where a token is named, it is that of somebody else's making.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduct {
    Answers,
    /// 500, whatever is asked.
    Fails,
    /// Takes every question and answers none.
    Hangs,
    /// Answers without end.
    Babbles,
    /// Sends whoever asks to another address of its own, where the right answer is.
    Redirects,
    /// Calls itself otherwise.
    OtherName,
    /// Points to where everybody can listen.
    OpenWay,
    /// Does not know our client.
    NotAClient,
    /// Knows our client by a secret in the form alone: `client_secret_post`.
    WantsPost,
    /// Signs with keys that it has published since.
    NewKeys,
    /// Signs with keys that it never publishes.
    HiddenKeys,
    WrongNonce,
    NoNonce,
    WrongAudience,
    OtherParty,
    WrongIssuer,
    WrongSignature,
    Expired,
    FromTheFuture,
    NoSubject,
    /// `alg: none`
    Unsigned,
    /// By HMAC, with the public key as the secret.
    Confused,
    /// With the account of another person.
    Swapped,
}

pub struct Forger {
    pub issuer: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    issuer: String,
    conduct: Mutex<Conduct>,
    /// What was asked for each code.
    codes: Mutex<HashMap<String, BTreeMap<String, String>>>,
    /// Paths, in the order in which they were asked for.
    asked: Mutex<Vec<String>>,
    /// Seconds by which its clock is ahead.
    ahead: Mutex<u64>,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    authorization: String,
    form: BTreeMap<String, String>,
}

impl Forger {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let state = Arc::new(State {
            issuer: issuer.clone(),
            conduct: Mutex::new(Conduct::Answers),
            codes: Mutex::default(),
            asked: Mutex::default(),
            ahead: Mutex::default(),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                tokio::spawn(async move { drop(serve(stream, &state).await) });
            }
        });
        Self { issuer, state, task }
    }

    /// As natter is told of it.
    pub fn settings(&self) -> Value {
        json!({
            "name": "forger", "title": "The Forger", "issuer": self.issuer,
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        })
    }

    pub fn behaves(&self, conduct: Conduct) {
        *lock(&self.state.conduct) = conduct;
    }

    /// As the nodes' clock is.
    pub fn is_ahead_by(&self, seconds: u64) {
        *lock(&self.state.ahead) = seconds;
    }

    /// How often this path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        lock(&self.state.asked).iter().filter(|asked| *asked == path).count()
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    lock(&state.asked).push(request.path.clone());
    // Of the conduct of this moment, whatever it is told meanwhile.
    let conduct = *lock(&state.conduct);
    match conduct {
        Conduct::Hangs => {
            // Until who asked has gone.
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
        Conduct::Babbles => {
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        _ => {}
    }
    let (status, header, body) = state.answer(conduct, &request);
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\n{header}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let form = pairs(&String::from_utf8_lossy(&body));
    Ok(Some(Request { method: method.to_owned(), path: path.to_owned(), query: pairs(query), authorization, form }))
}

type Answer = (u16, String, String);

fn json(status: u16, value: &Value) -> Answer {
    (status, String::new(), value.to_string())
}

fn error(status: u16, why: &str) -> Answer {
    json(status, &json!({"error": why}))
}

fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// Its keys, by their names.
fn key(kid: &str) -> Key {
    let seed = digest::digest(&digest::SHA256, kid.as_bytes());
    Key::from_seed(seed.as_ref().try_into().expect("32 bytes"))
}

impl State {
    fn answer(&self, conduct: Conduct, request: &Request) -> Answer {
        if conduct == Conduct::Fails {
            return error(500, "server_error");
        }
        let path = match (conduct, request.path.strip_prefix("/elsewhere")) {
            (_, Some(path)) => path,
            (Conduct::Redirects, None) if request.path != "/authorize" => {
                let to = format!("location: {}/elsewhere{}\r\n", self.issuer, request.path);
                return (307, to, String::new());
            }
            (_, None) => &request.path,
        };
        match (request.method.as_str(), path) {
            ("GET", "/.well-known/openid-configuration") => json(200, &self.discovery(conduct)),
            ("GET", "/jwks") => json(200, &keys(conduct)),
            ("GET", "/authorize") => self.authorize(&request.query),
            ("POST", "/token") => self.token(conduct, request),
            _ => json(404, &json!({})),
        }
    }

    fn discovery(&self, conduct: Conduct) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let jwks_uri = if conduct == Conduct::OpenWay { "http://192.0.2.1/jwks".to_owned() } else { at("/jwks") };
        let issuer = if conduct == Conduct::OtherName { at("/other") } else { self.issuer.clone() };
        let wants_post = conduct == Conduct::WantsPost;
        json!({
            "issuer": issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": jwks_uri,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "token_endpoint_auth_methods_supported": [if wants_post { "client_secret_post" } else { "client_secret_basic" }],
            "code_challenge_methods_supported": ["S256"],
        })
    }

    /// Its person is signed in there already, and agrees.
    fn authorize(&self, query: &BTreeMap<String, String>) -> Answer {
        let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let is_right = get("client_id") == CLIENT_ID
            && get("response_type") == "code"
            && get("scope").split(' ').any(|scope| scope == "openid")
            && get("code_challenge_method") == "S256"
            && !get("nonce").is_empty();
        if !is_right {
            return error(400, "invalid_request");
        }
        let code = natter_client::new_id().simple().to_string();
        lock(&self.codes).insert(code.clone(), query.clone());
        let back = format!("{}?state={}&code={code}", get("redirect_uri"), get("state"));
        (302, format!("location: {back}\r\n"), String::new())
    }

    fn token(&self, conduct: Conduct, request: &Request) -> Answer {
        let get = |name: &str| request.form.get(name).map(String::as_str).unwrap_or_default();
        let is_client = match conduct {
            Conduct::NotAClient => false,
            Conduct::WantsPost => (get("client_id"), get("client_secret")) == (CLIENT_ID, CLIENT_SECRET),
            _ => is_client(&request.authorization),
        };
        if !is_client {
            return error(401, "invalid_client");
        }
        // Once.
        let Some(asked) = lock(&self.codes).remove(get("code")) else { return error(400, "invalid_grant") };
        let is_right = get("grant_type") == "authorization_code"
            && asked.get("redirect_uri").map(String::as_str) == Some(get("redirect_uri"))
            && asked.get("code_challenge") == Some(&s256(get("code_verifier")))
            && (43..=128).contains(&get("code_verifier").len());
        if !is_right {
            return error(400, "invalid_grant");
        }
        let id_token = self.id_token(conduct, &asked);
        json(200, &json!({"access_token": "none", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}))
    }

    fn id_token(&self, conduct: Conduct, asked: &BTreeMap<String, String>) -> String {
        let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let (seconds, person) = (clock::now().as_millis() / 1000 + *lock(&self.ahead) as i64, get("login_hint"));
        let mut claims = json!({
            "iss": self.issuer, "sub": person, "aud": CLIENT_ID, "nonce": get("nonce"),
            "iat": seconds, "exp": seconds + 300, "preferred_username": person, "name": format!("{person} F."),
        });
        match conduct {
            Conduct::WrongNonce => claims["nonce"] = json!("another"),
            Conduct::NoNonce => claims["nonce"] = Value::Null,
            Conduct::WrongAudience => claims["aud"] = json!("another"),
            Conduct::OtherParty => {
                (claims["aud"], claims["azp"]) = (json!([CLIENT_ID, "another"]), json!("another"));
            }
            Conduct::WrongIssuer => claims["iss"] = json!(format!("{}/", self.issuer)),
            Conduct::Expired => (claims["iat"], claims["exp"]) = (json!(seconds - 900), json!(seconds - 600)),
            Conduct::FromTheFuture => (claims["iat"], claims["exp"]) = (json!(seconds + 600), json!(seconds + 900)),
            Conduct::NoSubject => claims["sub"] = json!(""),
            _ => {}
        }
        let kid = match conduct {
            Conduct::NewKeys => "two",
            Conduct::HiddenKeys => "three",
            _ => "one",
        };
        let token = Token { header: json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}), claims };
        let good = token.signed(&key(kid));
        let parts: Vec<&str> = good.split('.').collect();
        match conduct {
            Conduct::Unsigned => token.unsigned("none"),
            Conduct::Confused => token.signed_with_secret(&key(kid).public()),
            Conduct::WrongSignature => {
                let other = token.signed(&key("three"));
                format!("{}.{}.{}", parts[0], parts[1], other.rsplit('.').next().unwrap_or_default())
            }
            Conduct::Swapped => {
                let mut claims = token.claims;
                claims["sub"] = json!("somebody else");
                format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
            }
            _ => good,
        }
    }
}

fn keys(conduct: Conduct) -> Value {
    let jwk = |kid: &str| {
        let x = URL_SAFE_NO_PAD.encode(key(kid).public());
        json!({"kty": "OKP", "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "kid": kid, "x": x})
    };
    let mut keys = vec![jwk("one"), json!({"kty": "new", "use": "sig", "kid": "of a kind that nobody knows yet"})];
    keys.extend((conduct == Conduct::NewKeys).then(|| jwk("two")));
    json!({"keys": keys})
}

/// `client_secret_basic`
fn is_client(authorization: &str) -> bool {
    let given = authorization.strip_prefix("Basic ").and_then(|given| STANDARD.decode(given).ok());
    let given = given.and_then(|given| String::from_utf8(given).ok()).unwrap_or_default();
    let given = given.split_once(':').map(|(id, secret)| (decoded(id), decoded(secret)));
    given == Some((CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned()))
}
