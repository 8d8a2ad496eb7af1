//! Text that people write to each other: given back byte for byte, never trimmed, never normalised. Only NUL is
//! refused (PostgreSQL cannot hold it); lone surrogates cannot be in a `&str`. `Debug` shows sizes only.

use super::has_length;
use crate::limit;
use std::fmt;

/// The text of a message: 1 to 16,384 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenText(String);

impl GivenText {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(limit::TEXT_MIN_BYTES..=limit::TEXT_MAX_BYTES).contains(&text.len()) {
            return Err("must have 1 to 16384 bytes");
        }
        without_nul(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The words that go with a friend request, or with asking to come to a group: at most 200 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestMessage(String);

impl RequestMessage {
    /// An empty message is none.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        if !has_length(text, 0, limit::REQUEST_MESSAGE_MAX) {
            return Err("must have at most 200 characters");
        }
        without_nul(text).map(Self).map(Some)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a group says of itself: 1 to 1,000 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Description(String);

/// What admins say to all: 1 to 4,000 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Announcement(String);

impl Description {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, 1, limit::DESCRIPTION_MAX) {
            return Err("must have 1 to 1000 characters");
        }
        without_nul(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Announcement {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, 1, limit::ANNOUNCEMENT_MAX) {
            return Err("must have 1 to 4000 characters");
        }
        without_nul(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn without_nul(text: &str) -> Result<String, &'static str> {
    if text.contains('\0') { Err("must not hold the character NUL") } else { Ok(text.to_owned()) }
}

impl fmt::Debug for GivenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenText({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Description({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Announcement({} bytes)", self.0.len())
    }
}

impl fmt::Debug for RequestMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestMessage({} bytes)", self.0.len())
    }
}
