//! The harness of the whole-system tests: people who talk ([`Person`]) through real `natter` processes
//! ([`Node`]) on a database and a NATS account of their own ([`Stack`]).
//!
//! The servers come from `./ops/test`, which runs the tests under `natter with-servers`. Everything here panics
//! with words for the reader of a failed test, waits for states with a bound, and never sleeps for a guess.
//! [`law`] looks past the doors, at the log and the streams themselves.

mod authenticator;
mod clock;
mod cql;
mod eventually;
pub mod law;
pub mod letters;
pub mod mail;
mod node;
pub mod oidc;
pub mod outside;
pub mod outsider;
mod parts;
mod person;
mod proxy;
mod raw;
mod recorder;
mod servers;
mod sign;
mod stack;
pub mod token;

pub use authenticator::Authenticator;
pub use clock::{Clock, in_seconds};
pub use cql::{Cql, cql};
pub use eventually::{BOUND, eventually, within};
pub use letters::Letters;
pub use node::{Node, Options};
pub use outside::Outside;
pub use outsider::{Mood, Outsider};
pub use person::{PASSWORD, Person};
pub use proxy::Proxy;
pub use raw::{Raw, RawSocket, Reply};
pub use recorder::Recorded;
pub use servers::binary;
pub use sign::Signing;
pub use stack::Stack;

pub use natter_client as client;
pub use natter_client::wire;
