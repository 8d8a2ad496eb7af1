//! Tries of passwords, slowed down. What is guessed at costs time, never the account: nobody is locked out for good, and
//! not by what strangers do.
//!
//! Three counts, in a bucket that all nodes share, under keys that do not tell of whom they are:
//! - of a name tried from one place ([`HERE`]): the delay grows with each try that came to nothing;
//! - of a name from everywhere ([`EVERYWHERE`]): while many fail, whoever comes from a place where nobody was right
//!   lately waits once, half a minute at the most, whatever goes on elsewhere. Then only what comes from there counts;
//! - of a place, whatever is tried there ([`PLACE`]).
//!
//! A try is counted before it is made, so however many come at once, few are made. Names that nobody has are counted as
//! those of people are. Where the bucket cannot be reached nobody is slowed down: signing in does not need NATS, and a
//! hash costs what it costs.

mod record;

use crate::{Caller, error::Error, metrics};
use natter_domain::Timestamp;
use natter_streams::{bucket::Bucket, clock, keyring::Keyring};
use record::{Rule, Tries};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::time::timeout;

const HERE: Rule = rule(5, 300, 24 * 60 * 60);
const EVERYWHERE: Rule = rule(20, 30, 15 * 60);
const PLACE: Rule = rule(50, 60, 15 * 60);

const fn rule(free: u32, longest: u64, forgotten: u64) -> Rule {
    Rule {
        free,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(longest),
        forgotten: Duration::from_secs(forgotten),
    }
}

/// How often a write is tried again because somebody else wrote: each of them got on.
const RACES: usize = 64;

/// How long signing in waits for the bucket.
const PATIENCE: Duration = Duration::from_secs(1);

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Lockout {
    bucket: Bucket,
    keyring: Arc<Keyring>,
    /// Whether rates hold.
    rates: bool,
}

/// What is tried, and from where.
pub(crate) struct Guess {
    /// The name as it is compared.
    pub name: String,
    /// What is told apart from other places.
    pub from: String,
    /// Whether all that is tried from there is counted.
    pub is_place: bool,
}

impl Guess {
    /// At the door.
    pub fn of_login(name: String, address: Option<IpAddr>) -> Self {
        Self { name, from: address.map_or_else(|| "nowhere".to_owned(), place), is_place: address.is_some() }
    }

    /// By who is signed in: whoever has stolen a session guesses no password with it, and holds up no other session.
    pub fn of_session(caller: Caller) -> Self {
        Self { name: caller.account.to_string(), from: caller.session.to_string(), is_place: false }
    }
}

/// An address, or of IPv6 the network that is given to one household.
fn place(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

struct Keys {
    here: String,
    everywhere: String,
    place: Option<String>,
}

impl Lockout {
    pub fn new(bucket: Bucket, keyring: Arc<Keyring>, rates: bool) -> Self {
        Self { bucket, keyring, rates }
    }

    /// Compares a password once it may be tried; `None` is that it is wrong. Else it is [`Error::TooOften`], and says
    /// when.
    pub async fn guard<T>(
        &self,
        guess: &Guess,
        compare: impl Future<Output = Result<Option<T>, Error>>,
    ) -> Result<Option<T>, Error> {
        if !self.rates {
            return compare.await;
        }
        let keys = self.keys(guess);
        let counted = self.reached(self.count(&keys)).await?;
        let compared = compare.await;
        if counted {
            let _ = self.reached(self.note(&keys, &compared)).await;
        }
        compared
    }

    fn keys(&self, guess: &Guess) -> Keys {
        let key = |what: &str, of: &str| self.keyring.code(what, of, "").to_hex().to_string();
        Keys {
            here: key("tries here", &format!("{}\n{}", guess.name, guess.from)),
            everywhere: key("tries everywhere", &guess.name),
            place: guess.is_place.then(|| key("tries of a place", &guess.from)),
        }
    }

    /// `false`: the bucket could not be reached.
    async fn reached(&self, work: impl Future<Output = Result<(), Error>>) -> Result<bool, Error> {
        match timeout(PATIENCE, work).await {
            Ok(Err(waits @ Error::TooOften { .. })) => {
                metrics::login_delayed();
                Err(waits)
            }
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => {
                tracing::warn!(%error, "tries of passwords are not counted");
                Ok(false)
            }
            Err(_) => {
                tracing::warn!("tries of passwords are not counted: no answer in time");
                Ok(false)
            }
        }
    }

    /// Looks first, so that who has to wait counts nowhere.
    async fn count(&self, keys: &Keys) -> Result<(), Error> {
        let now = clock::now();
        if let Some(place) = &keys.place {
            may(self.read(place).await?.wait(now))?;
        }
        let newcomers = self.read(&keys.everywhere).await?.delay(&EVERYWHERE);
        self.enter(&keys.here, newcomers, now).await?;
        if let Some(place) = &keys.place {
            self.change(place, &PLACE, |tries| tries.failed_once_more(&PLACE, now)).await?;
        }
        Ok(())
    }

    async fn enter(&self, key: &str, newcomers: Duration, now: Timestamp) -> Result<(), Error> {
        for _ in 0..RACES {
            let entry = self.bucket.get(key).await?;
            let tries = read(entry.value.as_deref());
            if let Some(waits) = tries.as_newcomer(newcomers, now) {
                if self.bucket.put(key, entry.version, written(&waits)?, HERE.forgotten).await? {
                    return may(waits.wait(now));
                }
                continue;
            }
            let next = tries.one_more(&HERE, now).map_err(|wait| Error::TooOften { wait })?;
            if self.bucket.put(key, entry.version, written(&next)?, HERE.forgotten).await? {
                return Ok(());
            }
        }
        // So many at once are no person.
        Err(Error::TooOften { wait: HERE.first })
    }

    async fn note<T>(&self, keys: &Keys, compared: &Result<Option<T>, Error>) -> Result<(), Error> {
        let now = clock::now();
        match compared {
            Ok(Some(_)) => self.change(&keys.here, &HERE, |_| Tries::right()).await?,
            Ok(None) => {
                let failed = |tries: &Tries| tries.failed_once_more(&EVERYWHERE, now);
                return self.change(&keys.everywhere, &EVERYWHERE, failed).await;
            }
            Err(_) => self.change(&keys.here, &HERE, Tries::one_less).await?,
        }
        match &keys.place {
            Some(place) => self.change(place, &PLACE, Tries::one_less).await,
            None => Ok(()),
        }
    }

    async fn read(&self, key: &str) -> Result<Tries, Error> {
        Ok(read(self.bucket.get(key).await?.value.as_deref()))
    }

    async fn change(&self, key: &str, rule: &Rule, to: impl Fn(&Tries) -> Tries) -> Result<(), Error> {
        for _ in 0..RACES {
            let entry = self.bucket.get(key).await?;
            let next = written(&to(&read(entry.value.as_deref())))?;
            if self.bucket.put(key, entry.version, next, rule.forgotten).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn may(wait: Option<Duration>) -> Result<(), Error> {
    wait.map_or(Ok(()), |wait| Err(Error::TooOften { wait }))
}

/// What cannot be read was written by somebody else: as if it were not there.
fn read(value: Option<&[u8]>) -> Tries {
    value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default()
}

fn written(tries: &Tries) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(tries).map_err(Error::failed("encode tries"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_place() {
        let of = |text: &str| place(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
