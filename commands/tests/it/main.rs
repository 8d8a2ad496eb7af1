//! The write side on a real log: what is answered, when, and what survives what.

mod admission;
mod channel;
mod closed;
mod direct;
mod fence;
mod friendship;
mod group;
mod inbox;
mod message;
mod nodes;
mod pending;
mod process;
mod receipt;
mod redo;
mod repeat;
mod replay;
mod sealing;
mod self_destruct;
mod send;
mod session;
mod snapshot;
mod state;
mod stop;
mod support;
mod timer;
mod wire;
