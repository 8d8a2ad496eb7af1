//! Personal fields and message bodies as they stand in events: encrypted, with the name of their key.
//! The domain carries them unopened. Opening needs a keyring; a key that is gone means *erased*.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// Which key opens it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyId {
    /// The installation's one key.
    Installation,
}

impl KeyId {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "i",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        (text == "i").then_some(Self::Installation)
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
        write!(f, "Sealed({}, {} bytes)", self.key.as_str(), self.bytes.len())
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key.as_str(), URL_SAFE_NO_PAD.encode(&self.bytes))
    }
}

impl Sealed {
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
