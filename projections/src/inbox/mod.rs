//! How far people have read. There is no query of its own: cursors are read with the conversations they stand in.

pub(crate) mod project;
