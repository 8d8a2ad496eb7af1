//! Messages: the history store behind one trait, what the projection `history` writes to it, and how they are read.

mod change;
mod changed;
mod filter;
pub(crate) mod held;
pub(crate) mod mark;
pub(crate) mod mention;
pub(crate) mod pages;
mod past;
pub(crate) mod pin;
pub(crate) mod postgres;
pub mod probe;
pub(crate) mod project;
mod query;
pub mod scylla;
mod store;
pub(crate) mod thread;

pub(crate) use change::sealed_for;
pub use change::{Body, Change, Message, What};
pub use filter::{Filter, Found, Has, KindOf};
pub use mark::HeldMark;
pub use postgres::PostgresHistory;
pub use project::system_body;
pub use query::{Query, Range};
pub(crate) use query::{lifetime, mentioned, quote, shown};
pub use scylla::ScyllaHistory;
pub use store::{HistoryStore, Order, Reactor, Span, Tally, Version, Votes};
