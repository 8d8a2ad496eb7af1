//! What a person reacts with: any short text that can be seen, compared byte for byte. Which of them are pictures is the clients'
//! matter; a sticker is named, `:pack/name:` say.

use super::name::shown;
use crate::limit;

/// 1 to 32 bytes without control characters and such that turn the direction of text, something of it to be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emoji(String);

impl Emoji {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(1..=limit::EMOJI_MAX_BYTES).contains(&text.len()) {
            return Err("must have 1 to 32 bytes");
        }
        if text.chars().any(is_direction_mark) {
            return Err("must not hold marks of the direction of text");
        }
        shown(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is not seen and still makes another text of it.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}
