//! A verified reader of one lane. Readers verify, streams merely carry: whatever the source (the committer's own
//! batches, JetStream, PostgreSQL), an event is accepted only if its position is the last one + 1 and its
//! previous hash is the last one's; lower is skipped; higher means: read the hole from PostgreSQL.

use crate::{
    Error, Lane, Link, Log, Record,
    bus::Bus,
    feed::{Batch, Feeds},
    stream,
    tap::{Listener, Lost},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

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
    Tap(Listener),
    Stream(Box<stream::Source>),
}

/// Where a reader looks that goes by whether the lane is written in this process.
struct Choice {
    bus: Bus,
    feeds: Feeds,
    open: watch::Receiver<bool>,
}

/// See the module's page.
pub struct Reader {
    log: Log,
    last: Link,
    source: Source,
    /// `None`: the source is for good.
    choice: Option<Choice>,
    /// Read from the log before waiting for the source.
    behind: bool,
    checked: tokio::time::Instant,
}

impl Reader {
    /// Reads the tap while the lane is open in this process, the lane's JetStream stream otherwise, and changes by itself
    /// when the lane comes or goes. What lies between the two is a hole like any other.
    pub fn new(log: Log, bus: &Bus, feeds: &Feeds, last: Link) -> Self {
        let mut open = feeds.lane(last.lane).openings();
        let is_open = *open.borrow_and_update();
        let choice = Choice { bus: bus.clone(), feeds: feeds.clone(), open };
        let source = choice.source(is_open, &last);
        Self { choice: Some(choice), ..Self::of(source, log, last, is_open) }
    }

    /// Reads what this process commits, as it commits it, and nothing else: for those that run beside the lane's owner.
    pub fn tap(log: Log, feeds: &Feeds, last: Link) -> Self {
        Self::of(Source::Tap(feeds.lane(last.lane).tap()), log, last, true)
    }

    /// Reads the lane's JetStream stream, and nothing else.
    pub fn stream(log: Log, bus: &Bus, last: Link) -> Self {
        Self::of(Source::stream(bus, &last), log, last, false)
    }

    fn of(source: Source, log: Log, last: Link, behind: bool) -> Self {
        Self { log, last, source, choice: None, behind, checked: tokio::time::Instant::now() }
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
            self.choose();
            if self.behind || self.checked.elapsed() > IDLE_CHECK {
                let page = self.log.read(&self.last, PAGE.min(max)).await?;
                self.checked = tokio::time::Instant::now();
                if let Some(newest) = page.last() {
                    self.last = newest.link();
                    return Ok(page);
                }
                still_holds(&self.log, &self.last).await?;
                self.behind = false;
            }
            let mut accepted = Vec::new();
            tokio::select! {
                () = Choice::changed(&self.choice) => continue,
                received = timeout(IDLE_CHECK, self.source.recv(&self.last)) => if let Ok(received) = received {
                    self.accept(received, &mut accepted);
                    self.drain(max, &mut accepted);
                }
            }
            if !accepted.is_empty() {
                self.checked = tokio::time::Instant::now();
                return Ok(accepted);
            }
        }
    }

    /// Looks elsewhere if the lane has come or gone. The log is read once after that: the new source tells nothing of
    /// what was written before it was opened, nor the old one of what it still held.
    fn choose(&mut self) {
        let Some(choice) = &mut self.choice else { return };
        if choice.open.has_changed().unwrap_or(false) {
            let is_open = *choice.open.borrow_and_update();
            self.source = choice.source(is_open, &self.last);
            self.behind = true;
        }
    }

    /// Takes what else is there already.
    fn drain(&mut self, max: usize, accepted: &mut Vec<Arc<Record>>) {
        while !self.behind && accepted.len() < max {
            let Some(received) = self.source.try_recv(&self.last) else { return };
            self.accept(received, accepted);
        }
    }

    fn accept(&mut self, received: Result<Batch, Lost>, accepted: &mut Vec<Arc<Record>>) {
        let Ok(batch) = received else {
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

/// A log that went back (PostgreSQL restored, a loss declared) has nothing for who read further, and never would. Not a
/// method: what reads a stream cannot be shared between threads, so nothing may borrow the reader across an await.
async fn still_holds(log: &Log, last: &Link) -> Result<(), Error> {
    if log.holds(last).await? {
        return Ok(());
    }
    let what = "the log does not hold what was read from it";
    Err(Error::Broken { lane: last.lane, position: last.position, what })
}

impl Choice {
    fn source(&self, is_open: bool, last: &Link) -> Source {
        if is_open { Source::Tap(self.feeds.lane(last.lane).tap()) } else { Source::stream(&self.bus, last) }
    }

    /// Resolves where the lane has come or gone since the source was chosen.
    async fn changed(choice: &Option<Self>) {
        let Some(choice) = choice else { return std::future::pending().await };
        // A copy, so that the change is still one for who chooses. The sender is in our feeds: it cannot be gone.
        let _ = choice.open.clone().changed().await;
    }
}

impl Source {
    fn stream(bus: &Bus, last: &Link) -> Self {
        Self::Stream(Box::new(stream::Source::new(bus.consuming().clone(), last.lane)))
    }

    async fn recv(&mut self, last: &Link) -> Result<Batch, Lost> {
        match self {
            Self::Tap(tap) => tap.recv().await,
            Self::Stream(stream) => stream.recv(last).await,
        }
    }

    /// `None`: there is nothing now.
    fn try_recv(&mut self, last: &Link) -> Option<Result<Batch, Lost>> {
        match self {
            Self::Tap(tap) => tap.try_recv(),
            Self::Stream(stream) => stream.try_recv(last),
        }
    }

    /// What the source holds does not continue our chain: begin it anew behind whatever the log says.
    fn reset(&mut self) {
        if let Self::Stream(stream) = self {
            stream.reset();
        }
    }
}
