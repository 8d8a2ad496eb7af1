//! Personal fields and message bodies as they stand in events: encrypted, with the name of their key.
//! The domain carries them unopened. Opening needs a keyring; a key that is gone means *erased*.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// Which key opens it. Whose it is, whoever opens it knows: the owner is where the value stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyId {
    /// The installation's one key: of values from before owners had keys of their own.
    Installation,
    /// The one key of its owner, an account.
    Owner,
    /// Its owner's key of that month, 1 being February 1970; the owner is a conversation.
    Month(u16),
}

/// `i`, `o`, `m682`
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => f.write_str("i"),
            Self::Owner => f.write_str("o"),
            Self::Month(month) => write!(f, "m{month}"),
        }
    }
}

impl KeyId {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "i" => Some(Self::Installation),
            "o" => Some(Self::Owner),
            // One text for each: no plus sign, no leading zeros.
            _ => text.strip_prefix('m')?.parse().ok().map(Self::Month).filter(|id| id.to_string() == text),
        }
    }
}

/// An encrypted value: `<key>.<nonce and ciphertext, base64url>` in JSON.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed {
    pub key: KeyId,
    /// Nonce, then ciphertext with its tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes)", self.key, self.bytes.len())
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, URL_SAFE_NO_PAD.encode(&self.bytes))
    }
}

impl Sealed {
    /// The key of a value in its text form, without reading all of it.
    pub fn key_of(text: &str) -> Option<KeyId> {
        KeyId::parse(text.split_once('.')?.0)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (key, bytes) = text.split_once('.')?;
        Some(Self { key: KeyId::parse(key)?, bytes: URL_SAFE_NO_PAD.decode(bytes).ok()? })
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a sealed value"))
    }
}
