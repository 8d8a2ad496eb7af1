//! The log on real servers: what the crate promises, each promise seen broken once.

mod append;
mod chain;
mod committer;
mod event;
mod proxy;
mod reader;
mod relay;
mod start;
mod support;
mod switch;
