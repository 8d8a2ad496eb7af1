//! The read side on a real PostgreSQL and a real NATS: `./ops/test` runs this with both.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at the first surprise, like the tests")]

mod apart;
mod aside;
mod behind;
mod card;
mod channel;
mod crowd;
mod delivery;
mod generation;
mod group;
mod history;
mod inbox;
mod interleaving;
mod own_view;
mod projector;
mod promises;
mod query;
mod receipt;
mod repair;
mod scylla;
mod slow;
mod support;
mod sync;
mod vanish;
mod wait;
