//! What a reader that gives orders says of itself while it runs on a lane: how far it is behind, and whether it waits for
//! somebody.

use crate::metrics;
use natter_streams::{Lane, feed::Feeds};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(1);

/// Dropping it takes back what was said: whoever runs the lane next speaks for itself.
pub(crate) struct Here {
    name: &'static str,
    lane: Lane,
    feeds: Feeds,
    done: AtomicU64,
}

impl Here {
    pub fn new(name: &'static str, lane: Lane, feeds: Feeds) -> Arc<Self> {
        Arc::new(Self { name, lane, feeds, done: AtomicU64::new(0) })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Everything up to here is done.
    pub fn done(&self, position: u64) {
        self.done.store(position, Ordering::Relaxed);
    }

    pub fn stuck(&self, stuck: bool) {
        metrics::stuck(self.name, self.lane, stuck);
    }

    /// Says the lag while that runs. By a clock, not by the reader: one that hangs would not say so.
    pub async fn during(&self, running: impl Future<Output = ()>) {
        tokio::select! {
            () = self.report() => {}
            () = running => {}
        }
    }

    async fn report(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let head = self.feeds.lane(self.lane).head().position;
            metrics::lag(self.name, self.lane, head.saturating_sub(self.done.load(Ordering::Relaxed)));
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        metrics::lag(self.name, self.lane, 0);
        self.stuck(false);
    }
}
