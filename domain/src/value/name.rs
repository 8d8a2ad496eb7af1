//! Names that others see: free, but a name must show something and must not disturb the line it stands in.

use super::{has_length, is_invisible};
use crate::limit;

/// What a person is shown as: 1 to 64 characters without control characters and bidi overrides, at least one of them
/// visible.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nickname(String);

impl Nickname {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, limit::NICKNAME_MIN, limit::NICKNAME_MAX) {
            return Err("must have 1 to 64 characters");
        }
        shown(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a group is called: 1 to 100 characters, by the same rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupName(String);

impl GroupName {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, limit::GROUP_NAME_MIN, limit::GROUP_NAME_MAX) {
            return Err("must have 1 to 100 characters");
        }
        shown(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What somebody calls a friend for themselves, and what they call a folder of friends: 1 to 64 characters, by the same
/// rules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Label(String);

impl Label {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, limit::LABEL_MIN, limit::LABEL_MAX) {
            return Err("must have 1 to 64 characters");
        }
        shown(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn shown(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("must not hold control characters");
    }
    if text.chars().any(overrides_direction) {
        return Err("must not hold characters that override the direction of text");
    }
    if text.chars().all(is_invisible) {
        return Err("must hold a visible character");
    }
    Ok(text.to_owned())
}

/// Embeddings, overrides and isolates: they could turn round the text that follows the name.
fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
