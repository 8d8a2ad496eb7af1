//! What people have waiting to be said: rows of relations, read by their authors and by who reviews what is held.

pub(crate) mod project;
mod query;

pub use query::{Held, Query};
pub(crate) use query::{key, shown};
