//! The one place where ids and random bytes are made.

use natter_domain::EventId;
use rand::RngCore;
use uuid::Uuid;

/// A new id, version 7: rising within this process, so that indexes stay dense.
#[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}

pub fn event() -> EventId {
    EventId(new())
}

/// Random bytes for secrets and nonces, from a generator that the operating system seeds.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
