//! What was set aside, tried again: in order, event by event, each at the checkpoint as it stands, which stays. Rows take
//! an event twice without harm, so what is cut off between an event and the row that says it waits only comes again.
//!
//! Delivery's frames go out where delivery runs, so that they are not overtaken: who runs it is asked.

use super::{
    Entry, State,
    aside::{fault, record},
    home::Home,
    parse, reader,
    table::{self, End},
};
use crate::{
    Error, Generation, Projection,
    projector::{Batch, Projector},
    sql::Entrance,
};
use natter_domain::Timestamp;
use natter_streams::{Lane, Log, Record, checkpoint};
use sqlx::{Row, types::time::OffsetDateTime};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// A projector at work moves the checkpoint meanwhile: tried again so often.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);
/// For who runs delivery, to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An event that was set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub projection: Projection,
    pub generation: Generation,
    pub lane: Lane,
    pub position: u64,
    pub aggregate_id: Uuid,
    /// Events of one key wait for each other: of a message's fate, its conversation; otherwise the aggregate.
    pub key: Uuid,
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
            key: row.get("key"),
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
    /// Of one aggregate, with all that waits with it, or of all.
    pub(super) async fn retry(&self, projection: Projection, aggregate: Option<Uuid>) -> Result<Retried, Error> {
        let keys = self.keys(projection, aggregate).await?;
        if projection == Projection::Delivery { self.ask(&keys).await } else { self.of_rows(projection, &keys).await }
    }

    /// What [`Self::skip`] is to give up: of each generation the first that waits under the aggregate's keys.
    pub(super) async fn skippable(&self, projection: Projection, aggregate: Uuid) -> Result<Vec<Failure>, Error> {
        let keys = self.keys(projection, Some(aggregate)).await?;
        let mut firsts: Vec<Failure> = Vec::new();
        for failure in failures(self.log).await? {
            let is_wanted = failure.projection == projection && keys.contains(&failure.key);
            let waits_with = |first: &Failure| (first.generation, first.key) == (failure.generation, failure.key);
            if is_wanted && !firsts.iter().any(waits_with) {
                firsts.push(failure);
            }
        }
        if firsts.is_empty() {
            return Err(Error::Generation(format!("nothing of aggregate {aggregate} was set aside")));
        }
        Ok(firsts)
    }

    pub(super) async fn skip(&self, given_up: &[Failure]) -> Result<Retried, Error> {
        let mut keys = Vec::new();
        for failure in given_up {
            let reader = reader(failure.projection, failure.generation);
            table::take_out(self.log.pool(), reader, failure.lane, failure.position, End::Skip).await?;
            if !keys.contains(&(failure.projection, failure.key)) {
                keys.push((failure.projection, failure.key));
            }
        }
        let mut all = Retried::default();
        for (projection, key) in keys {
            let retried = self.retry(projection, Some(key)).await?;
            all = Retried { applied: all.applied + retried.applied, left: all.left + retried.left };
        }
        Ok(all)
    }

    /// Keys under which something waits.
    async fn keys(&self, projection: Projection, aggregate: Option<Uuid>) -> Result<Vec<Uuid>, Error> {
        let mut keys = Vec::new();
        for failure in failures(self.log).await? {
            let is_wanted = aggregate.is_none_or(|wanted| [failure.aggregate_id, failure.key].contains(&wanted));
            if failure.projection == projection && is_wanted && !keys.contains(&failure.key) {
                keys.push(failure.key);
            }
        }
        Ok(keys)
    }

    /// Generations that have rows.
    async fn entries(&self, projection: Projection) -> Result<Vec<Entry>, Error> {
        let mut entries = table::list(self.log.pool()).await?;
        let is_gone = |entry: &Entry| matches!(entry.state, State::Dropping | State::Dropped);
        entries.retain(|entry| entry.projection == projection && !is_gone(entry));
        Ok(entries)
    }

    async fn of_rows(&self, projection: Projection, keys: &[Uuid]) -> Result<Retried, Error> {
        let mut applied = 0;
        for entry in self.entries(projection).await? {
            let mut home = None;
            for &key in keys {
                if self.first(entry.reader(), key).await?.is_none() {
                    continue;
                }
                let home = match &mut home {
                    Some(home) => home,
                    none => none.insert(Home::open(self.entrance, &entry).await?),
                };
                applied += self.all_of(&entry, home, key).await?;
            }
        }
        Ok(Retried { applied, left: self.left(projection, keys).await? })
    }

    /// Who runs delivery applies what is asked for, and says so by what it leaves.
    async fn ask(&self, keys: &[Uuid]) -> Result<Retried, Error> {
        let before = self.left(Projection::Delivery, keys).await?;
        self.set_asked(keys, true).await?;
        let began = Instant::now();
        while self.asked(keys).await? > 0 {
            if began.elapsed() > PATIENCE {
                self.set_asked(keys, false).await?;
                return Err(Error::Generation("nobody has done it in time: is anybody running delivery?".to_owned()));
            }
            sleep(LOOK_AGAIN).await;
        }
        let left = self.left(Projection::Delivery, keys).await?;
        Ok(Retried { applied: before.saturating_sub(left), left })
    }

    async fn set_asked(&self, keys: &[Uuid], asked: bool) -> Result<(), Error> {
        sqlx::query("UPDATE public.projection_failures SET asked = $3 WHERE projection = $1 AND key = ANY($2)")
            .bind(Projection::Delivery.as_str())
            .bind(keys)
            .bind(asked)
            .execute(self.log.pool())
            .await
            .map(drop)
            .map_err(Error::database("ask for what was set aside"))
    }

    async fn asked(&self, keys: &[Uuid]) -> Result<i64, Error> {
        sqlx::query_scalar(
            "SELECT count(*) FROM public.projection_failures WHERE projection = $1 AND key = ANY($2) AND asked",
        )
        .bind(Projection::Delivery.as_str())
        .bind(keys)
        .fetch_one(self.log.pool())
        .await
        .map_err(Error::database("look whether it was done"))
    }

    async fn left(&self, projection: Projection, keys: &[Uuid]) -> Result<u64, Error> {
        let left = failures(self.log).await?;
        Ok(left.iter().filter(|one| one.projection == projection && keys.contains(&one.key)).count() as u64)
    }

    /// Until one fails again or none is left: those that come meanwhile are set behind as long as one is.
    async fn all_of(&self, entry: &Entry, home: &Home, key: Uuid) -> Result<u64, Error> {
        let mut applied = 0;
        while let Some(Place { lane, position }) = self.first(entry.reader(), key).await? {
            let record = record(self.log, lane, position).await?;
            match self.apply(entry, home, &record).await {
                Ok(()) => table::take_out(self.log.pool(), entry.reader(), lane, position, End::Retry).await?,
                Err(error) => {
                    let Some(reason) = fault(&error) else { return Err(error) };
                    table::fails_again(self.log.pool(), entry.reader(), lane, position, &reason).await?;
                    return Ok(applied);
                }
            }
            applied += 1;
        }
        Ok(applied)
    }

    async fn first(&self, reader: &'static str, key: Uuid) -> Result<Option<Place>, Error> {
        let row = sqlx::query(
            "SELECT lane, position FROM public.projection_failures WHERE projection = $1 AND key = $2
             ORDER BY position LIMIT 1",
        )
        .bind(reader)
        .bind(key)
        .fetch_optional(self.log.pool())
        .await
        .map_err(Error::database("read what was set aside"))?;
        let place = |row: &sqlx::postgres::PgRow| Place {
            lane: Lane::new(row.get::<i16, _>("lane") as u8),
            position: row.get::<i64, _>("position") as u64,
        };
        Ok(row.as_ref().map(place))
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
}

struct Place {
    lane: Lane,
    position: u64,
}
