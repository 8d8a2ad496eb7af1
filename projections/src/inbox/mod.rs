//! How far people have read, and how conversations are shown to them. Almost all of it is read with the conversations that it is
//! about, and what they have deleted for themselves by the gate; of the latter there are lists ([`Query`]).

mod deleted;
pub(crate) mod project;
pub(crate) mod view;

pub use deleted::Query;
