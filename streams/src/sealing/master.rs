//! Master keys: they wrap all others, and are never stored beside them. There may be several at hand, so that one can take
//! the place of another while nodes run; which of them wraps what is made says the database.

use super::{Name, cipher};
use crate::Error;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Where they come from is not looked at more often.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Tells one master key from another, and says nothing else about it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MasterId(pub Vec<u8>);

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

pub(super) struct Master {
    pub id: MasterId,
    wrapping: XChaCha20Poly1305,
}

impl Master {
    fn new(key: &[u8; 32]) -> Self {
        let id = blake3::derive_key("natter 2026 master key id", key);
        let wrapping = blake3::derive_key("natter 2026 wrapped keys", key);
        Self { id: MasterId(id[..8].to_vec()), wrapping: XChaCha20Poly1305::new(&wrapping.into()) }
    }

    /// In another row it does not open.
    pub fn wrap(&self, name: Name, key: &[u8; 32]) -> Vec<u8> {
        cipher::seal(&self.wrapping, &name.bytes(), key)
    }

    pub fn unwrap(&self, name: Name, wrapped: &[u8]) -> Option<[u8; 32]> {
        cipher::open(&self.wrapping, &name.bytes(), wrapped)?.try_into().ok()
    }
}

type Source = dyn Fn() -> Result<Vec<[u8; 32]>, String> + Send + Sync;

/// The master keys at hand. A cheap handle.
#[derive(Clone)]
pub struct Masters(Arc<Inner>);

struct Inner {
    source: Box<Source>,
    held: Mutex<Held>,
}

struct Held {
    /// In the order of their source.
    masters: Vec<Arc<Master>>,
    read: Instant,
}

impl fmt::Debug for Masters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masters({:?})", self.ids())
    }
}

impl Masters {
    /// `source` is asked now, and whenever a key is wrapped with one that is not at hand: so another one is brought to a
    /// node that runs. The first is the newest.
    pub fn new(source: impl Fn() -> Result<Vec<[u8; 32]>, String> + Send + Sync + 'static) -> Result<Self, Error> {
        let keys = source().map_err(Error::Unfit)?;
        if keys.is_empty() {
            return Err(Error::Unfit("there is no master key".to_owned()));
        }
        let held = Held { masters: masters(&keys), read: Instant::now() };
        Ok(Self(Arc::new(Inner { source: Box::new(source), held: Mutex::new(held) })))
    }

    /// One, for ever: for tests and measuring.
    pub fn fixed(key: [u8; 32]) -> Self {
        let held = Held { masters: masters(&[key]), read: Instant::now() };
        Self(Arc::new(Inner { source: Box::new(move || Ok(vec![key])), held: Mutex::new(held) }))
    }

    pub(super) fn newest(&self) -> Option<Arc<Master>> {
        self.held().masters.first().cloned()
    }

    pub fn ids(&self) -> Vec<MasterId> {
        self.held().masters.iter().map(|master| master.id.clone()).collect()
    }

    /// One that is not at hand is looked for where they come from.
    pub(super) fn get(&self, id: &MasterId) -> Result<Arc<Master>, Error> {
        let mut held = self.held();
        if let Some(found) = held.find(id) {
            return Ok(found);
        }
        if held.read.elapsed() >= READ_AGAIN {
            held.read = Instant::now();
            match (self.0.source)() {
                Ok(keys) if !keys.is_empty() => held.masters = masters(&keys),
                Ok(_) => tracing::error!("there is no master key any more: going on with those that were read before"),
                Err(error) => tracing::error!(error, "read the master keys again: going on with those from before"),
            }
        }
        held.find(id).ok_or_else(|| Error::NoMaster { master: id.to_string() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn find(&self, id: &MasterId) -> Option<Arc<Master>> {
        self.masters.iter().find(|master| master.id == *id).cloned()
    }
}

fn masters(keys: &[[u8; 32]]) -> Vec<Arc<Master>> {
    keys.iter().map(|key| Arc::new(Master::new(key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn name(owner: u128, term: u16) -> Name {
        Name { owner: Uuid::from_u128(owner), term }
    }

    #[test]
    fn a_wrapped_key_opens_in_its_own_row_only() {
        let (master, other) = (Master::new(&[1; 32]), Master::new(&[2; 32]));
        assert_ne!(master.id, other.id);
        let wrapped = master.wrap(name(1, 0), &[7; 32]);
        assert_eq!(master.unwrap(name(1, 0), &wrapped), Some([7; 32]));
        assert_eq!(master.unwrap(name(2, 0), &wrapped), None);
        assert_eq!(master.unwrap(name(1, 1), &wrapped), None);
        assert_eq!(other.unwrap(name(1, 0), &wrapped), None);
    }

    #[tokio::test]
    async fn one_that_is_brought_later_is_found() {
        let keys = Arc::new(Mutex::new(vec![[1; 32]]));
        let source = keys.clone();
        let masters = Masters::new(move || Ok(source.lock().unwrap().clone())).unwrap();
        let (first, second) = (Master::new(&[1; 32]).id, Master::new(&[2; 32]).id);
        masters.held().read -= READ_AGAIN;
        assert!(matches!(masters.get(&second), Err(Error::NoMaster { .. })));
        keys.lock().unwrap().insert(0, [2; 32]);
        assert!(masters.get(&second).is_err(), "not looked for again within a moment");
        masters.held().read -= READ_AGAIN;
        assert_eq!(masters.get(&second).unwrap().id, second);
        assert_eq!(masters.get(&first).unwrap().id, first, "both are at hand");
        assert_eq!(masters.newest().unwrap().id, second);
    }

    #[test]
    fn without_any_nothing_begins() {
        assert!(matches!(Masters::new(|| Ok(vec![])), Err(Error::Unfit(_))));
        assert!(matches!(Masters::new(|| Err("no such file".to_owned())), Err(Error::Unfit(_))));
    }
}
