//! The cipher: XChaCha20-Poly1305 with its nonce in front, a random one unless equal texts are to be known as such. What it is sealed for is authenticated with it.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{Aead, AeadInOut, Payload},
};

const NONCE: usize = 24;
const TAG: usize = 16;

/// Nonce, ciphertext, tag.
pub(crate) fn seal(cipher: &XChaCha20Poly1305, of: &[u8], plain: &[u8]) -> Vec<u8> {
    seal_with(cipher, crate::id::random(), of, plain)
}

/// The same value for the same text, and no other: whoever reads it learns where two are equal, and nothing else. The nonce
/// is a keyed hash of the text (a synthetic one), so it never comes with another text; its key is what the cipher makes
/// of zeros under a nonce that chance will not give.
pub(crate) fn seal_alike(cipher: &XChaCha20Poly1305, of: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut key = [0; 32];
    let drawn = cipher.encrypt_inout_detached(&[0xff; NONCE].into(), &[], key.as_mut_slice().into());
    drawn.expect("32 bytes are below the cipher's bound");
    let mut nonce = [0; NONCE];
    let hash =
        blake3::Hasher::new_keyed(&key).update(&(of.len() as u64).to_le_bytes()).update(of).update(plain).finalize();
    nonce.copy_from_slice(&hash.as_bytes()[..NONCE]);
    seal_with(cipher, nonce, of, plain)
}

fn seal_with(cipher: &XChaCha20Poly1305, nonce: [u8; NONCE], of: &[u8], plain: &[u8]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::KeyInit;

    #[test]
    fn what_is_sealed_alike_is_the_same_for_the_same_text_key_and_owner_only() {
        let (cipher, other) = (XChaCha20Poly1305::new(&[7; 32].into()), XChaCha20Poly1305::new(&[8; 32].into()));
        let sealed = seal_alike(&cipher, b"alice", b"work");
        assert_eq!(sealed, seal_alike(&cipher, b"alice", b"work"));
        assert_eq!(open(&cipher, b"alice", &sealed).as_deref(), Some(&b"work"[..]));
        assert_eq!(open(&cipher, b"bob", &sealed), None);
        let nonce = |sealed: &[u8]| sealed[..NONCE].to_vec();
        for apart in [
            seal_alike(&cipher, b"alice", b"home"),
            seal_alike(&cipher, b"bob", b"work"),
            seal_alike(&cipher, b"alicew", b"ork"),
            seal_alike(&other, b"alice", b"work"),
            seal(&cipher, b"alice", b"work"),
        ] {
            assert_ne!(nonce(&apart), nonce(&sealed));
        }
    }
}
