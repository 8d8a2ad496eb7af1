//! Passwords: argon2id, away from the async workers and never more at once than there are cores, since each takes
//! tens of milliseconds and megabytes. One that nobody waits for any more counts until it has ended, too.

use crate::error::Error;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use natter_domain::Password;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// What a hash costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// 19 MiB, two passes: what OWASP advises.
    Standard,
    /// For tests only.
    Cheap,
}

#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    at_once: Arc<Semaphore>,
    /// The hash of nobody's password: an unknown login takes as long as a known one.
    nobody: Arc<OnceLock<String>>,
}

impl Passwords {
    pub fn new(cost: Cost) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { argon2: argon2(cost), at_once: Arc::new(Semaphore::new(cores)), nobody: Arc::default() }
    }

    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let argon2 = self.argon2.clone();
        self.away(move || hash(&argon2, &Password::typed(&password))).await?
    }

    /// Compares with the hash; with nobody's where there is none.
    pub async fn matches(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let (argon2, nobody) = (self.argon2.clone(), self.nobody.clone());
        self.away(move || {
            let known = stored.is_some();
            let stored = match stored {
                Some(stored) => stored,
                None => match nobody.get() {
                    Some(nobody) => nobody.clone(),
                    None => nobody.get_or_init(|| hash(&argon2, "nobody").unwrap_or_default()).clone(),
                },
            };
            let parsed = PasswordHash::new(&stored).map_err(|error| unreadable(&error))?;
            Ok(argon2.verify_password(Password::typed(&password).as_bytes(), &parsed).is_ok() && known)
        })
        .await?
    }

    /// Whether the hash was made with the parameters of today.
    pub fn is_current(&self, stored: &str) -> bool {
        let params = PasswordHash::new(stored).ok().and_then(|hash| Params::try_from(&hash).ok());
        params.is_some_and(|params| cost_of(&params) == cost_of(self.argon2.params()))
    }

    async fn away<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let permit = self.at_once.clone().acquire_owned().await.map_err(Error::failed("wait for a core"))?;
        let held = move || {
            // Given back by the work and not by who waits for it: they may hang up, and it goes on.
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(held).await.map_err(Error::failed("hash a password"))
    }
}

/// What comparing a password costs and nothing else, for benchmarks.
pub struct Bare {
    argon2: Argon2<'static>,
    hash: String,
}

impl Bare {
    pub fn new(cost: Cost) -> Result<Self, Error> {
        let argon2 = argon2(cost);
        let hash = hash(&argon2, "correct horse")?;
        Ok(Self { argon2, hash })
    }

    /// Whether the right password is right, on the thread that asks.
    pub fn compare(&self) -> bool {
        let parsed = PasswordHash::new(&self.hash);
        parsed.is_ok_and(|parsed| self.argon2.verify_password(b"correct horse", &parsed).is_ok())
    }
}

fn argon2(cost: Cost) -> Argon2<'static> {
    let params = match cost {
        Cost::Standard => Params::new(19 * 1024, 2, 1, None),
        Cost::Cheap => Params::new(8, 1, 1, None),
    };
    let params = params.expect("both are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn cost_of(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &impl ToString) -> Error {
    Error::Failed { what: "hash a password", source: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    #[tokio::test]
    async fn a_hash_is_current_for_the_cost_that_made_it() {
        let (cheap, standard) = (Passwords::new(Cost::Cheap), Passwords::new(Cost::Standard));
        let hash = cheap.hash("correct horse".into()).await.unwrap();
        assert!(cheap.is_current(&hash));
        assert!(!standard.is_current(&hash));
        assert!(!cheap.is_current("no hash"));
        assert!(standard.matches("correct horse".into(), Some(hash)).await.unwrap(), "it is compared as it was made");
    }

    #[tokio::test]
    async fn who_hangs_up_holds_their_core_until_the_work_has_ended() {
        let passwords = Passwords { at_once: Arc::new(Semaphore::new(1)), ..Passwords::new(Cost::Cheap) };
        let (end, told) = mpsc::channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let work = {
            let ended = ended.clone();
            move || {
                let _ = told.recv();
                ended.store(true, Ordering::SeqCst);
            }
        };
        {
            let mut asked = Box::pin(passwords.away(work));
            assert!(asked.as_mut().now_or_never().is_none(), "it has begun");
        }
        assert_eq!(passwords.at_once.available_permits(), 0, "the work goes on");
        drop(end);
        passwords.away(|| ()).await.unwrap();
        assert!(ended.load(Ordering::SeqCst), "the next one has waited for it");
    }

    #[test]
    fn the_bare_comparison_compares() {
        let mut bare = Bare::new(Cost::Cheap).unwrap();
        assert!(bare.compare());
        bare.hash = hash(&bare.argon2, "another horse").unwrap();
        assert!(!bare.compare());
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_its_letters_are_put_together() {
        let passwords = Passwords::new(Cost::Cheap);
        for (set, typed) in [("p\u{e4}ssword", "pa\u{308}ssword"), ("\u{c5}ngstr\u{f6}m", "\u{212b}ngstro\u{308}m")] {
            for (set, typed) in [(set, typed), (typed, set)] {
                let hash = passwords.hash(set.into()).await.unwrap();
                assert!(passwords.matches(typed.into(), Some(hash)).await.unwrap(), "{}", typed.escape_unicode());
            }
        }
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new(Cost::Cheap);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.matches("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.matches("nobody".into(), None).await.unwrap(), "nobody's password opens nothing");
    }
}
