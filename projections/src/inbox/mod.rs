//! How far people have read, and how conversations are shown to them. There is no query of its own: all of it is read with
//! the conversations that it is about, and what they have deleted for themselves by the gate.

pub(crate) mod project;
pub(crate) mod view;
