//! What operators and other services ask of a process: whether it lives, whether it can serve, what it counts, and
//! which key verifies its tokens. All but the last is asked of every process, whatever its roles.

pub mod http;
mod readiness;

pub use readiness::Readiness;
