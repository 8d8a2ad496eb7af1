//! Refresh tokens. A token names its session and generation and carries a tag only we can make, so that one of an
//! earlier generation is told from an invention: a reuse ends the session, an invention ends nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use natter_domain::{AccountId, SessionId};
use natter_streams::{id, keyring::Keyring};
use uuid::Uuid;

/// So that a leaked token is recognised by those who look for such.
const PREFIX: &str = "nrt_";
const CONTENT: usize = 16 + 16 + 4 + 16;
const TAG: usize = 16;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub account: AccountId,
    pub session: SessionId,
    pub generation: u32,
    bytes: [u8; CONTENT + TAG],
}

impl RefreshToken {
    pub fn first(account: AccountId, session: SessionId, keyring: &Keyring) -> Self {
        Self::make(account, session, 1, keyring)
    }

    pub fn next(&self, keyring: &Keyring) -> Self {
        Self::make(self.account, self.session, self.generation.saturating_add(1), keyring)
    }

    fn make(account: AccountId, session: SessionId, generation: u32, keyring: &Keyring) -> Self {
        let mut bytes = [0; CONTENT + TAG];
        bytes[..16].copy_from_slice(account.0.as_bytes());
        bytes[16..32].copy_from_slice(session.0.as_bytes());
        bytes[32..36].copy_from_slice(&generation.to_le_bytes());
        bytes[36..CONTENT].copy_from_slice(&id::random::<16>());
        let tag = keyring.refresh_tag(&bytes[..CONTENT]);
        bytes[CONTENT..].copy_from_slice(&tag);
        Self { account, session, generation, bytes }
    }

    /// `None` unless it was made here.
    pub fn parse(text: &str, keyring: &Keyring) -> Option<Self> {
        let bytes: [u8; CONTENT + TAG] = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?.try_into().ok()?;
        let (content, tag) = bytes.split_at(CONTENT);
        // Compared through a hash: in constant time as far as the tag goes.
        if blake3::hash(&keyring.refresh_tag(content)) != blake3::hash(tag) {
            return None;
        }
        let account = AccountId(Uuid::from_slice(&content[..16]).ok()?);
        let session = SessionId(Uuid::from_slice(&content[16..32]).ok()?);
        let generation = u32::from_le_bytes(content[32..36].try_into().ok()?);
        Some(Self { account, session, generation, bytes })
    }

    pub fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// What the log keeps of it. The token is random enough that a plain hash cannot be turned back.
    pub fn hash(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_read() {
        let keyring = Keyring::new(&[1; 32]);
        let token = RefreshToken::first(AccountId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)), &keyring);
        let read = RefreshToken::parse(&token.text(), &keyring).unwrap();
        assert!(read == token);
        assert_eq!(read.next(&keyring).generation, 2);
        assert!(RefreshToken::parse(&token.text(), &Keyring::new(&[2; 32])).is_none(), "another installation's");
        let mut forged = token.bytes;
        forged[32] = 9; // another generation
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(forged));
        assert!(RefreshToken::parse(&text, &keyring).is_none(), "a changed generation");
        for bad in ["", "nrt_", "nrt_!", "x", &token.text()[4..]] {
            assert!(RefreshToken::parse(bad, &keyring).is_none(), "{bad}");
        }
    }
}
