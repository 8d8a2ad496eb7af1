//! Access tokens as an attacker would make them, and as the server would have made them at another time.

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_streams::{
    clock,
    keyring::{Keyring, access_token_key},
};
use serde_json::Value;

/// A token taken apart.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
}

/// A key that signs.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// The installation's own, the one that signs now.
    pub fn of_installation(installation_key: &[u8; 32]) -> Self {
        Self::of_installation_in(installation_key, 0)
    }

    /// The one that signs so many terms of thirty days from now.
    pub fn of_installation_in(installation_key: &[u8; 32], terms: i64) -> Self {
        let number = access_token_key(clock::now()).saturating_add_signed(terms);
        Self::from_seed(&Keyring::new(installation_key).access_token_seed(number))
    }

    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed"))
    }

    pub fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }
}

impl Token {
    pub fn read(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("a token's parts are base64url");
            serde_json::from_slice(&bytes).unwrap_or(Value::Null)
        });
        let mut next = || parts.next().expect("a token has three parts");
        Self { header: next(), claims: next() }
    }

    /// Signed as the server signs.
    pub fn signed(&self, key: &Key) -> String {
        let content = self.content();
        let signature = key.0.sign(content.as_bytes());
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// `alg: HS256`, with any bytes as the shared secret: the public key, which everybody knows.
    pub fn signed_with_secret(&self, secret: &[u8]) -> String {
        let content = self.with_algorithm("HS256").content();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), content.as_bytes());
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// Not signed at all, and saying so: `none` in whatever spelling.
    pub fn unsigned(&self, algorithm: &str) -> String {
        format!("{}.", self.with_algorithm(algorithm).content())
    }

    fn with_algorithm(&self, algorithm: &str) -> Self {
        let mut other = self.clone();
        other.header["alg"] = algorithm.into();
        other
    }

    fn content(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }
}
