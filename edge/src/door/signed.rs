//! Requests that another server has signed with a key of ours. Paths that the operator names are answered to nobody else.
//!
//! `Authorization: Natter-HMAC key="<id>", at="<seconds>", nonce="<16 to 64 of A-Za-z0-9_->", signature="<base64url>"`, where
//! the signature is HMAC-SHA256 over the lines method, path with query, `at`, `nonce`, and the body's SHA-256 in hexadecimal.
//! A time that is too far from ours is refused, and so is a nonce that was there before, on whichever node: for as long as
//! its time is good it is remembered by the bus. Where that does not answer nothing is believed.

use crate::http::problem::Problem;
use aws_lc_rs::{digest, hmac};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{Code, Timestamp, limit};
use natter_streams::{Error, bucket::Bucket, bus::Bus, clock, id, keyring::Keyring};
use std::{collections::HashSet, fmt, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

/// How far clocks may differ, either way.
const SKEW: Duration = Duration::from_secs(300);
/// How long the bus may take to remember a nonce.
const PATIENCE: Duration = Duration::from_secs(2);
const SCHEME: &str = "Natter-HMAC ";

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As a request spells them.
    pub paths: Vec<String>,
    /// Keys that are good now.
    pub keys: watch::Receiver<Arc<HashSet<Uuid>>>,
}

impl Default for Settings {
    fn default() -> Self {
        let (_, keys) = watch::channel(Arc::default());
        Self { paths: Vec::new(), keys }
    }
}

/// Remembers nonces, and knows the secrets.
pub struct Signatures {
    nonces: Bucket,
    keyring: Arc<Keyring>,
}

/// What the header says.
#[derive(PartialEq, Eq, Debug)]
struct Signature {
    key: Uuid,
    at: i64,
    nonce: String,
    bytes: Vec<u8>,
}

impl Signatures {
    pub fn new(bus: &Bus, keyring: Arc<Keyring>) -> Self {
        Self { nonces: Bucket::nonces(bus), keyring }
    }

    /// The same request, once its signature was found good.
    pub async fn check(&self, settings: &Settings, within: Duration, request: Request) -> Result<Request, Problem> {
        let (parts, body) = request.into_parts();
        let signature = Signature::read(&parts.headers).ok_or_else(refused)?;
        if !settings.keys.borrow().contains(&signature.key) || !signature.is_of(clock::now()) {
            return Err(refused());
        }
        let body = timeout(within, to_bytes(body, limit::REQUEST_BODY_MAX_BYTES)).await;
        let body = body.map_err(|_| Problem::malformed("the body did not come in time"))?;
        let body = body.map_err(|_| Problem::new(Code::PayloadTooLarge, "the body is too large"))?;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.keyring.server_key(signature.key));
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let text = text(parts.method.as_str(), path, signature.at, &signature.nonce, &body);
        hmac::verify(&secret, text.as_bytes(), &signature.bytes).map_err(|_| refused())?;
        self.spend(&signature).await?;
        Ok(Request::from_parts(parts, Body::from(body)))
    }

    async fn spend(&self, signature: &Signature) -> Result<(), Problem> {
        let name =
            self.keyring.handle("nonce", &format!("{}:{}", signature.key, signature.nonce)).0.simple().to_string();
        match timeout(PATIENCE, self.remember(&name)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(refused()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "remember a nonce");
                Err(Problem::unavailable())
            }
            Err(_) => Err(Problem::unavailable()),
        }
    }

    /// `false`: it was there before.
    async fn remember(&self, name: &str) -> Result<bool, Error> {
        let entry = self.nonces.get(name).await?;
        if entry.value.is_some() {
            return Ok(false);
        }
        self.nonces.put(name, entry.version, Vec::new(), SKEW * 2 + PATIENCE).await
    }
}

fn refused() -> Problem {
    Problem::new(Code::Unauthenticated, "a signature that is good, fresh and new is needed")
}

impl Signature {
    /// Exactly one header of the scheme, with each parameter once.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return None };
        let parameters = value.to_str().ok()?.strip_prefix(SCHEME)?;
        let pairs: Vec<(&str, &str)> = parameters.split(',').map(parameter).collect::<Option<_>>()?;
        let value = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let nonce = value("nonce").filter(|nonce| is_nonce(nonce))?.to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(value("signature")?).ok()?;
        let (key, at) = (value("key")?.parse().ok()?, value("at")?.parse().ok()?);
        (pairs.len() == 4).then_some(Self { key, at, nonce, bytes })
    }

    fn is_of(&self, now: Timestamp) -> bool {
        let away = self.at.saturating_mul(1_000).saturating_sub(now.as_millis());
        away.unsigned_abs() <= SKEW.as_millis() as u64
    }
}

/// `name="value"`
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.trim().split_once('=')?;
    Some((name, value.strip_prefix('"')?.strip_suffix('"')?))
}

fn is_nonce(nonce: &str) -> bool {
    (16..=64).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What is signed.
fn text(method: &str, path: &str, at: i64, nonce: &str, body: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, body);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method}\n{path}\n{at}\n{nonce}\n{hash}")
}

/// Signs what we ask of others, in the same way. `path`: with its query.
#[derive(Clone)]
pub struct Signer {
    key: Uuid,
    secret: [u8; 32],
}

impl Signer {
    /// Whoever was given the secret of that key believes it.
    pub fn new(keyring: &Keyring, key: Uuid) -> Self {
        Self { key, secret: keyring.server_key(key) }
    }

    /// The value of the header `Authorization`.
    pub fn sign(&self, method: &str, path: &str, body: &[u8]) -> String {
        let (at, nonce) = (clock::now().as_millis() / 1_000, id::new().simple().to_string());
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let signature = hmac::sign(&secret, text(method, path, at, &nonce, body).as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        format!("{SCHEME}key=\"{}\", at=\"{at}\", nonce=\"{nonce}\", signature=\"{signature}\"", self.key)
    }
}

/// Without the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &'static str) -> Option<Signature> {
        Signature::read(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]))
    }

    #[test]
    fn a_header_is_read_strictly() {
        let good = read(
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"1700000000\", nonce=\"abcdefghij-_0123\", signature=\"AQI\"",
        );
        let nonce = "abcdefghij-_0123".to_owned();
        assert_eq!(good, Some(Signature { key: Uuid::from_u128(1), at: 1_700_000_000, nonce, bytes: vec![1, 2] }));
        for bad in [
            "Bearer x",
            "Natter-HMAC ",
            "Natter-HMAC key=1",
            "Natter-HMAC key=\"1\", at=\"1\", nonce=\"abcdefghij-_0123\", signature=\"AQI\"",
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"soon\", nonce=\"abcdefghij-_0123\", signature=\"AQI\"",
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"1\", nonce=\"short\", signature=\"AQI\"",
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"1\", nonce=\"abcdefghij-_012\n\", signature=\"AQI\"",
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"1\", nonce=\"abcdefghij-_0123\", signature=\"A=\"",
            "Natter-HMAC key=\"00000000-0000-0000-0000-000000000001\", at=\"1\", at=\"2\", nonce=\"abcdefghij-_0123\", signature=\"AQI\"",
        ] {
            if let Ok(value) = HeaderValue::from_str(bad) {
                assert_eq!(Signature::read(&HeaderMap::from_iter([(header::AUTHORIZATION, value)])), None, "{bad}");
            }
        }
    }

    #[test]
    fn what_we_sign_is_read_as_what_others_sign() {
        let (keyring, key) = (Keyring::new(&[7; 32]), Uuid::from_u128(1));
        let header = Signer::new(&keyring, key).sign("POST", "/hook?a=b", b"body");
        let value = HeaderValue::from_str(&header).unwrap();
        let signature = Signature::read(&HeaderMap::from_iter([(header::AUTHORIZATION, value)])).unwrap();
        assert!(signature.key == key && signature.is_of(clock::now()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &keyring.server_key(key));
        let verify = |text: &str| hmac::verify(&secret, text.as_bytes(), &signature.bytes).is_ok();
        assert!(verify(&text("POST", "/hook?a=b", signature.at, &signature.nonce, b"body")));
        assert!(!verify(&text("POST", "/hook?a=b", signature.at, &signature.nonce, b"bodi")));
    }

    #[test]
    fn clocks_may_differ_by_five_minutes() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let of = |at| Signature { key: Uuid::nil(), at, nonce: String::new(), bytes: vec![] }.is_of(now);
        assert!(of(1_700_000_000) && of(1_700_000_300) && of(1_699_999_700));
        assert!(!of(1_700_000_301) && !of(1_699_999_699) && !of(i64::MAX) && !of(i64::MIN));
    }
}
