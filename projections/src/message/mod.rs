//! Messages: the history store behind one trait, what the projection `history` writes to it, and how they are read.

mod change;
mod changed;
pub(crate) mod held;
pub(crate) mod pages;
pub(crate) mod postgres;
pub mod probe;
pub(crate) mod project;
mod query;
pub mod scylla;
mod store;

pub(crate) use change::sealed_for;
pub use change::{Body, Change, Message, What};
pub use postgres::PostgresHistory;
pub use project::system_body;
pub(crate) use query::shown;
pub use query::{Query, Range};
pub use scylla::ScyllaHistory;
pub use store::{HistoryStore, Order, Span};
