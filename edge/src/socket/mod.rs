//! The WebSocket: requests in, answers and pushes out.
//!
//! Reading order: `frame` (what a client may say), `session` (what is answered: a state machine without IO),
//! `outbox` (what waits to be sent, bounded), `hub`, `person` and `deliverers` (who gets which push, and from whom),
//! `crowd` (pushes that come once for many), `upgrade` (the way in), `drive` (the thin task that carries all this), `wire` (sending, receiving, closing).

mod close;
mod crowd;
mod deliverers;
mod drive;
pub mod frame;
pub mod hub;
pub mod outbox;
mod person;
pub mod reply;
mod session;
pub mod upgrade;
mod wire;
