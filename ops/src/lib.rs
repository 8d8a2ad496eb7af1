//! The tools: what the `natter` binary does, each subcommand in a module of its own.

pub mod accounts;
pub mod bench;
pub mod config;
pub mod demo;
pub mod door;
pub mod keys;
pub mod moderation;
pub mod projections;
pub mod run;
pub mod sealing;
pub mod serve;
pub mod servers;
pub mod signals;
pub mod streams;
mod tally;
pub mod tracing;
mod until;
pub mod with_servers;
