//! Sessions: which there are, and which ended lately.

pub(crate) mod project;
mod query;

pub use query::{Kept, Query};
