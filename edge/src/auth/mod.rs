//! Who is asking. Access tokens are signed with Ed25519 and verified without asking anybody; sessions that ended are
//! known to every edge within a second ([`ended`]). Cookies carry no authority and are never looked at.
//!
//! Reading order: `key` (what signs), `token` (what is signed and how it is checked), `ended` (what no longer
//! counts), `gate` (the one place where requests are let in).

pub mod ended;
pub mod gate;
mod key;
pub mod token;

use crate::http::problem::Problem;
use axum::http::{HeaderMap, header};
use ended::Ended;
use key::Keys;
use natter_client::wire;
use natter_commands::{Caller, SignedIn};
use natter_domain::{Code, Timestamp};
use natter_streams::{clock, keyring::Keyring};
use serde_json::Value;

/// A caller whose token was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub caller: Caller,
    pub expires_at: Timestamp,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// None was given, or it was not made here, or its session has ended.
    Unauthenticated,
    Expired,
}

/// Makes and checks access tokens.
pub struct Auth {
    keys: Keys,
    pub ended: Ended,
}

impl Auth {
    pub fn new(keyring: &Keyring) -> Self {
        Self { keys: Keys::new(keyring, clock::now()), ended: Ended::default() }
    }

    /// The public halves, for whoever verifies tokens by themselves.
    pub fn jwks(&self) -> Value {
        self.keys.at(clock::now()).jwks()
    }

    pub fn verify(&self, token: &str) -> Result<Identity, Refused> {
        let now = clock::now();
        let identity = token::verify(self.keys.at(now).good(), token, now)?;
        if self.ended.contains(identity.caller.session) {
            return Err(Refused::Unauthenticated);
        }
        Ok(identity)
    }

    /// The caller that the `Authorization` header names. Exactly one such header, of the scheme `Bearer`.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Identity, Refused> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return Err(Refused::Unauthenticated) };
        let (scheme, token) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refused::Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Unauthenticated);
        }
        self.verify(token)
    }

    pub fn access_token(&self, caller: Caller) -> String {
        let now = clock::now();
        token::issue(self.keys.at(now).signing(), caller, now)
    }

    /// The tokens of a session that has just been opened or refreshed.
    pub fn tokens(&self, signed_in: &SignedIn) -> wire::Tokens {
        let caller = Caller { account: signed_in.account_id, session: signed_in.session_id };
        wire::Tokens {
            token_type: "Bearer".to_owned(),
            access_token: self.access_token(caller),
            expires_in: token::LIFETIME.as_secs(),
            refresh_token: signed_in.refresh_token.clone(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthenticated => Self::new(Code::Unauthenticated, "an access token that works is needed"),
            Refused::Expired => Self::new(Code::TokenExpired, "the access token has expired"),
        }
    }
}
