//! Reads a lane for a loop that does other things too. What is being read is never dropped half-way, and what cannot be
//! read now is read again after a pause.
//!
//! A few times only: the place it reads from is remembered, and the log may have gone back behind it. Then the loop has
//! to begin again at the stored checkpoint, which somebody may have mended (`declare_loss`).

use crate::{
    error::Error,
    process::{Around, Here},
};
use futures::future::BoxFuture;
use natter_streams::{Link, Record, reader::Reader};
use std::{sync::Arc, time::Duration};

/// Events of one read.
const BATCH: usize = 1_000;

/// Between two reads: what is given because of an event may come this much later, and a lane under load wakes its readers
/// less often.
const PACE: Duration = Duration::from_millis(50);

const PAUSE: Duration = Duration::from_secs(1);

/// Before what only another binary, or somebody, can mend is tried again.
pub(super) const STUCK_PAUSE: Duration = Duration::from_secs(30);

/// Failures in a row before the place itself is in doubt.
const TRIES: u32 = 10;

pub(crate) struct Follower {
    name: &'static str,
    around: Around,
    here: Arc<Here>,
    /// Failures in a row.
    failures: u32,
    /// The last event that was handed out.
    last: Link,
    reading: BoxFuture<'static, Reading>,
}

struct Reading {
    reader: Reader,
    read: Result<Vec<Arc<Record>>, natter_streams::Error>,
}

impl Follower {
    pub fn new(name: &'static str, around: Around, here: Arc<Here>, last: Link) -> Self {
        let reading = Box::pin(read(around.reader(last)));
        Self { name, around, here, failures: 0, last, reading }
    }

    /// The next events, at least one. Waits for them. Dropped before it has ended it loses nothing. After an error the
    /// stored checkpoint counts.
    pub async fn next(&mut self) -> Result<Vec<Arc<Record>>, Error> {
        loop {
            let Reading { reader, read: result } = (&mut self.reading).await;
            match result {
                Ok(records) => {
                    self.failures = 0;
                    self.last = records.last().map_or(self.last, |newest| newest.link());
                    self.reading = Box::pin(async {
                        tokio::time::sleep(PACE).await;
                        read(reader).await
                    });
                    return Ok(records);
                }
                Err(error) => self.try_again(error.into())?,
            }
        }
    }

    fn try_again(&mut self, error: Error) -> Result<(), Error> {
        self.failures += 1;
        if needs_somebody(&error) || self.failures >= TRIES {
            // What was being read has ended: another call reads anew.
            self.reading = Box::pin(read(self.around.reader(self.last)));
            return Err(error);
        }
        self.go_back(self.last, &error);
        Ok(())
    }

    /// What was handed out was understood.
    pub fn went_on(&self) {
        self.here.stuck(false);
    }

    /// What comes behind `last` could not be read or understood: reads on from there, later.
    pub fn go_back(&mut self, last: Link, error: &Error) {
        let stuck = needs_somebody(error);
        let (name, lane, position) = (self.name, last.lane, last.position);
        let cause = std::error::Error::source(error);
        if stuck {
            self.here.stuck(true);
            tracing::error!(name, %lane, position, %error, cause, "stuck behind this event until somebody mends it");
        } else {
            tracing::warn!(name, %lane, position, %error, cause, "reading on later");
        }
        self.last = last;
        let around = self.around.clone();
        self.reading = Box::pin(async move {
            tokio::time::sleep(if stuck { STUCK_PAUSE } else { PAUSE }).await;
            read(around.reader(last)).await
        });
    }
}

async fn read(mut reader: Reader) -> Reading {
    let read = reader.next(BATCH).await;
    Reading { reader, read }
}

pub(super) fn needs_somebody(error: &Error) -> bool {
    use natter_streams::Error as Streams;
    let Error::Failed { source, .. } = error else { return false };
    let cause = source.downcast_ref::<Streams>();
    matches!(cause, Some(Streams::Undecodable { .. } | Streams::Broken { .. } | Streams::Foreign { .. }))
}
