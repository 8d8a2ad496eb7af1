//! What a link to a group is made of: the group's id, so that whoever shows it is led there, and a secret. The group knows
//! the link by a hash of both.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{ConversationId, id::derived};
use natter_streams::id;
use std::fmt;
use uuid::Uuid;

const SECRET: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub conversation: ConversationId,
    pub(super) secret: [u8; SECRET],
}

impl Token {
    pub(super) fn new(conversation: ConversationId) -> Self {
        Self { conversation, secret: id::random() }
    }

    /// From what is stored of it.
    pub fn of(conversation: ConversationId, secret: &[u8]) -> Option<Self> {
        Some(Self { conversation, secret: secret.try_into().ok()? })
    }

    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (conversation, secret) = bytes.split_first_chunk::<16>()?;
        Self::of(ConversationId(Uuid::from_bytes(*conversation)), secret)
    }

    /// By which the group knows it.
    pub fn link_id(&self) -> Uuid {
        derived("natter link", &[self.conversation.0.as_bytes(), &self.secret])
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode([&self.conversation.0.as_bytes()[..], &self.secret].concat()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, ..)", self.conversation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let token = Token::new(ConversationId(id::new()));
        let text = token.to_string();
        assert_eq!(Token::parse(&text), Some(token));
        for other in ["", "x", &text[1..], &format!("{text}A"), &text.replace(|_| true, "*")] {
            assert_eq!(Token::parse(other), None, "{other}");
        }
        let other = Token::new(token.conversation);
        assert_ne!(token.link_id(), other.link_id());
    }
}
