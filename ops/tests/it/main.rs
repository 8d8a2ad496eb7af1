//! The one binary of whole-system tests: rules of the house, and people who talk through real nodes on real servers.

mod bad_input;
mod bench;
mod chain;
mod changes;
mod chaos;
mod contract;
mod conversation;
mod cql;
mod crash;
mod cut;
mod exhausted;
mod group;
mod history;
mod house_rules;
mod metrics;
mod nodes;
mod position;
mod projections;
mod push_loss;
mod registration;
mod restart;
mod restore;
mod session;
mod stores;
mod sync;
mod talk;
