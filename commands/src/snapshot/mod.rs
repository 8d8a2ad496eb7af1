//! Snapshots: what a long aggregate remembers, written down every thousand events, so that loading it reads what came
//! since and not its whole life.
//!
//! - A snapshot is made by a reader of the log (`projector`) from stored events, never from what a lane's worker has in
//!   memory: that may not be durable.
//! - It is never needed. One that is missing, of another `STATE_VERSION`, damaged, or not of this log (the event it ends
//!   with is not where it says, with the hash it says) is counted and ignored, and all events are read.
//! - It holds the state as the state is: what is sealed in events is sealed here.
//! - A changed `STATE_VERSION` of any noun gives the projector another checkpoint: it begins with the log's first event
//!   and makes every snapshot anew.
//!
//! There is one per aggregate, the newest. The table stands beside the events it was made from (`table`).

mod hot;
mod load;
mod projector;
mod table;

pub use load::{Loaded, load};
pub use projector::{Settings, run};

use crate::error::Error;
use natter_domain::Noun;
use natter_streams::{
    Log,
    feed::Feeds,
    lease::{self, Context, Lease, Share},
    reader::Reader,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The name of its leases.
const SHARE: Share = Share::Reader("snapshot");

/// Events of an aggregate between two snapshots of it.
pub const EVERY: u64 = 1_000;

/// Makes the snapshots of the lanes whose leases this process holds, until `stop`.
pub(crate) async fn keep(context: Context, feeds: Feeds, stop: CancellationToken) {
    let shared = context.clone();
    lease::keep(context, SHARE, move |lease| hold(shared.clone(), feeds.clone(), lease), stop).await;
}

/// Removes the snapshot of an aggregate that is routed by its own id.
pub(crate) async fn forget(log: &Log, noun: Noun, id: Uuid) -> Result<(), Error> {
    table::remove(log, log.lanes().of(id), noun, id).await
}

/// Stopped anywhere it has nothing to finish.
async fn hold(Context { log, bus, .. }: Context, feeds: Feeds, lease: Lease) {
    let read = |last| Reader::new(log.clone(), &bus, &feeds, last);
    tokio::select! {
        () = lease.given_up() => {}
        () = lease.lost() => {}
        () = run(&log, lease.lane(), Settings::default(), read) => {}
    }
}
