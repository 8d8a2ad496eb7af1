//! Requests signed as another server signs them, written from the contract and not from the server's code.

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// What is to be signed, and how it is named.
#[derive(Clone, Debug)]
pub struct Signing {
    pub key: String,
    /// Hexadecimal.
    pub secret: String,
    pub at: i64,
    pub nonce: String,
}

impl Signing {
    /// The `Authorization` header of a request; `path` with its query.
    pub fn header(&self, method: &str, path: &str, body: &[u8]) -> String {
        let Self { key, at, nonce, .. } = self;
        let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        let text = format!("{method}\n{path}\n{at}\n{nonce}\n{hash}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret()), text.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(tag.as_ref());
        format!("Natter-HMAC key=\"{key}\", at=\"{at}\", nonce=\"{nonce}\", signature=\"{signature}\"")
    }

    fn secret(&self) -> Vec<u8> {
        let digit = |index| u8::from_str_radix(&self.secret[index..index + 2], 16).expect("the secret is hexadecimal");
        (0..self.secret.len()).step_by(2).map(digit).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
