//! How committed batches reach readers in the same process: a tap per lane, and the head that reads wait for.
//! A tap that runs over loses nothing: its reader sees a hole and reads it from the log.

use crate::{Lane, Link, Record};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Batches a slow reader may fall behind before it reads from PostgreSQL instead.
const TAP: usize = 64;

pub type Batch = Arc<Vec<Arc<Record>>>;

/// One lane's tap and head.
pub struct Feed {
    tap: broadcast::Sender<Batch>,
    head: watch::Sender<Link>,
}

impl Feed {
    /// Called by the lane's owner once a batch is durable.
    pub fn publish(&self, batch: Batch, head: Link) {
        self.head.send_replace(head);
        // An error means only that nobody listens.
        let _ = self.tap.send(batch);
    }

    pub fn tap(&self) -> broadcast::Receiver<Batch> {
        self.tap.subscribe()
    }

    /// The newest durable event that this process knows of.
    pub fn head(&self) -> Link {
        *self.head.borrow()
    }
}

/// Every lane's feed.
#[derive(Clone)]
pub struct Feeds(Arc<[Feed]>);

impl Feeds {
    /// `heads`: where each lane stands at the start, in the order of the lanes.
    pub fn new(heads: impl IntoIterator<Item = Link>) -> Self {
        Self(
            heads
                .into_iter()
                .map(|head| Feed { tap: broadcast::channel(TAP).0, head: watch::channel(head).0 })
                .collect(),
        )
    }

    pub fn lane(&self, lane: Lane) -> &Feed {
        &self.0[lane.index()]
    }

    pub fn heads(&self) -> Vec<Link> {
        self.0.iter().map(Feed::head).collect()
    }
}
