//! The secrets that come from the installation key: handle ids, fingerprints, tokens, and what values were sealed with before
//! owners had keys of their own ([`crate::sealing`]). Each has a key of its own, derived for its purpose.

use crate::sealing::cipher;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use natter_domain::{HandleId, KeyId, Sealed, Timestamp};
use std::fmt;
use uuid::Uuid;

/// One installation's keys.
#[derive(Clone)]
pub struct Keyring {
    sealing: XChaCha20Poly1305,
    handles: [u8; 32],
    fingerprints: [u8; 32],
    refresh_tokens: [u8; 32],
    access_tokens: [u8; 32],
    codes: [u8; 32],
    server_keys: [u8; 32],
}

/// Which key signs access tokens at that moment: each signs for thirty days.
pub fn access_token_key(now: Timestamp) -> u64 {
    const TERM_MILLIS: u64 = 30 * 24 * 60 * 60 * 1000;
    u64::try_from(now.as_millis()).unwrap_or_default() / TERM_MILLIS
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    pub fn new(installation_key: &[u8; 32]) -> Self {
        let derive = |purpose| blake3::derive_key(purpose, installation_key);
        Self {
            sealing: XChaCha20Poly1305::new(&derive("natter 2026 sealed values").into()),
            handles: derive("natter 2026 handle ids"),
            fingerprints: derive("natter 2026 command fingerprints"),
            refresh_tokens: derive("natter 2026 refresh token tags"),
            access_tokens: derive("natter 2026 access token seed"),
            codes: derive("natter 2026 codes"),
            server_keys: derive("natter 2026 keys of other servers"),
        }
    }

    /// Seals `plain` for one owner: under another owner's id it does not open. What is to be forgotten one day is sealed
    /// with a key of its owner's instead.
    pub fn seal(&self, owner: Uuid, plain: &[u8]) -> Sealed {
        Sealed { key: KeyId::Installation, bytes: cipher::seal(&self.sealing, owner.as_bytes(), plain) }
    }

    /// `None`: not sealed with this key for this owner.
    pub fn open(&self, owner: Uuid, sealed: &Sealed) -> Option<Vec<u8>> {
        match sealed.key {
            KeyId::Installation => cipher::open(&self.sealing, owner.as_bytes(), &sealed.bytes),
            KeyId::Owner | KeyId::Month(_) => None,
        }
    }

    /// [`Self::open`] for text.
    pub fn open_text(&self, owner: Uuid, sealed: &Sealed) -> Option<String> {
        String::from_utf8(self.open(owner, sealed)?).ok()
    }

    /// The id of a unique name: a keyed hash, so that the log cannot be searched for names by guessing.
    pub fn handle(&self, kind: &str, normalised: &str) -> HandleId {
        let hash = blake3::keyed_hash(&self.handles, format!("{kind}:{normalised}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        HandleId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    pub fn fingerprint(&self, content: &[u8]) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::keyed_hash(&self.fingerprints, content).as_bytes()[..16]);
        bytes
    }

    /// Proves that a refresh token was made here, also when its session has long gone on to a newer one.
    pub fn refresh_tag(&self, content: &[u8]) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::keyed_hash(&self.refresh_tokens, content).as_bytes()[..16]);
        bytes
    }

    /// Where the state of codes is kept, and what is kept of a code: without our key neither can be found by trying.
    /// Compared as it is, in constant time.
    pub fn code(&self, purpose: &str, target: &str, code: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.codes);
        for part in [purpose, target, code] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize()
    }

    /// Tells one installation's keys from another's, and nothing else about them.
    pub(crate) fn check(&self) -> [u8; 16] {
        self.fingerprint(b"this installation's key")
    }

    /// The secret with which another server signs its requests.
    pub fn server_key(&self, id: Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.server_keys, id.as_bytes()).as_bytes()
    }

    /// The seed of the Ed25519 key of that number, one of those that sign access tokens.
    pub fn access_token_seed(&self, number: u64) -> [u8; 32] {
        *blake3::keyed_hash(&self.access_tokens, &number.to_le_bytes()).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_for_its_owner_only() {
        let keyring = Keyring::new(&[7; 32]);
        let (alice, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = keyring.seal(alice, b"hello");
        assert_eq!(keyring.open_text(alice, &sealed).as_deref(), Some("hello"));
        assert_eq!(keyring.open(bob, &sealed), None);
        assert_eq!(Keyring::new(&[8; 32]).open(alice, &sealed), None);
    }

    #[test]
    fn each_number_has_a_seed_of_its_own() {
        let keyring = Keyring::new(&[7; 32]);
        assert_eq!(keyring.access_token_seed(1), Keyring::new(&[7; 32]).access_token_seed(1));
        assert_ne!(keyring.access_token_seed(1), keyring.access_token_seed(2));
        assert_ne!(keyring.access_token_seed(1), Keyring::new(&[8; 32]).access_token_seed(1));
    }

    #[test]
    fn a_key_signs_for_thirty_days() {
        let day = |number: i64| Timestamp::from_millis(number * 86_400_000);
        assert_eq!((access_token_key(day(0)), access_token_key(day(29)), access_token_key(day(30))), (0, 0, 1));
        assert_eq!(access_token_key(day(-1)), 0);
    }

    #[test]
    fn sealing_twice_gives_two_ciphertexts() {
        let keyring = Keyring::new(&[7; 32]);
        assert_ne!(keyring.seal(Uuid::nil(), b"hello"), keyring.seal(Uuid::nil(), b"hello"));
    }
}
