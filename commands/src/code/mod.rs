//! Codes: six digits that prove whose an address or a number is. What is kept is a keyed hash, in a bucket that all
//! nodes share, under a key that does not tell whose it is. A try is counted before it is answered, so however many come
//! at once, five may be wrong. A newer code voids the older one; one for something else is none.
//!
//! Nothing here tells whether an address has an account: the same is read, kept and written for those that have none.

mod record;

use crate::{Commands, account, error::Error};
use natter_domain::{Code, Email, Phone, limit};
use natter_outbox::{Channel, Letter, Locale, Notice, Outbox, Purpose};
use natter_streams::{bucket::Bucket, clock, id, keyring::Keyring};
use record::{Pace, Sent, Try};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};

/// How often a write is tried again because somebody else wrote: each of them got on.
const RACES: usize = 64;

/// Where somebody can be reached, and known by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Email(Email),
    Phone(Phone),
}

impl Target {
    pub fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Sms,
        }
    }

    /// As it is written to, and shown to its owner.
    pub fn address(&self) -> String {
        match self {
            Self::Email(email) => email.address(),
            Self::Phone(phone) => phone.as_str().to_owned(),
        }
    }

    /// As it is compared.
    pub(crate) fn normalised(&self) -> String {
        match self {
            Self::Email(email) => email.normalised(),
            Self::Phone(phone) => phone.as_str().to_owned(),
        }
    }
}

/// What codes need. A cheap handle.
#[derive(Clone)]
pub(crate) struct Desk {
    bucket: Bucket,
    keyring: Arc<Keyring>,
    outbox: Outbox,
    /// Whether rates hold.
    rates: bool,
}

impl Desk {
    pub fn new(bucket: Bucket, keyring: Arc<Keyring>, outbox: Outbox, rates: bool) -> Self {
        Self { bucket, keyring, outbox, rates }
    }
}

/// The use cases of codes.
pub struct Codes<'a>(pub(crate) &'a Commands);

impl Codes<'_> {
    /// Sends a code, or does the same work for nobody. Durable when it returns.
    pub async fn send(&self, target: &Target, purpose: Purpose, locale: Locale) -> Result<(), Error> {
        let desk = &self.0.desk;
        desk.pace(target).await?;
        let code = six_digits();
        desk.keep(target, purpose, &code).await?;
        let is_known = account::holder(self.0, target).await?.is_some();
        let wants_known = match purpose {
            Purpose::Register => Some(false),
            Purpose::Login | Purpose::ResetPassword => Some(true),
            // To the new one, or to the one that there is.
            Purpose::ChangeEmail | Purpose::ChangePhone => None,
        };
        // Its owner should know that somebody tries to register with it, and nobody else.
        let notice = match purpose {
            Purpose::Register if is_known => Notice::Known,
            _ => Notice::Code { purpose, code },
        };
        let letter = Letter::new(target.channel(), &target.address(), &notice, locale);
        let is_sent = notice == Notice::Known || wants_known.is_none_or(|wanted| wanted == is_known);
        match is_sent {
            true => desk.outbox.put(letter, limit::CODE_LIFETIME).await?,
            false => desk.outbox.pretend(letter, limit::CODE_LIFETIME).await?,
        }
        Ok(())
    }
}

impl Desk {
    /// Refuses with `code_wrong` unless this is the newest code that was sent to the target for this, for the first time,
    /// in its time, and not after too many others.
    pub(crate) async fn spend(&self, target: &Target, purpose: Purpose, code: &str) -> Result<(), Error> {
        let wrong = || Error::code(Code::CodeWrong, "the code is wrong, used or too old");
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let given = self.hash(target, purpose, code);
        let key = self.key(target, name(purpose));
        for _ in 0..RACES {
            let entry = self.bucket.get(&key).await?;
            let now = clock::now();
            let tried = read::<Sent>(entry.value.as_deref()).and_then(|sent| sent.tried(given, now));
            let (next, outcome) = tried.ok_or_else(wrong)?;
            // Kept before it is told: of two at once, one sees the other's.
            if self.bucket.put(&key, entry.version, written(&next)?, next.remains(now)).await? {
                return if outcome == Try::Right { Ok(()) } else { Err(wrong()) };
            }
        }
        Err(Error::Unavailable)
    }

    /// Tells somebody something; for a day it is tried.
    pub(crate) async fn tell(&self, target: &Target, notice: &Notice, locale: Locale) -> Result<(), Error> {
        let letter = Letter::new(target.channel(), &target.address(), notice, locale);
        Ok(self.outbox.put(letter, Duration::from_secs(24 * 60 * 60)).await?)
    }

    async fn pace(&self, target: &Target) -> Result<(), Error> {
        if !self.rates {
            return Ok(());
        }
        let key = self.key(target, "pace");
        for _ in 0..RACES {
            let entry = self.bucket.get(&key).await?;
            let pace = read::<Pace>(entry.value.as_deref()).unwrap_or_default();
            let pace = pace.one_more(clock::now()).map_err(|wait| Error::TooOften { wait })?;
            if self.bucket.put(&key, entry.version, written(&pace)?, limit::CODES_WITHIN).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable)
    }

    /// In the place of the one before.
    async fn keep(&self, target: &Target, purpose: Purpose, code: &str) -> Result<(), Error> {
        let key = self.key(target, name(purpose));
        let sent = written(&Sent::new(self.hash(target, purpose, code), clock::now()))?;
        for _ in 0..RACES {
            let on = self.bucket.get(&key).await?.version;
            if self.bucket.put(&key, on, sent.clone(), limit::CODE_LIFETIME).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable)
    }

    fn key(&self, target: &Target, what: &str) -> String {
        self.keyring.code(what, &target.normalised(), "").to_hex().to_string()
    }

    fn hash(&self, target: &Target, purpose: Purpose, code: &str) -> blake3::Hash {
        self.keyring.code(name(purpose), &target.normalised(), code)
    }
}

const fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Register => "register",
        Purpose::Login => "login",
        Purpose::ResetPassword => "reset_password",
        Purpose::ChangeEmail => "change_email",
        Purpose::ChangePhone => "change_phone",
    }
}

/// What cannot be read was written by somebody else: as if it were not there.
fn read<T: DeserializeOwned>(value: Option<&[u8]>) -> Option<T> {
    serde_json::from_slice(value?).ok()
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(Error::failed("encode a code's state"))
}

/// Each of the million alike, but for one in 10^13.
fn six_digits() -> String {
    format!("{:06}", u64::from_le_bytes(id::random()) % 1_000_000)
}
