//! One provider: what discovery says of it, where a browser is sent, and what it answers to a code.

use super::{
    Settings,
    id_token::{Claims, Expected, Wrong, verify},
    is_local, is_private,
};
use crate::metrics;
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use natter_commands::Attempt;
use natter_streams::{breaker::Breaker, clock};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long one question to a provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long all of them may, that one request of ours needs.
pub(super) const WHOLE: Duration = Duration::from_secs(10);
/// What it says of itself is asked anew after this.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// For keys that we do not know it is asked no more often than this.
const KEYS_PAUSE: Duration = Duration::from_secs(10);
const ANSWER_MAX_BYTES: usize = 256 * 1024;
const NAME_MAX: usize = 64;

/// Why it comes to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It does not answer, or nothing that can be used.
    Away,
    /// It, or what it says, is against it.
    Refused,
}

pub(super) struct Provider {
    pub settings: Settings,
    http: Client,
    /// `None` while nobody has asked yet.
    known: tokio::sync::Mutex<Option<Arc<Known>>>,
    breaker: Mutex<Breaker>,
    began: Instant,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// What it says of itself.
struct Known {
    endpoints: Endpoints,
    keys: JwkSet,
    asked_at: Instant,
    keys_asked_at: Instant,
}

#[derive(Clone, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: Address,
    token_endpoint: Address,
    jwks_uri: Address,
    userinfo_endpoint: Option<Address>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A url, read as one.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct Address(Url);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Url::parse(&text).map(Self).map_err(|_| "no url")
    }
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    preferred_username: Option<String>,
    name: Option<String>,
}

/// Whom it has signed in.
pub(super) struct Vouched {
    pub subject: String,
    pub username: Option<String>,
    pub name: Option<String>,
    /// To ask for more.
    access_token: Option<String>,
}

impl Provider {
    pub fn new(settings: Settings) -> Result<Self, String> {
        let is_issuer = |url: &Url| is_private(url) && url.query().is_none() && url.fragment().is_none();
        if !Url::parse(&settings.issuer).is_ok_and(|url| is_issuer(&url)) {
            let issuer = &settings.issuer;
            return Err(format!("{issuer:?} is no issuer: an https url without a query, or http on this machine"));
        }
        // What sends us elsewhere is not the provider.
        let builder = Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let http = builder.build().map_err(|_| "an HTTP client cannot be made".to_owned())?;
        Ok(Self { settings, http, known: Default::default(), breaker: Mutex::default(), began: Instant::now() })
    }

    /// Where a browser goes to sign in there.
    pub async fn entrance(&self, attempt: &Attempt) -> Result<Url, Failure> {
        let known = self.within(self.known()).await?;
        let mut url = known.endpoints.authorization_endpoint.0.clone();
        let challenge = digest::digest(&digest::SHA256, attempt.verifier.as_bytes());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", attempt.redirect_url())
            .append_pair("scope", "openid profile")
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Whom it has signed in, for the code that the browser brought, and who the browser says has given it.
    pub async fn redeem(&self, attempt: &Attempt, code: &str, iss: Option<&str>) -> Result<Vouched, Failure> {
        self.within(async {
            let known = self.known().await?;
            let says_who = known.endpoints.authorization_response_iss_parameter_supported;
            // Another's code, which this provider shall not get (RFC 9207).
            if iss.map_or(says_who, |iss| iss != self.settings.issuer) {
                return Err(Failure::Refused);
            }
            let Tokens { id_token, access_token } = self.ask("token", self.exchange(&known, attempt, code)).await?;
            let claims = self.verified(&known, &id_token, &attempt.nonce).await?;
            let (username, name) = (short(claims.preferred_username), short(claims.name));
            Ok(Vouched { subject: claims.sub, username, name, access_token })
        })
        .await
    }

    fn exchange(&self, known: &Known, attempt: &Attempt, code: &str) -> RequestBuilder {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", attempt.redirect_url()),
            ("code_verifier", &attempt.verifier),
        ];
        let Settings { client_id, client_secret, .. } = &self.settings;
        let mut request = self.http.post(known.endpoints.token_endpoint.0.clone());
        match client_secret {
            Some(secret) if known.endpoints.takes_basic() => {
                request = request.basic_auth(encoded(&[(client_id, "")]), Some(encoded(&[(secret, "")])));
            }
            Some(secret) => form.extend([("client_id", &**client_id), ("client_secret", secret)]),
            None => form.push(("client_id", client_id)),
        }
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded(&form))
    }

    async fn verified(&self, known: &Known, id_token: &str, nonce: &str) -> Result<Claims, Failure> {
        let Settings { issuer, client_id, .. } = &self.settings;
        let expected = Expected { issuer, client_id, nonce, now: clock::now() };
        let mut verified = verify(&known.keys, id_token, &expected);
        if verified == Err(Wrong::UnknownKey) {
            verified = verify(&self.newer_keys().await?.keys, id_token, &expected);
        }
        verified.map_err(|wrong| {
            metrics::id_token_refused(&self.settings.name, wrong.why());
            tracing::warn!(provider = self.settings.name, why = wrong.why(), "an ID token is not taken");
            Failure::Refused
        })
    }

    /// What it calls somebody, where its token does not say; nothing where it does not tell.
    pub async fn name(&self, vouched: &mut Vouched) {
        let asked = self.within(async {
            let (known, access_token) = (self.known().await?, vouched.access_token.as_deref());
            let Some((endpoint, token)) = known.endpoints.userinfo_endpoint.clone().zip(access_token) else {
                return Err(Failure::Refused);
            };
            self.ask::<UserInfo>("userinfo", self.http.get(endpoint.0).bearer_auth(token)).await
        });
        // OpenID Connect Core, 5.3.2: about somebody else it says nothing to us.
        if let Ok(info) = asked.await
            && info.sub == vouched.subject
        {
            (vouched.username, vouched.name) = (short(info.preferred_username), short(info.name));
        }
    }

    /// What it says of itself. Asked by one at a time, and kept for a while.
    async fn known(&self) -> Result<Arc<Known>, Failure> {
        let mut held = self.known.lock().await;
        if let Some(known) = held.as_ref().filter(|known| known.asked_at.elapsed() < FRESH) {
            return Ok(known.clone());
        }
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = self.ask("discovery", self.http.get(url)).await?;
        self.check(&endpoints)?;
        let keys = self.ask("keys", self.http.get(endpoints.jwks_uri.0.clone())).await?;
        let now = Instant::now();
        let known = Arc::new(Known { endpoints, keys, asked_at: now, keys_asked_at: now });
        *held = Some(known.clone());
        Ok(known)
    }

    /// Its keys, unless they were asked for just now.
    async fn newer_keys(&self) -> Result<Arc<Known>, Failure> {
        let mut held = self.known.lock().await;
        let Some(known) = held.clone() else { return Err(Failure::Away) };
        if known.keys_asked_at.elapsed() < KEYS_PAUSE {
            return Ok(known);
        }
        let Known { endpoints, asked_at, .. } = &*known;
        let keys = self.ask("keys", self.http.get(endpoints.jwks_uri.0.clone())).await?;
        let endpoints = endpoints.clone();
        let newer = Arc::new(Known { endpoints, keys, asked_at: *asked_at, keys_asked_at: Instant::now() });
        *held = Some(newer.clone());
        Ok(newer)
    }

    /// It must be who we were told, and nobody may listen on the way to where it points.
    fn check(&self, endpoints: &Endpoints) -> Result<(), Failure> {
        let wrong = |what| {
            tracing::warn!(provider = self.settings.name, what, "what a provider says of itself cannot be used");
            Err(Failure::Away)
        };
        if endpoints.issuer != self.settings.issuer {
            return wrong("issuer");
        }
        let may_be_local = Url::parse(&self.settings.issuer).is_ok_and(|issuer| is_local(&issuer));
        let is_good = |Address(url): &Address| url.scheme() == "https" || (may_be_local && is_local(url));
        let Endpoints { authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint, .. } = endpoints;
        let all = [authorization_endpoint, token_endpoint, jwks_uri].into_iter().chain(userinfo_endpoint);
        if all.into_iter().all(is_good) { Ok(()) } else { wrong("endpoints") }
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        timeout(WHOLE, work).await.unwrap_or(Err(Failure::Away))
    }

    async fn ask<T: DeserializeOwned>(&self, call: &'static str, request: RequestBuilder) -> Result<T, Failure> {
        if !self.breaker().takes_one(self.began.elapsed()) {
            metrics::provider_asked(&self.settings.name, call, "spared");
            return Err(Failure::Away);
        }
        let answered = answered(request).await;
        let outcome = match &answered {
            Ok(_) => "answered",
            Err((Failure::Refused, _)) => "refused",
            Err((Failure::Away, _)) => "away",
        };
        let is_open = {
            let mut breaker = self.breaker();
            match outcome {
                "away" => breaker.failed(self.began.elapsed()),
                _ => breaker.succeeded(),
            }
            breaker.is_open()
        };
        metrics::provider_asked(&self.settings.name, call, outcome);
        metrics::provider_breaker(&self.settings.name, is_open);
        answered.map_err(|(failure, why)| {
            tracing::warn!(provider = self.settings.name, call, why, "a provider does not do what it was asked");
            failure
        })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoints {
    /// How we prove who we are: as all providers must let us, unless this one says that it does not.
    fn takes_basic(&self) -> bool {
        let named = self.token_endpoint_auth_methods_supported.as_ref();
        named.is_none_or(|all| all.iter().any(|method| method == "client_secret_basic"))
    }
}

/// With a word for the log: neither addresses nor what a provider wrote stand there, for both may hold a code.
async fn answered<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, (Failure, &'static str)> {
    let away = |why| (Failure::Away, why);
    let response = request.send().await.map_err(|error| away(if error.is_timeout() { "slow" } else { "no answer" }))?;
    let status = response.status();
    let body = bounded(response).await.ok_or(away("broken off, or too long"))?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| away("unreadable"));
    }
    let error = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error).unwrap_or_default();
    Err(match status {
        // Our settings, and nobody's fault who wants to sign in.
        _ if ["invalid_client", "unauthorized_client"].contains(&&*error) => away("does not know us"),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => away("puts us off"),
        status if status.is_client_error() => (Failure::Refused, "refuses"),
        _ => away("failed"),
    })
}

/// `None`: it broke off, or would have gone on for longer than an answer may.
async fn bounded(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX_BYTES {
            return None;
        }
    }
    Some(body)
}

/// `application/x-www-form-urlencoded`; a name alone is what RFC 6749, 2.3.1, wants of the two halves of `Basic`.
fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:").expect("it is a url");
    for (name, value) in pairs {
        match *value {
            "" => url.query_pairs_mut().append_key_only(name),
            value => url.query_pairs_mut().append_pair(name, value),
        };
    }
    url.query().unwrap_or_default().to_owned()
}

/// A name that is a name.
fn short(name: Option<String>) -> Option<String> {
    let cut = |name: String| name.trim().chars().take(NAME_MAX).collect::<String>();
    name.map(cut).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_a_form_comes_out_of_it() {
        assert_eq!(encoded(&[("a secret: 100%", "")]), "a+secret%3A+100%25");
        assert_eq!(
            encoded(&[("code", "a/b+c="), ("redirect_uri", "https://a/?b&c")]),
            "code=a%2Fb%2Bc%3D&redirect_uri=https%3A%2F%2Fa%2F%3Fb%26c"
        );
    }

    #[test]
    fn names_are_cut() {
        assert_eq!(short(Some(format!("  {}", "é".repeat(300)))), Some("é".repeat(NAME_MAX)));
        assert_eq!([short(Some(" ".into())), short(None)], [None, None]);
    }
}
