//! The projection `delivery`: its "view" is the people who are online. Each event becomes a few frames at the most, each
//! encoded once, published to the subject of every person it concerns; who has no device online has no listener there. Frames
//! of a batch for one person share messages: [`frames_of`] takes one apart. Those of a [`crowd`] are published once, for all
//! edges.
//!
//! The checkpoint moves when the server has confirmed the batch, so after any failure frames may come again, never be
//! skipped: clients drop what they have. What an edge loses behind the server it notices itself (`resync`).
//!
//! Frames hold no personal view (no unread count, no peer), so that one encoding serves all.

mod conversation;
pub mod crowd;
mod facts;
mod frame;
mod group;
mod inbox;
mod letters;
pub(crate) mod mark;
pub(crate) mod members;
mod message;
mod outlet;
mod pending;
mod query;
pub mod standing;
mod subscription;

use crate::{
    Error, Projection,
    generation::live::Live,
    metrics,
    progress::Progress,
    projector::{Batch, Projector, Step},
    sql,
};
use bytes::Bytes;
use facts::Facts;
use letters::Letters;
use members::To;
use natter_streams::{bus::Bus, sealing::Keys, statement};
use outlet::{Connection, Outlet};
pub use query::Query;
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Batches share a confirmation and a checkpoint for so long: a round trip and a transaction for each would cost more
/// than the frames. What this may repeat after a failure, clients drop. So `Progress` tells what was published, the
/// checkpoint what was confirmed.
const CONFIRM_EVERY: Duration = Duration::from_millis(200);

/// On the subject of a person: this message is not a frame, the session of this id has ended. The payload is the
/// reason.
pub const SESSION_ENDED: &str = "natter-session-ended";

/// On the mark subject and on the echo: the token of who asks.
pub const MARK: &str = "natter-mark";

/// On the echo: the start of the node that sent it.
pub const DELIVERER: &str = "natter-deliverer";

/// The frames of a message on the subject of a person, as it came. They share its memory.
pub fn frames_of(payload: &Bytes) -> impl Iterator<Item = Bytes> {
    payload.split(|byte| *byte == letters::BREAK).map(|frame| payload.slice_ref(frame))
}

pub(crate) struct Delivery {
    outlet: Outlet,
    pool: PgPool,
    keys: Keys,
    facts: Facts,
    unconfirmed: Option<Unconfirmed>,
}

/// Frames that were published and are not known to have arrived.
struct Unconfirmed {
    step: Step,
    connection: Connection,
    due: Instant,
}

impl Delivery {
    /// So many members make a crowd.
    pub(crate) fn new(
        bus: Bus,
        pool: PgPool,
        live: Arc<Live>,
        keys: Keys,
        progress: Arc<Progress>,
        crowd_min: u64,
    ) -> Self {
        let facts = Facts::new(live, keys.clone(), progress, crowd_min);
        Self { outlet: Outlet::new(bus), pool, keys, facts, unconfirmed: None }
    }

    async fn publish(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        let mut happenings = frame::happenings(batch)?;
        self.facts.gather(batch.step().to, &mut happenings).await?;
        let opener =
            self.keys.opener(happenings.iter().flat_map(|it| it.keys(&self.facts)).collect::<Vec<_>>()).await?;
        let (mut count, mut letters) = (Count::default(), Letters::default());
        for happening in happenings {
            let mut origin = happening.origin(&self.facts);
            for frame in happening.frames(&self.facts, &opener)? {
                self.outlet.publish(&frame, &mut origin, &mut letters).await?;
                count.add(&frame.to);
            }
        }
        self.outlet.finish(letters).await?;
        if let Some(word) = standing::of(batch.records)? {
            self.outlet.tell_edges(word).await?;
        }
        metrics::delivered(count.frames, count.copies, count.of_crowds);
        Ok(())
    }
}

/// What was published.
#[derive(Default)]
struct Count {
    frames: usize,
    copies: usize,
    of_crowds: usize,
}

impl Count {
    fn add(&mut self, to: &To) {
        self.frames += 1;
        match to {
            To::People(people) => self.copies += people.len(),
            To::Crowd(_) => {
                self.copies += 1;
                self.of_crowds += 1;
            }
        }
    }
}

impl Projector for Delivery {
    const PROJECTION: Projection = Projection::Delivery;

    async fn apply(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        let step = batch.step();
        // Where the batch does not continue what is open, an error has led back to the checkpoint.
        if self.unconfirmed.as_ref().is_some_and(|open| open.step.to != step.from) {
            self.unconfirmed = None;
        }
        if self.unconfirmed.as_ref().is_some_and(|open| !self.outlet.still_has(&open.connection)) {
            // What is open may be lost: it goes out again before anything newer does.
            self.unconfirmed = None;
            return Err(Error::Unconfirmed);
        }
        let begun = match self.unconfirmed {
            Some(_) => None,
            None => Some((self.outlet.connection().await?, Instant::now() + CONFIRM_EVERY)),
        };
        // What is open stays so, without this batch, where it cannot be published or we are dropped.
        self.publish(batch).await?;
        match (&mut self.unconfirmed, begun) {
            (Some(open), _) => open.step.to = step.to,
            (open, begun) => *open = begun.map(|(connection, due)| Unconfirmed { step, connection, due }),
        }
        let is_due = self.unconfirmed.as_ref().is_some_and(|open| open.due <= Instant::now());
        if is_due { self.settle().await } else { Ok(()) }
    }

    /// Behind what is open; done once the server has it.
    async fn again(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        self.settle().await?;
        let connection = self.outlet.connection().await?;
        self.publish(batch).await?;
        self.outlet.confirm(connection).await
    }

    fn due(&self) -> Option<Instant> {
        self.unconfirmed.as_ref().map(|open| open.due)
    }

    async fn settle(&mut self) -> Result<(), Error> {
        let Some(open) = self.unconfirmed.take() else { return Ok(()) };
        self.outlet.confirm(open.connection).await?;
        natter_streams::fault::reach("projection.delivery.before_checkpoint").await;
        let failed = || Error::database("move the checkpoint of delivery");
        let moved = async {
            let mut database = statement::lend(&self.pool).await.map_err(failed())?;
            let moved = open.step.take(Projection::Delivery, &mut database).await;
            database.give_back();
            moved
        };
        statement::within(sql::PATIENCE, failed(), moved).await
    }
}
