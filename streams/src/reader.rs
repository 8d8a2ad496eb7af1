//! A verified reader of one lane. Readers verify, streams merely carry: whatever the source (the committer's own
//! batches, JetStream, PostgreSQL), an event is accepted only if its position is the last one + 1 and its
//! previous hash is the last one's; lower is skipped; higher means: read the hole from PostgreSQL.

use crate::{
    Error, Lane, Link, Log, Record,
    bus::Bus,
    feed::{Batch, Feeds},
    stream,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{self, error::RecvError};

/// Events of one read from PostgreSQL.
const PAGE: usize = 1_000;

/// An idle reader compares with the log this often: a source that lost its newest events tells nobody.
const IDLE_CHECK: Duration = Duration::from_secs(5);

/// What a reader says to an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// The next one.
    Next,
    /// Accepted before.
    Seen,
    /// Something is missing before it.
    Hole,
    /// At the next position, but not continuing our chain.
    Foreign,
}

/// The one rule.
pub fn admit(last: &Link, record: &Record) -> Admission {
    if record.position <= last.position {
        Admission::Seen
    } else if record.position > last.position + 1 {
        Admission::Hole
    } else if record.previous != last.hash || record.incarnation != last.incarnation {
        Admission::Foreign
    } else {
        Admission::Next
    }
}

/// Recomputes the chain over an event that crossed a boundary; names it when it does not hold.
pub(crate) fn next_link(last: &Link, record: &Record) -> Result<Link, Error> {
    let broken = |what| Err(Error::Broken { lane: last.lane, position: record.position, what });
    if record.position != last.position + 1 {
        return broken("positions have a gap before it");
    }
    if record.link_hash() != record.hash {
        return broken("its content does not match its hash");
    }
    Ok(record.link())
}

enum Source {
    Tap(broadcast::Receiver<Batch>),
    Stream(Box<stream::Source>),
}

/// See the module's page.
pub struct Reader {
    log: Log,
    last: Link,
    source: Source,
    /// Read from the log before waiting for the source.
    behind: bool,
    checked: tokio::time::Instant,
}

impl Reader {
    /// Reads what this process commits, as it commits it.
    pub fn tap(log: Log, feeds: &Feeds, last: Link) -> Self {
        let source = Source::Tap(feeds.lane(last.lane).tap());
        Self { log, last, source, behind: true, checked: tokio::time::Instant::now() }
    }

    /// Reads the lane's JetStream stream.
    pub fn stream(log: Log, bus: &Bus, last: Link) -> Self {
        let source = Source::Stream(Box::new(stream::Source::new(bus.consuming().clone(), last.lane)));
        Self { log, last, source, behind: false, checked: tokio::time::Instant::now() }
    }

    pub fn lane(&self) -> Lane {
        self.last.lane
    }

    /// The last event that was handed out.
    pub fn last(&self) -> Link {
        self.last
    }

    /// The next events, at least one, at most `max` unless one batch alone has more. Waits for them. Dropped before
    /// it has ended it loses nothing, but what it was reading from the log is read again.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Arc<Record>>, Error> {
        loop {
            if self.behind || self.checked.elapsed() > IDLE_CHECK {
                let page = self.log.read(&self.last, PAGE.min(max)).await?;
                self.checked = tokio::time::Instant::now();
                if let Some(newest) = page.last() {
                    self.last = newest.link();
                    return Ok(page);
                }
                self.behind = false;
            }
            let mut accepted = Vec::new();
            if let Ok(received) = tokio::time::timeout(IDLE_CHECK, self.source.recv(&self.last)).await {
                self.accept(received, &mut accepted);
                self.drain(max, &mut accepted);
            }
            if !accepted.is_empty() {
                self.checked = tokio::time::Instant::now();
                return Ok(accepted);
            }
        }
    }

    /// Takes what else is there already.
    fn drain(&mut self, max: usize, accepted: &mut Vec<Arc<Record>>) {
        while !self.behind && accepted.len() < max {
            let Some(batch) = self.source.try_recv() else { return };
            self.accept(Some(batch), accepted);
        }
    }

    /// `None`: the source lost something.
    fn accept(&mut self, received: Option<Batch>, accepted: &mut Vec<Arc<Record>>) {
        let Some(batch) = received else {
            self.behind = true;
            return;
        };
        for record in batch.iter() {
            match admit(&self.last, record) {
                Admission::Seen => {}
                Admission::Next => {
                    self.last = record.link();
                    accepted.push(record.clone());
                }
                Admission::Hole | Admission::Foreign => {
                    self.behind = true;
                    self.source.reset();
                    return;
                }
            }
        }
    }
}

impl Source {
    async fn recv(&mut self, last: &Link) -> Option<Batch> {
        match self {
            Self::Tap(tap) => match tap.recv().await {
                Ok(batch) => Some(batch),
                Err(RecvError::Lagged(_)) => None,
                // The owner is gone; the log is still there.
                Err(RecvError::Closed) => std::future::pending().await,
            },
            Self::Stream(stream) => stream.recv(last).await,
        }
    }

    fn try_recv(&mut self) -> Option<Batch> {
        match self {
            Self::Tap(tap) => tap.try_recv().ok(),
            Self::Stream(_) => None,
        }
    }

    /// What the source holds does not continue our chain: begin it anew behind whatever the log says.
    fn reset(&mut self) {
        if let Self::Stream(stream) = self {
            stream.reset();
        }
    }
}
