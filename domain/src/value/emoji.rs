//! What a person reacts with: any short text, compared byte for byte. Which of them are pictures is the clients' matter.

use crate::limit;

/// 1 to 32 bytes without control characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emoji(String);

impl Emoji {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(1..=limit::EMOJI_MAX_BYTES).contains(&text.len()) {
            return Err("must have 1 to 32 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err("must not hold control characters");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
