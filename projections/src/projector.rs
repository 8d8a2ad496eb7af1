//! What a projection does: take a batch of one lane's events and, with the same stroke, its own checkpoint.

use crate::Error;
use natter_streams::{Link, Record, checkpoint};
use sqlx::PgConnection;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The views of the log; each has a checkpoint of its own per lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Projection {
    /// Who there is, who knows whom, who is in which conversation.
    Relations,
    /// The messages.
    History,
    /// Frames for the people who are online.
    Delivery,
}

impl Projection {
    pub const ALL: [Self; 3] = [Self::Relations, Self::History, Self::Delivery];

    /// The name in checkpoints and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relations => "relations",
            Self::History => "history",
            Self::Delivery => "delivery",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|projection| projection.as_str() == name)
    }

    pub(crate) const fn before_apply(self) -> &'static str {
        match self {
            Self::Relations => "projection.relations.before_apply",
            Self::History => "projection.history.before_apply",
            Self::Delivery => "projection.delivery.before_apply",
        }
    }
}

/// The pace of the views in PostgreSQL: under load they lag so far at least, for reads that name no position.
pub(crate) const PACE: Duration = Duration::from_millis(200);

/// A projection at work on one lane.
pub(crate) trait Projector: Send + 'static {
    const PROJECTION: Projection;

    /// The least time between two transactions of a lane, while nobody waits for one.
    const PACE: Option<Duration> = None;

    /// Applies the batch and moves the checkpoint. After an error nothing is certain but the stored checkpoint: the
    /// batch comes again from there, and applying an event twice must end like applying it once.
    fn apply(&mut self, batch: Batch<'_>) -> impl Future<Output = Result<(), Error>> + Send;

    /// When [`Self::settle`] is due; `None` while nothing is left open.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Completes what `apply` left open.
    fn settle(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// Events of one lane, one after the other; at least one.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    from: Link,
    pub(crate) records: &'a [Arc<Record>],
}

impl<'a> Batch<'a> {
    pub(crate) fn new(from: Link, records: &'a [Arc<Record>]) -> Self {
        Self { from, records }
    }

    pub(crate) fn step(&self) -> Step {
        Step { from: self.from, to: self.records.last().map_or(self.from, |record| record.link()) }
    }

    /// The events before `position`, if there are any.
    pub(crate) fn before(self, position: u64) -> Option<Self> {
        let count = self.records.iter().take_while(|record| record.position < position).count();
        (count > 0).then(|| Self { records: &self.records[..count], ..self })
    }
}

/// A checkpoint's move over a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub from: Link,
    pub to: Link,
}

impl Step {
    /// Moves the checkpoint in the caller's transaction. Done first in it: a second reader of the same lane waits here,
    /// and is refused before it has written anything.
    pub async fn take(&self, projection: Projection, connection: &mut PgConnection) -> Result<(), Error> {
        Ok(checkpoint::advance(connection, projection.as_str(), &self.from, &self.to).await?)
    }

    /// For a statement that does more than to move it.
    pub(crate) fn of(&self, projection: Projection) -> checkpoint::Move<'_> {
        checkpoint::Move { projection: projection.as_str(), from: &self.from, to: &self.to }
    }
}
