//! Single sign-on, as far as Natter keeps anything of it: a sign-in that began is known by its state, for ten minutes, on
//! all nodes, and ends once. Who began it keeps a secret to themselves, of which a hash stands beside the state: without it
//! nobody ends it, whoever has seen the address that the provider sent a browser back to; and an app that began nothing
//! takes nothing that somebody else brings.
//!
//! What goes to the provider (nonce, verifier) follows from the state and our key, so nothing of it is kept. What the
//! provider says is checked by who asks it (`edge/src/oidc`), and then means an identity of an account.

use crate::{
    Caller, Commands, Ended, Origin, SignedIn,
    account::{
        identity::{self, Comer},
        password,
    },
    error::Error,
    passing::{Next, until},
    session::{Opening, Sessions},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{AccountId, Code, HandleId, Password, Sealed, Timestamp, Username, account::About, limit};
use natter_outbox::Locale;
use natter_streams::{Positions, clock, id};
use serde::{Deserialize, Serialize};

pub use crate::account::Wanted;

const SIGN_IN: &str = "sign-in";

/// A sign-in that begins.
pub struct Begun {
    pub attempt: Attempt,
    /// For who began it, and nobody else.
    pub secret: String,
}

/// A sign-in that is under way.
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    /// RFC 7636, towards the provider.
    pub verifier: String,
    /// What the provider has said already, where it could not be made use of then.
    pub said: Option<Said>,
    kept: Kept,
}

impl Attempt {
    pub fn provider(&self) -> &str {
        &self.kept.provider
    }

    /// Where the provider sends the browser.
    pub fn redirect_url(&self) -> &str {
        &self.kept.redirect_url
    }
}

/// What a provider has said of somebody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    pub issuer: String,
    pub subject: String,
    pub username: Option<String>,
    pub name: Option<String>,
}

impl Said {
    /// The user name that is made of what the provider suggests, or the beginning of it: digits may come behind. Where it
    /// says no name, the nickname is the same.
    pub fn proposal(&self) -> Option<Username> {
        identity::proposal(self.username.as_deref().unwrap_or_default(), None)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    provider: String,
    redirect_url: String,
    /// Hash of what only who began it knows.
    secret: String,
    /// [`Said`].
    said: Option<Sealed>,
    expires_at: Timestamp,
}

/// The use cases of single sign-on.
pub struct Oidc<'a>(pub(crate) &'a Commands);

impl Oidc<'_> {
    /// For anybody.
    pub async fn begin(&self, provider: &str, redirect_url: &str) -> Result<Begun, Error> {
        let [state, secret] = [id::random::<32>(), id::random::<32>()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let kept = Kept {
            provider: provider.to_owned(),
            redirect_url: redirect_url.to_owned(),
            secret: hash(&secret),
            said: None,
            expires_at: clock::now() + limit::SIGN_IN_LIFETIME,
        };
        self.keep(&state, &kept).await?;
        Ok(Begun { attempt: self.attempt(&state, kept), secret })
    }

    /// Ends it, for who knows the secret. Whoever else has its state does not even end it.
    pub async fn take(&self, state: &str, secret: &str) -> Result<Attempt, Error> {
        let shown = hash(secret);
        let step = |kept: Option<Kept>, now| Kept::taken(kept, now, &shown);
        let kept = self.0.passing.step(SIGN_IN, state, step).await?;
        Ok(self.attempt(state, kept))
    }

    /// It did not come to anything, by nobody's fault: it goes on for the rest of its time.
    pub async fn resume(&self, attempt: Attempt, said: Option<&Said>) -> Result<(), Error> {
        let Attempt { state, mut kept, .. } = attempt;
        if let Some(said) = said {
            let plain = serde_json::to_vec(said).map_err(Error::failed("encode what a provider said"))?;
            kept.said = Some(self.0.keyring.seal(self.owner(&state).0, &plain));
        }
        self.keep(&state, &kept).await
    }

    /// Signs in who comes with this identity; `true` where the account is new. Where the wanted name is taken, or what it
    /// needs is away, the sign-in goes on.
    pub async fn enter(
        &self,
        attempt: Attempt,
        said: &Said,
        wanted: &Wanted,
        origin: Origin,
    ) -> Result<(SignedIn, bool), Error> {
        let entered = async {
            let entered = identity::enter(self.0, &self.comer(said), wanted).await?;
            let opening = Opening { account_id: entered.account, checked: Some(entered.checked), origin };
            let mut signed_in = Sessions(self.0).open(opening).await?;
            signed_in.positions.merge(&entered.positions);
            Ok((signed_in, entered.is_new))
        };
        self.or_resumed(attempt, said, entered.await).await
    }

    /// The sign-in goes on where what it needs is away, or a name was taken: what the provider said, it says once.
    async fn or_resumed<T>(&self, attempt: Attempt, said: &Said, came: Result<T, Error>) -> Result<T, Error> {
        let goes_on = |error: &Error| error.is(Code::NameTaken) || matches!(error, Error::Unavailable);
        if came.as_ref().is_err_and(goes_on) {
            self.resume(attempt, Some(said)).await?;
        }
        came
    }

    /// Whether an account is let in by it, as far as can be told: then nothing else is asked about who that is.
    pub async fn is_known(&self, said: &Said) -> bool {
        identity::find(self.0, self.comer(said).handle).await.is_ok_and(|found| found.is_some())
    }

    /// What the caller's password proves, for [`Self::link`].
    pub async fn prove(&self, caller: Caller, password: &str) -> Result<u32, Error> {
        Ok(password::prove(self.0, caller, password).await?.credentials)
    }

    /// One more identity of the caller's.
    pub async fn link(
        &self,
        attempt: Attempt,
        caller: Caller,
        checked: u32,
        said: &Said,
        locale: Locale,
    ) -> Result<Positions, Error> {
        let linked = identity::link(self.0, caller, checked, &self.comer(said), locale).await;
        self.or_resumed(attempt, said, linked).await
    }

    pub async fn unlink(&self, caller: Caller, identity: HandleId, locale: Locale) -> Result<Positions, Error> {
        identity::unlink(self.0, caller, identity, locale).await
    }

    /// A new password, or a first one, for who comes with an identity of the account. All its sessions end.
    pub async fn set_password(
        &self,
        attempt: Attempt,
        said: &Said,
        password: &Password,
        locale: Locale,
    ) -> Result<Ended, Error> {
        let set = async {
            let found = identity::find(self.0, self.comer(said).handle).await?;
            let proven = found.ok_or_else(|| Error::code(Code::NotFound, "no account is linked to this identity"))?;
            Sessions(self.0).set_password(&proven, password, locale).await
        };
        self.or_resumed(attempt, said, set.await).await
    }

    fn comer<'a>(&self, said: &'a Said) -> Comer<'a> {
        let Said { issuer, subject, username, name } = said;
        let shown = username.clone().or_else(|| name.clone());
        Comer {
            about: About { issuer: issuer.clone(), name: shown },
            handle: identity::handle_of(self.0, issuer, subject),
            suggested: username.as_deref(),
            name: name.as_deref(),
        }
    }

    fn attempt(&self, state: &str, kept: Kept) -> Attempt {
        let derived = |what| self.0.keyring.code(what, state, "").to_hex().to_string();
        let opened = kept.said.as_ref().and_then(|said| self.0.keyring.open(self.owner(state).0, said));
        Attempt {
            state: state.to_owned(),
            nonce: derived("sign-in nonce"),
            verifier: derived("sign-in verifier"),
            said: opened.and_then(|plain| serde_json::from_slice(&plain).ok()),
            kept,
        }
    }

    /// For whom what is kept is sealed: nobody yet.
    fn owner(&self, state: &str) -> AccountId {
        AccountId(self.0.keyring.handle(SIGN_IN, state).0)
    }

    async fn keep(&self, state: &str, kept: &Kept) -> Result<(), Error> {
        let step = |_: Option<Kept>, now| {
            Ok(Next { kept: Some(kept.clone()), lifetime: until(now, kept.expires_at), told: () })
        };
        self.0.passing.step(SIGN_IN, state, step).await
    }
}

impl Kept {
    fn taken(kept: Option<Self>, now: Timestamp, secret: &str) -> Result<Next<Self, Self>, Error> {
        let live = kept.filter(|kept| now < kept.expires_at).ok_or_else(gone)?;
        verify_slices_are_equal(live.secret.as_bytes(), secret.as_bytes()).map_err(|_| gone())?;
        Ok(Next { kept: None, lifetime: until(now, live.expires_at), told: live })
    }
}

/// The secret is random enough that a plain hash cannot be turned back.
fn hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Whatever of it is wrong.
fn gone() -> Error {
    Error::code(Code::CodeWrong, "this sign-in is unknown, used, too old, or another's: begin anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn kept() -> Kept {
        Kept {
            provider: "corp".into(),
            redirect_url: "https://app.example/".into(),
            secret: hash("secret"),
            said: None,
            expires_at: NOW + limit::SIGN_IN_LIFETIME,
        }
    }

    #[test]
    fn it_ends_once_for_who_began_it_and_in_its_time() {
        let last = NOW + (limit::SIGN_IN_LIFETIME - Duration::from_millis(1));
        let next = Kept::taken(Some(kept()), last, &hash("secret")).unwrap();
        assert!(next.kept.is_none() && next.told.provider == "corp");
        let refused = |kept, now, secret| Kept::taken(kept, now, &hash(secret)).is_err_and(|e| e.is(Code::CodeWrong));
        assert!(refused(None, NOW, "secret"));
        assert!(refused(Some(kept()), NOW, "another"));
        assert!(refused(Some(kept()), NOW + limit::SIGN_IN_LIFETIME, "secret"));
    }
}
