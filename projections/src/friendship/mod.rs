//! Friend requests and friends, as the two people of each see them.

pub(crate) mod project;
pub(crate) mod query;

pub use query::{Direction, Query};
