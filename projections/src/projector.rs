//! What a projection does: take a batch of one lane's events and, with the same stroke, its own checkpoint.

use crate::{Error, Generation, generation};
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

    /// Applies what was passed before; the checkpoint stays where it is.
    fn again(&mut self, batch: Batch<'_>) -> impl Future<Output = Result<(), Error>> + Send {
        self.apply(batch)
    }

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
    generation: Generation,
    from: Link,
    /// Where the checkpoint goes; `None`: to the last event.
    to: Option<Link>,
    pub(crate) records: &'a [Arc<Record>],
}

impl<'a> Batch<'a> {
    pub(crate) fn new(generation: Generation, from: Link, records: &'a [Arc<Record>]) -> Self {
        Self { generation, from, to: None, records }
    }

    /// Events that were passed before, applied where the checkpoint stands now, which stays.
    pub(crate) fn again(generation: Generation, at: Link, records: &'a [Arc<Record>]) -> Self {
        Self { generation, from: at, to: Some(at), records }
    }

    pub(crate) fn step(&self) -> Step {
        let last = || self.records.last().map_or(self.from, |record| record.link());
        let to = self.to.unwrap_or_else(last);
        Step { from: self.from, to, generation: self.generation }
    }

    /// The events before `position`, if there are any.
    pub(crate) fn before(self, position: u64) -> Option<Self> {
        let count = self.records.iter().take_while(|record| record.position < position).count();
        (count > 0).then(|| self.first(count))
    }

    /// The first of the events, so many or all.
    pub(crate) fn first(self, count: usize) -> Self {
        Self { records: &self.records[..count.min(self.records.len())], ..self }
    }

    /// The events behind the first ones; there may be none.
    pub(crate) fn behind(self, count: usize) -> Self {
        let (first, rest) = self.records.split_at(count.min(self.records.len()));
        Self { from: first.last().map_or(self.from, |record| record.link()), records: rest, ..self }
    }
}

/// A checkpoint's move over a batch. The generation says which checkpoint of the projection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub from: Link,
    pub to: Link,
    pub generation: Generation,
}

impl Step {
    /// Moves the checkpoint in the caller's transaction. Done first in it: a second reader of the same lane waits here,
    /// and is refused before it has written anything.
    pub async fn take(&self, projection: Projection, connection: &mut PgConnection) -> Result<(), Error> {
        Ok(checkpoint::advance(connection, self.reader(projection), &self.from, &self.to).await?)
    }

    /// For a statement that does more than to move it.
    pub(crate) fn of(&self, projection: Projection) -> checkpoint::Move<'_> {
        checkpoint::Move { projection: self.reader(projection), from: &self.from, to: &self.to }
    }

    fn reader(&self, projection: Projection) -> &'static str {
        generation::reader(projection, self.generation)
    }
}
