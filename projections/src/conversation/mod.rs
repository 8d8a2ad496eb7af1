//! Conversations, their members, and what each member sees of them.

pub(crate) mod project;
pub(crate) mod query;

pub use query::{Members, Query};
