//! The log on real servers: what the crate promises, each promise seen broken once.

mod append;
mod bucket;
mod chain;
mod committer;
mod event;
mod group;
mod lease;
mod lease_machine;
mod lease_race;
mod lease_support;
mod lease_world;
mod reader;
mod relay;
mod repair;
mod rotation;
mod sealing;
mod seam;
mod start;
mod stores;
mod support;
mod switch;
mod vanish;
