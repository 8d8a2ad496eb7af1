//! The keys behind [`Sealed`]: one of each account for what is personal, one of each conversation and month for what is
//! said there. Each is random, stored wrapped by a master key ([`master`]) in a table of the first server ([`table`]),
//! and named by its owner and the value's [`KeyId`]: so events hold no more than a letter of it.
//!
//! - A key is durable before anything is sealed with it. Of two nodes that make the same one, the first to store it wins.
//! - Keys are kept in memory ([`cache`]). What is not there is asked for by one query for all who want something at that
//!   moment; a message costs none, unless it is the first one of its conversation and month that this node sees.
//! - *Erased* is a row that says so, and for ever. A database that is away is an error, never that.
//! - Whoever destroys a key tells all nodes. One that does not hear it forgets the key after [`cache::AGE`].

mod cache;
pub(crate) mod cipher;
mod erase;
mod master;
mod opener;
mod rotate;
mod table;

pub use erase::{Destroyed, Forgotten, all as destroyed, destroy_again, destroy_these, is_destroyed};
pub use master::{MasterId, Masters};
pub use opener::Opener;
pub use rotate::{Rotated, Wrapped, rotate, wrapped};

use crate::{Error, Log, bus::Bus, clock, keyring::Keyring, metrics, statement};
use cache::{Cache, Found};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use natter_domain::{AccountId, ConversationId, KeyId, Sealed, Timestamp};
use sqlx::{PgPool, types::time::OffsetDateTime};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use table::Stored;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For an answer, the wait for others' questions included.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keys of one query.
const AT_ONCE: usize = 1_000;

/// How often making a key is tried while master keys change.
const TRIES: usize = 3;

/// A key, by what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Name {
    owner: Uuid,
    /// 0: the owner's one key, else the month.
    term: u16,
}

impl Name {
    /// `None`: it is the installation's.
    fn of(owner: Uuid, key: KeyId) -> Option<Self> {
        match key {
            KeyId::Installation => None,
            KeyId::Owner => Some(Self { owner, term: 0 }),
            KeyId::Month(term) => Some(Self { owner, term }),
        }
    }

    fn of_account(owner: Uuid) -> Self {
        Self { owner, term: 0 }
    }

    /// Accounts are erased, conversations are not: what was said there is also others'.
    fn can_be_destroyed(self) -> bool {
        self.term == 0
    }

    fn bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(self.owner.as_bytes());
        bytes[16..].copy_from_slice(&self.term.to_be_bytes());
        bytes
    }
}

/// The month of a moment, as [`KeyId::Month`] counts them; what lies before is in the first.
fn month(moment: Timestamp) -> u16 {
    let date = OffsetDateTime::from(moment).date();
    let months = (date.year() - 1970) * 12 + i32::from(u8::from(date.month())) - 1;
    months.clamp(1, i32::from(u16::MAX)) as u16
}

/// What seals for one owner.
#[derive(Clone)]
pub struct Sealing {
    owner: Uuid,
    id: KeyId,
    key: Arc<XChaCha20Poly1305>,
}

impl Sealing {
    pub fn seal(&self, plain: &[u8]) -> Sealed {
        Sealed { key: self.id, bytes: cipher::seal(&self.key, self.owner.as_bytes(), plain) }
    }

    /// For what is to be compared without being opened: the same text gives the same value. Whoever reads the log sees that
    /// two are equal.
    pub fn seal_alike(&self, plain: &[u8]) -> Sealed {
        Sealed { key: self.id, bytes: cipher::seal_alike(&self.key, self.owner.as_bytes(), plain) }
    }
}

/// The keys of this process. A cheap handle.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    ring: Arc<Keyring>,
    log: Log,
    bus: Bus,
    masters: Masters,
    cache: Cache,
    /// Wanted by those who wait for their turn to ask; true: to be made where it is not there.
    wanted: Mutex<HashMap<Name, bool>>,
    /// Who asks.
    turn: tokio::sync::Mutex<()>,
    asked: AtomicU64,
    forgotten: broadcast::Sender<Forgotten>,
}

/// Whether the installation has a master key already: then another one is not to be made.
pub async fn is_begun(log: &Log) -> Result<bool, Error> {
    Ok(!table::masters_in_use(log.pool()).await?.is_empty())
}

impl Keys {
    /// Refuses where a master key in use is not at hand, and begins with the newest one where there is none yet. Hears of
    /// destroyed keys until `stop`.
    pub async fn open(
        log: &Log,
        bus: &Bus,
        ring: Arc<Keyring>,
        masters: Masters,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        check(log.pool(), &masters).await?;
        let (forgotten, _) = broadcast::channel(1_024);
        let keys = Self(Arc::new(Inner {
            ring,
            log: log.clone(),
            bus: bus.clone(),
            masters,
            cache: Cache::new(),
            wanted: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            forgotten,
        }));
        keys.listen(stop).await?;
        Ok(keys)
    }

    /// The installation's other secrets.
    pub fn ring(&self) -> &Arc<Keyring> {
        &self.0.ring
    }

    /// How often the database was asked for keys.
    pub fn queries(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// For what an account tells of itself. Refuses with [`Error::Erased`] where it was destroyed.
    pub async fn of_account(&self, account: AccountId) -> Result<Sealing, Error> {
        self.sealing(account.0, KeyId::Owner).await
    }

    /// For what is said in a conversation now.
    pub async fn of_conversation(&self, conversation: ConversationId) -> Result<Sealing, Error> {
        self.sealing(conversation.0, KeyId::Month(month(clock::now()))).await
    }

    /// The same, where it is in memory.
    pub fn of_conversation_at_hand(&self, conversation: ConversationId) -> Option<Sealing> {
        let (owner, id) = (conversation.0, KeyId::Month(month(clock::now())));
        match self.0.cache.get(Name::of(owner, id)?, Instant::now())? {
            Found::Key(key) => Some(Sealing { owner, id, key }),
            Found::Erased | Found::Lost => None,
        }
    }

    /// What opens all of these: by keys in memory, and one query for the others.
    pub async fn opener(&self, wanted: impl Into<Vec<(Uuid, KeyId)>>) -> Result<Opener, Error> {
        let wanted: Vec<(Uuid, KeyId)> = wanted.into();
        let names: HashSet<Name> = wanted.into_iter().filter_map(|(owner, key)| Name::of(owner, key)).collect();
        let (mut keys, mut missing) = (HashMap::new(), Vec::new());
        for (name, found) in self.0.cache.get_all(names, Instant::now()) {
            match found {
                Some(found) => drop(keys.insert(name, found)),
                None => missing.push(name),
            }
        }
        for page in missing.chunks(AT_ONCE) {
            keys.extend(self.ask(page, false).await?);
        }
        Ok(Opener { ring: self.0.ring.clone(), keys })
    }

    async fn sealing(&self, owner: Uuid, id: KeyId) -> Result<Sealing, Error> {
        let name = Name::of(owner, id).unwrap_or(Name::of_account(owner));
        let at_hand = self.0.cache.get(name, Instant::now());
        let found = match at_hand {
            Some(found) => Some(found),
            None => self.ask(&[name], true).await?.remove(&name),
        };
        match found {
            Some(Found::Key(key)) => Ok(Sealing { owner, id, key }),
            Some(Found::Erased) => Err(Error::Erased { owner }),
            Some(Found::Lost) | None => Err(Error::KeyLost { owner }),
        }
    }

    async fn ask(&self, names: &[Name], make: bool) -> Result<HashMap<Name, Found>, Error> {
        let late = |source| Error::Database { what: "wait for sealing keys", source };
        statement::within(PATIENCE, late, self.ask_in_turn(names, make)).await
    }

    /// One question at a time: who comes meanwhile is answered by the next one, all together. Whoever gives up waiting is
    /// asked for in vain, nothing else.
    async fn ask_in_turn(&self, names: &[Name], make: bool) -> Result<HashMap<Name, Found>, Error> {
        self.announce(names, make);
        let _turn = self.0.turn.lock().await;
        let (mut found, mut missing) = (HashMap::new(), Vec::new());
        for (name, at_hand) in self.0.cache.get_all(names.iter().copied(), Instant::now()) {
            match at_hand {
                Some(at_hand) => drop(found.insert(name, at_hand)),
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        // Whoever had the turn before may have taken them, and failed.
        self.announce(&missing, make);
        // What does not open of the others' is told to those who ask for it.
        let mut asked = self.query(self.take_wanted(&missing), &missing).await?;
        for name in missing {
            if let Some(answer) = asked.remove(&name) {
                found.insert(name, answer?);
            }
        }
        Ok(found)
    }

    fn announce(&self, names: &[Name], make: bool) {
        let mut wanted = self.wanted();
        for name in names {
            *wanted.entry(*name).or_default() |= make;
        }
    }

    /// These, and as many others as one query asks for.
    fn take_wanted(&self, these: &[Name]) -> HashMap<Name, bool> {
        let mut wanted = self.wanted();
        let mut taken: HashMap<Name, bool> = these.iter().filter_map(|name| wanted.remove_entry(name)).collect();
        let others: Vec<Name> = wanted.keys().copied().take(AT_ONCE.saturating_sub(taken.len())).collect();
        taken.extend(others.iter().filter_map(|name| wanted.remove_entry(name)));
        taken
    }

    /// What there is of each, and keeps it. What one is wrapped with may not be at hand, and that of the others is.
    async fn query(
        &self,
        wanted: HashMap<Name, bool>,
        mine: &[Name],
    ) -> Result<HashMap<Name, Result<Found, Error>>, Error> {
        let mark = self.0.cache.mark();
        let pool = self.0.log.pool();
        let mut all: Vec<Name> = wanted.keys().copied().collect();
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        metrics::keys_asked(all.len());
        let mut stored = table::read(pool, &all).await?;
        let absent: Vec<Name> = all.iter().copied().filter(|name| wanted[name] && !stored.contains_key(name)).collect();
        if !absent.is_empty() {
            match self.make(pool, &absent).await {
                Ok(made) => stored.extend(made),
                Err(error) if mine.iter().any(|name| absent.contains(name)) => return Err(error),
                Err(_) => all.retain(|name| !absent.contains(name)),
            }
        }
        let unwrapped = |name: Name| (name, self.unwrapped(name, stored.get(&name)));
        let found: HashMap<Name, Result<Found, Error>> = all.into_iter().map(unwrapped).collect();
        self.0.cache.put(mark, found.iter().filter_map(|(name, found)| Some((name, found.as_ref().ok()?))));
        Ok(found)
    }

    fn unwrapped(&self, name: Name, stored: Option<&Stored>) -> Result<Found, Error> {
        let (wrapped, master) = match stored {
            None => return Ok(Found::Lost),
            Some(Stored::Destroyed) => return Ok(Found::Erased),
            Some(Stored::Wrapped { wrapped, master }) => (wrapped, master),
        };
        let key = self.0.masters.get(master)?.unwrap(name, wrapped);
        Ok(key.map_or(Found::Lost, |key| Found::Key(Arc::new(XChaCha20Poly1305::new(&key.into())))))
    }

    /// What counts is what is read afterwards: another node may have been first.
    async fn make(&self, pool: &PgPool, absent: &[Name]) -> Result<HashMap<Name, Stored>, Error> {
        for _ in 0..TRIES {
            let none = || Error::NoMaster { master: "(none)".to_owned() };
            let master = self.0.masters.get(&table::current_master(pool).await?.ok_or_else(none)?)?;
            let made: Vec<(Name, Vec<u8>)> =
                absent.iter().map(|name| (*name, master.wrap(*name, &crate::id::random()))).collect();
            metrics::keys_made(table::insert(pool, &made, &master.id).await?);
            crate::fault::reach("sealing.after_insert").await;
            let stored = table::read(pool, absent).await?;
            if stored.len() == absent.len() {
                return Ok(stored);
            }
            // Another master key has become the current one in between.
        }
        Err(Error::Unfit("master keys change faster than a key can be made".to_owned()))
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<Name, bool>> {
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node with another master key would find that nothing opens, and make keys that nobody else can open.
async fn check(pool: &PgPool, masters: &Masters) -> Result<(), Error> {
    if let Some(newest) = masters.newest() {
        table::begin(pool, &newest.id).await?;
    }
    for id in table::masters_in_use(pool).await? {
        masters.get(&id).map_err(|_| {
            let here: Vec<String> = masters.ids().iter().map(MasterId::to_string).collect();
            Error::Unfit(format!(
                "this is not the master key: the installation's keys are wrapped with {id}, here is {}",
                here.join(", ")
            ))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_from_january_1970() {
        let of = |text: &str| month(Timestamp::parse(text).expect("it is RFC 3339"));
        assert_eq!(of("1970-02-28T23:59:59.999Z"), 1);
        assert_eq!(of("2026-11-01T00:00:00Z"), 682);
        assert_eq!(of("2026-10-31T23:59:59.999Z"), 681);
        assert_eq!(of("2027-01-01T00:00:00Z"), 684);
        assert_eq!(of("1960-01-01T00:00:00Z"), 1, "0 is an account's");
    }
}
