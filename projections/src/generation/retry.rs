//! What was set aside, tried again: in order, event by event, each at the checkpoint as it stands, which stays. Rows take
//! an event twice without harm, so what is cut off between an event and the row that says it waits only comes again.

use super::{Entry, State, aside::fault, home::Home, live::WITH_ROWS, parse, table};
use crate::{
    Error, Generation, Projection,
    projector::{Batch, Projector},
    sql::Entrance,
};
use natter_domain::Timestamp;
use natter_streams::{Lane, Log, Record, checkpoint};
use sqlx::{Connection, Row, types::time::OffsetDateTime};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use uuid::Uuid;

/// A projector at work moves the checkpoint meanwhile: tried again so often.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// An event that was set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub projection: Projection,
    pub generation: Generation,
    pub lane: Lane,
    pub position: u64,
    pub aggregate_id: Uuid,
    pub event_id: Uuid,
    /// `conversation.message_sent`
    pub event: String,
    /// False: it waits for one before it.
    pub is_first: bool,
    pub reason: String,
    pub at: Timestamp,
}

/// What became of a retry.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Retried {
    pub applied: u64,
    pub left: u64,
}

/// All that was set aside, in the order of lanes and positions.
pub async fn failures(log: &Log) -> Result<Vec<Failure>, Error> {
    let rows = sqlx::query("SELECT * FROM public.projection_failures ORDER BY projection, lane, position")
        .fetch_all(log.pool())
        .await
        .map_err(Error::database("read what was set aside"))?;
    let failure = |row: &sqlx::postgres::PgRow| {
        let (projection, generation) = parse(row.get("projection"))?;
        Some(Failure {
            projection,
            generation,
            lane: Lane::new(row.get::<i16, _>("lane") as u8),
            position: row.get::<i64, _>("position") as u64,
            aggregate_id: row.get("aggregate_id"),
            event_id: row.get("event_id"),
            event: row.get("event"),
            is_first: row.get::<&str, _>("state") == "failed",
            reason: row.get("reason"),
            at: row.get::<OffsetDateTime, _>("at").into(),
        })
    };
    Ok(rows.iter().filter_map(failure).collect())
}

pub(super) struct Retry<'a> {
    pub(super) log: &'a Log,
    pub(super) entrance: &'a Entrance,
}

impl Retry<'_> {
    pub(super) async fn retry(&self, projection: Projection, aggregate: Option<Uuid>) -> Result<Retried, Error> {
        let mut retried = Retried::default();
        for (entry, aggregates) in self.waiting(projection, aggregate).await? {
            let home = Home::open(self.entrance, &entry).await?;
            for aggregate in aggregates {
                retried.applied += self.all_of(&entry, &home, aggregate).await?;
            }
        }
        retried.left = self.left(projection, aggregate).await?;
        Ok(retried)
    }

    pub(super) async fn skip(&self, projection: Projection, aggregate: Uuid) -> Result<Retried, Error> {
        let waiting = self.waiting(projection, Some(aggregate)).await?;
        if waiting.is_empty() {
            return Err(Error::Generation(format!("nothing of aggregate {aggregate} was set aside")));
        }
        for (entry, _) in waiting {
            if let Some(first) = self.first(&entry, aggregate).await? {
                self.take_out(&entry, &first, "skip").await?;
            }
        }
        self.retry(projection, Some(aggregate)).await
    }

    /// Generations of the projection that have rows, with the aggregates that wait there.
    async fn waiting(&self, projection: Projection, only: Option<Uuid>) -> Result<Vec<(Entry, Vec<Uuid>)>, Error> {
        debug_assert!(WITH_ROWS.contains(&projection));
        let all = failures(self.log).await?;
        let mut waiting = Vec::new();
        for entry in table::list(self.log.pool()).await? {
            if entry.projection != projection || matches!(entry.state, State::Dropping | State::Dropped) {
                continue;
            }
            let mut aggregates: Vec<Uuid> = Vec::new();
            for failure in all.iter().filter(|one| (one.projection, one.generation) == (projection, entry.generation)) {
                let is_wanted = only.is_none_or(|only| only == failure.aggregate_id);
                if is_wanted && !aggregates.contains(&failure.aggregate_id) {
                    aggregates.push(failure.aggregate_id);
                }
            }
            if !aggregates.is_empty() {
                waiting.push((entry, aggregates));
            }
        }
        Ok(waiting)
    }

    async fn left(&self, projection: Projection, only: Option<Uuid>) -> Result<u64, Error> {
        let left = failures(self.log).await?;
        let counts = |one: &&Failure| one.projection == projection && only.is_none_or(|only| only == one.aggregate_id);
        Ok(left.iter().filter(counts).count() as u64)
    }

    /// Until one fails again or none is left: those that come meanwhile are set behind as long as one is.
    async fn all_of(&self, entry: &Entry, home: &Home, aggregate: Uuid) -> Result<u64, Error> {
        let mut applied = 0;
        while let Some(first) = self.first(entry, aggregate).await? {
            let record = self.record(&first).await?;
            match self.apply(entry, home, &record).await {
                Ok(()) => self.take_out(entry, &first, "retry").await?,
                Err(error) => {
                    let Some(reason) = fault(&error) else { return Err(error) };
                    self.fails_again(entry, &first, &reason).await?;
                    return Ok(applied);
                }
            }
            applied += 1;
        }
        Ok(applied)
    }

    async fn first(&self, entry: &Entry, aggregate: Uuid) -> Result<Option<Place>, Error> {
        let row = sqlx::query(
            "SELECT lane, position FROM public.projection_failures WHERE projection = $1 AND aggregate_id = $2
             ORDER BY position LIMIT 1",
        )
        .bind(entry.reader())
        .bind(aggregate)
        .fetch_optional(self.log.pool())
        .await
        .map_err(Error::database("read what was set aside"))?;
        let place = |row: &sqlx::postgres::PgRow| Place {
            lane: Lane::new(row.get::<i16, _>("lane") as u8),
            position: row.get::<i64, _>("position") as u64,
        };
        Ok(row.as_ref().map(place))
    }

    async fn record(&self, place: &Place) -> Result<Arc<Record>, Error> {
        let incarnation = self.log.incarnation(place.lane).await?;
        let before = self.log.link_at(place.lane, incarnation, place.position - 1).await?;
        let found = match before {
            Some(before) => self.log.read(&before, 1).await?.pop(),
            None => None,
        };
        found.ok_or_else(|| Error::Generation(format!("lane {} has no event {}", place.lane, place.position)))
    }

    async fn apply(&self, entry: &Entry, home: &Home, record: &Arc<Record>) -> Result<(), Error> {
        let records = [record.clone()];
        let mut tries = 0;
        loop {
            let at = checkpoint::load(self.log, entry.reader(), record.lane).await?;
            let batch = Batch::again(entry.generation, at, &records);
            let applied = match entry.projection {
                Projection::Relations => home.relations().apply(batch).await,
                Projection::History => home.history().apply(batch).await,
                Projection::Delivery => Ok(()),
            };
            tries += 1;
            match applied {
                Err(error) if error.is_overtaken() && tries < TRIES => sleep(PAUSE).await,
                done => return done,
            }
        }
    }

    /// Holding the checkpoint's row: a projector sets nothing behind it meanwhile.
    async fn take_out(&self, entry: &Entry, place: &Place, action: &str) -> Result<(), Error> {
        let failed = || Error::database("take out what was set aside");
        let mut connection = self.entrance.alone("natter operator").await?;
        let mut transaction = connection.begin().await.map_err(failed())?;
        sqlx::query("SELECT FROM public.checkpoints WHERE projection = $1 AND lane = $2 FOR UPDATE")
            .bind(entry.reader())
            .bind(place.lane.number())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        sqlx::query("DELETE FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND position = $3")
            .bind(entry.reader())
            .bind(place.lane.number())
            .bind(place.position as i64)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let detail = format!("lane {} position {}", place.lane, place.position);
        table::act(&mut *transaction, action, entry.reader(), &detail).await?;
        transaction.commit().await.map_err(failed())
    }

    async fn fails_again(&self, entry: &Entry, place: &Place, reason: &str) -> Result<(), Error> {
        sqlx::query(
            "UPDATE public.projection_failures SET state = 'failed', reason = $4, at = now()
             WHERE projection = $1 AND lane = $2 AND position = $3",
        )
        .bind(entry.reader())
        .bind(place.lane.number())
        .bind(place.position as i64)
        .bind(reason)
        .execute(self.log.pool())
        .await
        .map(drop)
        .map_err(Error::database("write down that an event failed again"))
    }
}

struct Place {
    lane: Lane,
    position: u64,
}
