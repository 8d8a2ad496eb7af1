//! Signing in with a phone: a new device shows a QR code, somebody who is signed in scans it, sees what asks and from
//! where, and approves. How it stands is kept for two minutes, for all nodes; each step is made on what was read, so of
//! two that ask for the session at once one gets it; where it cannot be opened just then, it can be asked for again. The
//! phone's session vouches: the account lets the new one in only if that is still in, and asks for no second factor.
//!
//! Who knows what the QR code says can scan it, no more: the session is given to who knows the device's secret.

mod record;

use crate::{
    Caller, Commands, Device, Origin, SignedIn,
    error::Error,
    passing::Next,
    session::{Opening, Sessions},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{AccountId, Code, Sealed, account::Proof, limit};
use natter_streams::{clock, id};
use record::{By, Told, Waiting};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, time::Duration};
use uuid::Uuid;

const QR: &str = "qr";

/// What a device shows, and what it keeps to itself.
pub struct Shown {
    pub id: Uuid,
    pub secret: String,
    pub lifetime: Duration,
}

/// What asks to be approved.
pub struct Scanned {
    pub device: Option<Device>,
    pub address: Option<IpAddr>,
    pub remains: Duration,
}

/// How it stands.
pub enum Poll {
    Pending,
    Scanned(AccountId),
    /// Said once.
    Approved(SignedIn),
    Refused,
    Expired,
}

#[derive(Serialize, Deserialize)]
struct About {
    device: Option<Device>,
    address: Option<IpAddr>,
}

/// The use cases of QR codes.
pub struct Qrs<'a>(pub(crate) &'a Commands);

impl Qrs<'_> {
    /// For anybody.
    pub async fn show(&self, origin: Origin) -> Result<Shown, Error> {
        // Not one that rises: what comes next is not to be guessed.
        let id = uuid::Builder::from_random_bytes(id::random()).into_uuid();
        let secret = URL_SAFE_NO_PAD.encode(id::random::<32>());
        let about = About { device: origin.device, address: origin.address };
        let plain = serde_json::to_vec(&about).map_err(Error::failed("encode a device"))?;
        let waiting = Waiting::new(hash(&secret), self.0.keyring.seal(id, &plain), clock::now());
        self.0.passing.step(QR, &id.to_string(), |_, now| Ok(waiting.clone().shown(now))).await?;
        Ok(Shown { id, secret, lifetime: limit::QR_LIFETIME })
    }

    /// By the device: how it stands; once, and to one, the session.
    pub async fn poll(&self, id: Uuid, secret: &str, address: Option<IpAddr>) -> Result<Poll, Error> {
        let hash = hash(secret);
        let kept: Option<Waiting> = self.0.passing.read(QR, &id.to_string()).await?;
        let now = clock::now();
        // A question that changes nothing writes nothing.
        let told = match kept {
            Some(waiting) if waiting.is_to_be_taken(now) => {
                self.step(id, |kept, now| Waiting::poll(kept, now, &hash)).await?
            }
            kept => Waiting::poll(kept, now, &hash)?.told,
        };
        match told {
            Told::Pending => Ok(Poll::Pending),
            Told::Scanned(by) => Ok(Poll::Scanned(by)),
            Told::Take(by, about) => self.open(id, by, &about, address).await,
            Told::Refused => Ok(Poll::Refused),
            Told::Expired => Ok(Poll::Expired),
        }
    }

    async fn open(&self, id: Uuid, by: By, about: &Sealed, address: Option<IpAddr>) -> Result<Poll, Error> {
        let device = self.about(id, about).device;
        let opening =
            Opening { account_id: by.account, checked: None, origin: Origin { device, address, ..Origin::default() } };
        let proof = Proof::Session { session_id: by.session };
        match Sessions(self.0).open_with(opening, Some(proof)).await {
            Ok(signed_in) => Ok(Poll::Approved(signed_in)),
            // The session that has approved it has ended meanwhile.
            Err(refused) if refused.is(Code::Forbidden) => Ok(Poll::Refused),
            // A lane that changes its owner, say: better a session that nobody has a token for than an approval for nothing.
            Err(Error::Unavailable) => {
                self.step(id, Waiting::give_back).await?;
                Err(Error::Unavailable)
            }
            Err(error) => Err(error),
        }
    }

    /// By somebody who is signed in: what asks.
    pub async fn scan(&self, caller: Caller, id: Uuid) -> Result<Scanned, Error> {
        let (about, remains) = self.step(id, |kept, now| Waiting::scan(kept, now, caller.into())).await?;
        let About { device, address } = self.about(id, &about);
        Ok(Scanned { device, address, remains })
    }

    pub async fn approve(&self, caller: Caller, id: Uuid) -> Result<(), Error> {
        self.step(id, |kept, now| Waiting::approve(kept, now, caller.into())).await
    }

    pub async fn refuse(&self, caller: Caller, id: Uuid) -> Result<(), Error> {
        self.step(id, |kept, now| Waiting::refuse(kept, now, caller.into())).await
    }

    async fn step<T>(
        &self,
        id: Uuid,
        step: impl Fn(Option<Waiting>, natter_domain::Timestamp) -> Result<Next<Waiting, T>, Error>,
    ) -> Result<T, Error> {
        self.0.passing.step(QR, &id.to_string(), step).await
    }

    fn about(&self, id: Uuid, sealed: &Sealed) -> About {
        let plain = self.0.keyring.open(id, sealed);
        let about = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        about.unwrap_or(About { device: None, address: None })
    }
}

/// The secret is random enough that a plain hash cannot be turned back.
fn hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}
