//! Tries of passwords, slowed down. What is guessed at costs time, never the account: nobody is locked out for good, and
//! not by what strangers do.
//!
//! Three counts, in a bucket that all nodes share, under keys that do not tell of whom they are:
//! - of a name tried from one place ([`HERE`]): the delay grows with each try that came to nothing;
//! - of a name from everywhere ([`EVERYWHERE`]): while many fail, whoever comes from a place where nobody was right
//!   lately waits once, half a minute at the most, whatever goes on elsewhere. Then only what comes from there counts;
//! - of a place, whatever is tried there ([`Budget`]): fifty wrong ones at once, and one more each minute. What is right
//!   counts for as long as it is compared, and neither lifts nor adds anything. A place whose address an operator lets in
//!   has no such count.
//!
//! A try is counted before it is made, in the write that looks whether it may be, so however many come at once, few are
//! made: who loses to the others for too long is told to wait. Names that nobody has are counted as those of people are.
//! Where the bucket cannot be reached nobody is slowed down: signing in does not need NATS, and a hash costs what it costs.

mod budget;
mod record;

use crate::{Caller, error::Error, metrics, session::Origin};
use budget::{Budget, FULL_AFTER};
use natter_domain::Timestamp;
use natter_streams::{bucket::Bucket, clock, fault, keyring::Keyring};
use record::{Rule, Tries};
use serde::{Serialize, de::DeserializeOwned};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

const HERE: Rule = rule(5, 300, 24 * 60 * 60);
const EVERYWHERE: Rule = rule(20, 30, 15 * 60);

const fn rule(free: u32, longest: u64, forgotten: u64) -> Rule {
    Rule {
        free,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(longest),
        forgotten: Duration::from_secs(forgotten),
    }
}

/// How long signing in waits for the bucket, before each thing that it asks of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// For so long a write is tried again because somebody else wrote. Less than [`PATIENCE`] by far, so that a crowd is told
/// to wait and not taken for a bucket that is away.
const CROWDED: Duration = Duration::from_millis(250);

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
    /// Whether all that is tried from there is counted together.
    pub is_place: bool,
}

impl Guess {
    /// At the door.
    pub fn of_login(name: String, origin: &Origin) -> Self {
        let from = origin.address.map_or_else(|| "nowhere".to_owned(), place);
        Self { name, from, is_place: origin.address.is_some() && !origin.is_allowed }
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
        let is_counted = self.enter(&keys).await.inspect_err(|_| metrics::login_delayed())?;
        let compared = compare.await;
        if is_counted {
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

    /// `false`: the bucket could not be reached, and nothing is counted.
    async fn enter(&self, keys: &Keys) -> Result<bool, Error> {
        let Some(newcomers) = self.reached(self.look(keys)).await? else { return Ok(false) };
        self.reached(self.count(keys, newcomers)).await?;
        // Also where that took too long: some of it may be written, and is to be taken back.
        Ok(true)
    }

    /// `None`: the bucket could not be reached.
    async fn reached<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
        match timeout(PATIENCE, work).await {
            Ok(Err(waits @ Error::TooOften { .. })) => Err(waits),
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "tries of passwords are not counted");
                Ok(None)
            }
            Err(_) => {
                tracing::warn!("tries of passwords are not counted: no answer in time");
                Ok(None)
            }
        }
    }

    /// Before anything is written, so that who has to wait counts nowhere. How long a newcomer waits.
    async fn look(&self, keys: &Keys) -> Result<Duration, Error> {
        let (here, everywhere) = tokio::try_join!(self.read(&keys.here), self.read(&keys.everywhere))?;
        may(here.wait(clock::now()))?;
        Ok(everywhere.delay(&EVERYWHERE))
    }

    /// The place first: its one can be given back, while what is counted here bars until something is known of it.
    async fn count(&self, keys: &Keys, newcomers: Duration) -> Result<(), Error> {
        let now = clock::now();
        if let Some(place) = &keys.place {
            self.change(place, FULL_AFTER, |budget: Budget| budget.take(now)).await?;
        }
        let counted = self.count_here(&keys.here, newcomers, now).await;
        if matches!(counted, Err(Error::TooOften { .. })) {
            let _ = self.give_back(keys).await;
        }
        fault::reach("lockout.after_count").await;
        counted
    }

    async fn count_here(&self, key: &str, newcomers: Duration, now: Timestamp) -> Result<(), Error> {
        let mut waits = None;
        let next = |tries: Tries| match tries.as_newcomer(newcomers, now) {
            Some(newcomer) => {
                waits = newcomer.wait(now);
                Ok(newcomer)
            }
            None => {
                waits = None;
                tries.one_more(&HERE, now)
            }
        };
        self.change(key, HERE.forgotten, next).await?;
        may(waits)
    }

    async fn note<T>(&self, keys: &Keys, compared: &Result<Option<T>, Error>) -> Result<(), Error> {
        let now = clock::now();
        match compared {
            Ok(Some(_)) => self.change(&keys.here, HERE.forgotten, |_: Tries| Ok(Tries::right())).await?,
            Ok(None) => {
                let failed = |tries: Tries| Ok(tries.failed_once_more(&EVERYWHERE, now));
                return self.change(&keys.everywhere, EVERYWHERE.forgotten, failed).await;
            }
            Err(_) => self.change(&keys.here, HERE.forgotten, |tries: Tries| Ok(tries.one_less())).await?,
        }
        self.give_back(keys).await
    }

    /// It was no wrong try of the place.
    async fn give_back(&self, keys: &Keys) -> Result<(), Error> {
        match &keys.place {
            Some(place) => self.change(place, FULL_AFTER, |budget: Budget| Ok(budget.give_back())).await,
            None => Ok(()),
        }
    }

    async fn read(&self, key: &str) -> Result<Tries, Error> {
        Ok(read(self.bucket.get(key).await?.value.as_deref()))
    }

    /// Looks and writes as one, so that of all who come at once each sees what the one before has written. `to` says what
    /// is to be written, or how long that waits.
    async fn change<R: Serialize + DeserializeOwned + Default>(
        &self,
        key: &str,
        lifetime: Duration,
        mut to: impl FnMut(R) -> Result<R, Duration>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let entry = self.bucket.get(key).await?;
            let next = to(read(entry.value.as_deref())).map_err(|wait| Error::TooOften { wait })?;
            let next = serde_json::to_vec(&next).map_err(Error::failed("encode tries"))?;
            if self.bucket.put(key, entry.version, next, lifetime).await? {
                return Ok(());
            }
            if begun.elapsed() > CROWDED {
                return Err(Error::TooOften { wait: HERE.first });
            }
        }
    }
}

fn may(wait: Option<Duration>) -> Result<(), Error> {
    wait.map_or(Ok(()), |wait| Err(Error::TooOften { wait }))
}

/// What cannot be read was written by somebody else: as if it were not there.
fn read<R: DeserializeOwned + Default>(value: Option<&[u8]>) -> R {
    value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default()
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

    #[test]
    fn a_place_that_is_let_in_is_not_counted_and_a_name_tried_there_is() {
        let address = Some("192.0.2.1".parse().unwrap());
        let guess = |origin: Origin| Guess::of_login("alice".to_owned(), &origin);
        let counted = guess(Origin { address, ..Origin::default() });
        let allowed = guess(Origin { address, is_allowed: true, ..Origin::default() });
        assert!(counted.is_place && !allowed.is_place);
        assert_eq!((allowed.name, allowed.from), (counted.name, counted.from));
        assert!(!guess(Origin::default()).is_place, "nobody knows where that is");
    }
}
