//! Friend requests, friends and blocks, as the two people of each see them. `query`: requests; `friend`: friends and
//! their folders; `block`: who is blocked.

pub(crate) mod block;
mod friend;
pub(crate) mod project;
pub(crate) mod query;
mod relation;

pub use friend::Which;
pub use query::{Direction, Query};
