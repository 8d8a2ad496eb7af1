//! What operators and other services ask of a process: whether it lives, whether it can serve, what it counts, and
//! which key verifies its tokens.

pub mod http;
