//! The key pairs of the access tokens. They are derived from the installation key and the time, so every edge has the
//! same ones and none is stored. The last and the next one are good too: what the last one signed lives on for a while,
//! and an edge whose clock is ahead signs with the next one already.

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use natter_domain::Timestamp;
use natter_streams::keyring::{Keyring, access_token_key};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError, RwLock};

/// The keys of all times; those of now are kept.
pub struct Keys {
    keyring: Keyring,
    held: RwLock<Arc<Held>>,
}

/// The keys that are good while one of them signs.
pub struct Held {
    number: u64,
    /// The one that signs, the next one, the last one.
    keys: [Key; 3],
}

impl Keys {
    pub fn new(keyring: &Keyring, now: Timestamp) -> Self {
        let held = Held::new(keyring, access_token_key(now));
        Self { keyring: keyring.clone(), held: RwLock::new(Arc::new(held)) }
    }

    pub fn at(&self, now: Timestamp) -> Arc<Held> {
        let number = access_token_key(now);
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if held.number == number {
            return held;
        }
        let made = Arc::new(Held::new(&self.keyring, number));
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = made.clone();
        made
    }
}

impl Held {
    fn new(keyring: &Keyring, number: u64) -> Self {
        let key = |number| Key::from_seed(&keyring.access_token_seed(number));
        Self { number, keys: [key(number), key(number + 1), key(number.saturating_sub(1))] }
    }

    pub fn signing(&self) -> &Key {
        &self.keys[0]
    }

    pub fn good(&self) -> &[Key] {
        &self.keys
    }

    /// The public halves, the one that signs first (RFC 7517).
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(Key::jwk).collect::<Vec<_>>()})
    }
}

pub struct Key {
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    /// The thumbprint of the public key (RFC 7638).
    pub id: String,
    /// The public key, base64url.
    pub public: String,
}

impl Key {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 seed");
        let private = pair.to_pkcs8v1().expect("a key made from its seed can be written down");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        Self {
            signing: EncodingKey::from_ed_der(private.as_ref()),
            verifying: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            id: thumbprint(&public),
            public,
        }
    }

    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": self.public})
    }
}

fn thumbprint(public: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TERM: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    fn ids(held: &Held) -> Vec<String> {
        held.keys.iter().map(|key| key.id.clone()).collect()
    }

    #[test]
    fn keys_change_with_the_time_and_their_neighbours_stay_good() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let keys = Keys::new(&Keyring::new(&[7; 32]), now);
        let (before, after) = (ids(&keys.at(now)), ids(&keys.at(now + TERM)));
        assert_eq!((&before[1], &before[0]), (&after[0], &after[2]), "the next one signs, and the last one is good");
        assert!(!after.contains(&before[2]), "the one before the last is not");
        assert_eq!(ids(&keys.at(now)), before, "a clock may go back");
        assert_eq!(ids(&Keys::new(&Keyring::new(&[7; 32]), now + TERM).at(now)), before, "every edge has the same");
    }
}
