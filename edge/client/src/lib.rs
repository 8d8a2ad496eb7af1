//! What travels between Natter and its clients (`wire`), and a small client for Rust (feature `net`).
//!
//! Reading order: `rest` (a [`Client`], and [`Signed`], somebody who is signed in), `socket` (one WebSocket
//! connection), `follow` (what a person's app does: every message once, in order, whatever the connection does).
//! Left out on purpose: storage. Who wants to go on where they stopped gives a [`Follower`] their last numbers.

#[cfg(feature = "net")]
mod error;
#[cfg(feature = "net")]
pub mod follow;
#[cfg(feature = "net")]
pub mod rest;
#[cfg(feature = "net")]
pub mod socket;
#[cfg(feature = "net")]
mod trust;
pub mod wire;

#[cfg(feature = "net")]
pub use error::{Close, Error};
#[cfg(feature = "net")]
pub use follow::Follower;
#[cfg(feature = "net")]
pub use rest::{Client, Signed};
#[cfg(feature = "net")]
pub use socket::Socket;

/// An id for a message or a key for a write: version 7, so that the server's indexes stay dense.
#[cfg(feature = "net")]
#[expect(clippy::disallowed_methods, reason = "a client is not the server, whose ids come from one place")]
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
