//! Accounts as others see them: the public card. One is there once it is registered.

pub(crate) mod card;
pub(crate) mod project;
mod query;

pub use query::Query;
