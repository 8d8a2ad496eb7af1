//! A password on its way to the hash. It has no serde, no `Display`, no `==`, and `Debug` does not show it.

use super::has_length;
use crate::limit;
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// 8 to 256 characters of any kind.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, limit::PASSWORD_MIN, limit::PASSWORD_MAX) {
            return Err("must have 8 to 256 characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is hashed and compared (NFC): keyboards put letters together or leave their marks apart, and nobody sees which.
    pub fn typed(text: &str) -> String {
        text.nfc().collect()
    }

    /// For the hash alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
