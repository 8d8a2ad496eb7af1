//! The cipher: XChaCha20-Poly1305 with a random nonce in front. What it is sealed for is authenticated with it.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{Aead, AeadInOut, Payload},
};

const NONCE: usize = 24;
const TAG: usize = 16;

/// Nonce, ciphertext, tag.
pub(crate) fn seal(cipher: &XChaCha20Poly1305, of: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = crate::id::random::<NONCE>();
    // In the place where it stays: one allocation a message.
    let mut bytes = Vec::with_capacity(NONCE + plain.len() + TAG);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(plain);
    let tag = cipher.encrypt_inout_detached(&nonce.into(), of, (&mut bytes[NONCE..]).into());
    bytes.extend_from_slice(&tag.expect("values are far below the cipher's bound of 256 GiB"));
    bytes
}

/// `None`: sealed with another key, for another owner, or damaged.
pub(crate) fn open(cipher: &XChaCha20Poly1305, of: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE>()?;
    cipher.decrypt(&(*nonce).into(), Payload { msg: bytes, aad: of }).ok()
}
