//! Somebody who is signed in: their tokens, and what every request of theirs carries.

use super::{Answer, Client, JSON, encode, read};
use crate::{Error, wire};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use uuid::Uuid;

/// Tokens are renewed when this part of their life is left.
const RENEWED_BEFORE: f64 = 0.2;

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
    pub(super) fn new(client: Client, signed_in: wire::SignedIn) -> Self {
        let session = Arc::new(Mutex::new(Session::new(signed_in.tokens)));
        Self { client, account: Arc::new(signed_in.account), session, position: None, key: None }
    }

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

    pub(super) async fn read<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        Ok(self.exchange("GET", &path, None).await?.value)
    }

    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Error> {
        self.exchange(method, path, body.map(encode)).await
    }

    pub(super) async fn exchange<T: DeserializeOwned>(
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
