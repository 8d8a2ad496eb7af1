//! Natter's log. A *lane* is an append-only, totally ordered log of events; event N of a lane in PostgreSQL
//! is message N of the lane's JetStream stream. PostgreSQL is the truth, JetStream the distribution.
//!
//! Reading order: `lane` and `event` (what there is), `log` (PostgreSQL: append, takeover, read),
//! `committer` (group commit), `feed`, `tap` and `reader` (verified reading, whatever the source), `stream` and `relay`
//! (JetStream), `seam` and `repair` (where log and stream disagree); `node` and `lease` (which process runs which lane).
//! `bucket` keeps what is forgotten soon, `breaker` leaves alone who does not answer. `statement` asks a server that may vanish. `sealing` has the keys behind what is sealed, `keyring` the secrets of the
//! installation. `subject` is the only place that spells a subject.

pub mod breaker;
pub mod bucket;
pub mod bus;
pub mod checkpoint;
pub mod clock;
pub mod committer;
pub mod error;
pub mod event;
pub mod fault;
pub mod feed;
pub mod id;
pub mod keyring;
pub mod lane;
pub mod lease;
pub mod log;
pub mod metrics;
pub mod node;
pub mod placement;
pub mod position;
pub mod probe;
mod publisher;
pub mod reader;
pub mod relay;
pub mod repair;
pub mod sealing;
pub mod seam;
pub mod statement;
pub mod stock;
pub mod stream;
pub mod subject;
pub mod tap;

pub use error::Error;
pub use event::{Draft, Hash, Link, Record};
pub use lane::{Lane, Lanes};
pub use log::{Head, Log};
pub use node::Node;
pub use placement::Placement;
pub use position::Positions;
