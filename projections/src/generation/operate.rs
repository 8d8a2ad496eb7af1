//! What an operator orders. One order at a time for each projection: a lock in PostgreSQL that ends with the connection,
//! so that whoever was killed holds nobody up. A shadow is only brought further by an order, so it stands still between
//! two.

use super::{
    Builder, Compared, Entry, Generation, State, Store,
    across::{self, Across, Place},
    build::{self, Meter, Pace, Resting, Targets},
    compare::{self, Side},
    home::Home,
    retry, table,
};
use crate::{
    Error, Projection, Settings,
    message::ScyllaHistory,
    sql::{self, Entrance, Use},
};
use natter_streams::{Lane, Log};
use sqlx::{Connection, PgConnection, PgPool, Row};
use std::time::Duration;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A shadow so near the heads is caught up: who takes it over does the rest in a moment.
const NEAR: u64 = 500;
/// Live projections that are so far behind lag.
const LAG: u64 = 2_000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For processes that still read what is to be dropped, and for live projections that are behind a shadow.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How an order ended.
#[derive(Debug)]
pub enum Outcome<T> {
    Done(T),
    /// Told to stop; the same order goes on there.
    Stopped,
}

/// One who may order, on one projection.
pub struct Operator {
    log: Log,
    projection: Projection,
    entrance: Entrance,
    lock: Mutex<PgConnection>,
}

impl Operator {
    /// Refused where somebody else is at it.
    pub async fn begin(log: &Log, settings: &Settings, name: &str) -> Result<Self, Error> {
        let projection =
            Projection::parse(name).ok_or_else(|| Error::Generation(format!("{name}: there is no such projection")))?;
        let entrance = Entrance::new(&settings.database_url, settings.cluster.as_deref());
        let mut lock = entrance.alone(&format!("natter operator {name}")).await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(format!("natter projections {name}"))
            .fetch_one(&mut lock)
            .await
            .map_err(Error::database("begin to work on a projection"))?;
        if !taken {
            return Err(Error::Generation(format!("somebody else works on {name}: one at a time")));
        }
        Ok(Self { log: log.clone(), projection, entrance, lock: Mutex::new(lock) })
    }

    pub const fn projection(&self) -> Projection {
        self.projection
    }

    /// The shadow that is being built; makes one where there is none. The next steps are [`Self::catch_up`] and
    /// [`Self::compare`].
    pub async fn shadow(&self, store: Store) -> Result<Entry, Error> {
        self.has_rows()?;
        if store == Store::Scylla && self.projection != Projection::History {
            return Err(Error::Generation(format!("{} lives in PostgreSQL only", self.projection.as_str())));
        }
        if let Some(building) = self.find(|entry| entry.state == State::Building).await? {
            if building.store()? == store {
                return Ok(building);
            }
            let (reader, there) = (building.reader(), &building.store);
            return Err(Error::Generation(format!(
                "{reader} is being built in {there}: go on there, or drop it first"
            )));
        }
        let mut transaction = self.transaction().await?;
        let mut connection = transaction.begin().await.map_err(Error::database("make a generation"))?;
        table::create(&mut connection, self.projection, store).await?;
        table::act(&mut *connection, "rebuild", self.projection.as_str(), store.as_str()).await?;
        connection.commit().await.map_err(Error::database("make a generation"))?;
        let made = self.find(|entry| entry.state == State::Building).await?;
        made.ok_or_else(|| Error::Generation("the generation that was made is not there".to_owned()))
    }

    fn has_rows(&self) -> Result<(), Error> {
        let name = self.projection.as_str();
        let nothing = || Error::Generation(format!("{name}: relations and history are what can be built anew"));
        if self.projection.tables().is_empty() { Err(nothing()) } else { Ok(()) }
    }

    /// The newest that is not live: the shadow, or what was kept last.
    pub async fn other(&self) -> Result<Entry, Error> {
        self.has_rows()?;
        let building = self.find(|entry| entry.state == State::Building).await?;
        let kept = self.find(|entry| entry.state == State::Kept).await?;
        let nothing = || Error::Generation(format!("{} has one generation only", self.projection.as_str()));
        building.or(kept).ok_or_else(nothing)
    }

    /// The last of those.
    async fn find(&self, wanted: impl Fn(&Entry) -> bool) -> Result<Option<Entry>, Error> {
        let all = table::list(self.log.pool()).await?;
        Ok(all.into_iter().rfind(|entry| entry.projection == self.projection && wanted(entry)))
    }

    /// Brings a generation near the heads.
    pub async fn catch_up(
        &self,
        entry: &Entry,
        pace: &Pace,
        meter: &Meter,
        stop: &CancellationToken,
    ) -> Result<Outcome<()>, Error> {
        let home = Home::open(&self.entrance, entry).await?;
        let builder = Builder { log: &self.log, home: &home, entry, pace, resting: Resting::Everybody, meter, stop };
        let building = async {
            loop {
                let heads = build::heads(&self.log).await?;
                if !builder.bring_to(&heads).await? {
                    return Ok(Outcome::Stopped);
                }
                if behind(&heads, &build::heads(&self.log).await?) < NEAR {
                    return Ok(Outcome::Done(()));
                }
            }
        };
        self.guarded(pace, building).await
    }

    /// Compares a generation with the live one, at the same place of every lane.
    pub async fn compare(
        &self,
        entry: &Entry,
        pace: &Pace,
        meter: &Meter,
        stop: &CancellationToken,
    ) -> Result<Outcome<Compared>, Error> {
        let home = Home::open(&self.entrance, entry).await?;
        let builder = Builder { log: &self.log, home: &home, entry, pace, resting: Resting::Lane, meter, stop };
        let comparing = async {
            let live = table::live(self.log.pool(), self.projection).await?;
            if live.store()? != Store::Postgres || entry.store()? != Store::Postgres {
                return Box::pin(self.compare_across(&live, &builder)).await;
            }
            let (mut seeing, places) = self.snapshot(&live, &builder, &Targets::new()).await?;
            if !builder.bring_to(&places).await? {
                return Ok(Outcome::Stopped);
            }
            let mut beside = self.entrance.alone("natter compare").await?;
            let sides = (
                Side { connection: &mut seeing, schema: live.schema() },
                Side { connection: &mut beside, schema: entry.schema() },
            );
            let lanes = self.log.lanes();
            let compared = compare::compare(self.projection.tables(), lanes, &places, sides.0, sides.1).await?;
            table::set_compared(self.log.pool(), entry, compared.is_same()).await?;
            Ok(Outcome::Done(compared))
        };
        self.guarded(pace, comparing).await
    }

    /// One of the two is in a cluster, or both. What a builder that was killed has left there of its last batch was in
    /// the log by now: live is waited for until it has passed that.
    async fn compare_across(&self, live: &Entry, builder: &Builder<'_>) -> Result<Outcome<Compared>, Error> {
        let entry = builder.entry;
        let least = build::heads(&self.log).await?;
        let (mut seeing, places) = self.snapshot(live, builder, &least).await?;
        if !builder.bring_to(&places).await? {
            return Ok(Outcome::Stopped);
        }
        let home = Home::open(&self.entrance, live).await?;
        let mut beside = self.entrance.alone("natter compare").await?;
        for cluster in [&home.cluster, &builder.home.cluster].into_iter().flatten() {
            cluster.reached(across::PATIENCE).await?;
        }
        let at = |cluster, connection, entry: &Entry| match cluster {
            Some(cluster) => Place::Cluster(cluster),
            None => Place::Postgres { connection, schema: entry.schema() },
        };
        let across = Across {
            lanes: self.log.lanes(),
            moving: home.cluster.as_ref().map(|_| live.reader()),
            live: at(home.cluster.as_deref(), &mut seeing, live),
            shadow: at(builder.home.cluster.as_deref(), &mut beside, entry),
            builder,
        };
        let Some(compared) = across.compare(&places).await? else { return Ok(Outcome::Stopped) };
        table::set_compared(self.log.pool(), entry, compared.is_same()).await?;
        Ok(Outcome::Done(compared))
    }

    /// A connection that goes on seeing the live rows as they were, and where the lanes stood then. The shadow is nowhere
    /// further, and neither is `least`.
    async fn snapshot(
        &self,
        live: &Entry,
        builder: &Builder<'_>,
        least: &Targets,
    ) -> Result<(PgConnection, Targets), Error> {
        let failed = || Error::database("look at the live generation");
        let began = Instant::now();
        loop {
            let mut connection = self.entrance.alone("natter compare").await?;
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            sqlx::query(begin).execute(&mut connection).await.map_err(failed())?;
            let places = compare::places(&mut connection, live, self.log.lanes()).await?;
            let shadows = builder.places().await?;
            let is_behind = |lane: &Lane, place| shadows.get(lane) > Some(place) || least.get(lane) > Some(place);
            let Some((lane, ..)) = places.iter().find(|(lane, place)| is_behind(lane, place)) else {
                return Ok((connection, places));
            };
            if began.elapsed() > PATIENCE {
                return Err(Error::Generation(format!(
                    "{} is behind {} or the log in lane {lane}: is anybody running it?",
                    live.reader(),
                    builder.entry.reader()
                )));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Makes a generation that is caught up the live one. Whoever reads learns of it within a second.
    pub async fn switch(&self, entry: &Entry, unchecked: bool) -> Result<(), Error> {
        if entry.state == State::Building && !unchecked {
            let found = self.find(|found| found.generation == entry.generation).await?;
            if found.is_none_or(|found| found.compared_at.is_none()) {
                return Err(Error::Generation(format!(
                    "{} was not found to be the same as what is live",
                    entry.reader()
                )));
            }
        }
        let live = table::live(self.log.pool(), self.projection).await?;
        let mut connection = self.transaction().await?;
        let mut transaction = connection.begin().await.map_err(Error::database("switch to a generation"))?;
        table::set_state(&mut transaction, &live, &[State::Live], State::Kept).await?;
        table::set_state(&mut transaction, entry, &[State::Building, State::Kept], State::Live).await?;
        let detail = format!("from {} to {}", live.reader(), entry.reader());
        table::act(&mut *transaction, "switch", self.projection.as_str(), &detail).await?;
        transaction.commit().await.map_err(Error::database("switch to a generation"))
    }

    /// Throws a generation's rows away; never those of the live one, nor of one that somebody still reads.
    pub async fn drop_generation(&self, generation: Option<Generation>) -> Result<Entry, Error> {
        let entry = match generation {
            None => self.droppable().await?,
            Some(number) => self
                .find(|entry| entry.generation == number)
                .await?
                .ok_or_else(|| Error::Generation(format!("there is no generation {number}")))?,
        };
        if entry.state == State::Live {
            return Err(Error::Generation(format!("{} is live: it is what people read", entry.reader())));
        }
        if entry.store()? == Store::Scylla {
            // Refused before anything is said where nobody knows the way.
            self.entrance.keyspace(&entry)?;
        }
        let mut connection = self.transaction().await?;
        let leaving = [State::Building, State::Kept, State::Dropping];
        table::set_state(&mut connection, &entry, &leaving, State::Dropping).await?;
        if let Err(read) = self.is_read_by_nobody(&entry).await {
            table::set_state(&mut connection, &entry, &[State::Dropping], entry.state).await?;
            return Err(read);
        }
        if entry.store()? == Store::Scylla {
            // Before the row says so: cut off in between, the same order throws away what is not there any more.
            ScyllaHistory::remove(&self.entrance.keyspace(&entry)?, self.log.pool()).await?;
        }
        let mut transaction = connection.begin().await.map_err(Error::database("drop a generation"))?;
        for statement in removal(&entry) {
            sqlx::query(&statement)
                .execute(&mut *transaction)
                .await
                .map_err(Error::database("throw the rows of a generation away"))?;
        }
        table::set_state(&mut transaction, &entry, &[State::Dropping], State::Dropped).await?;
        table::act(&mut *transaction, "drop", entry.reader(), "").await?;
        transaction.commit().await.map_err(Error::database("drop a generation"))?;
        Ok(entry)
    }

    /// What was being dropped, then what was kept, then the shadow.
    async fn droppable(&self) -> Result<Entry, Error> {
        if let Some(begun) = self.find(|entry| entry.state == State::Dropping).await? {
            return Ok(begun);
        }
        match self.find(|entry| entry.state == State::Kept).await? {
            Some(kept) => Ok(kept),
            None => self.other().await,
        }
    }

    /// Connections say what they are for; a process that still reads it has one.
    async fn is_read_by_nobody(&self, entry: &Entry) -> Result<(), Error> {
        let names = [Use::Queries, Use::Projectors].map(|of| sql::application(of, Some(entry)));
        let began = Instant::now();
        loop {
            let readers: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = ANY($1)",
            )
            .bind(&names[..])
            .fetch_one(self.log.pool())
            .await
            .map_err(Error::database("look who reads a generation"))?;
            if readers == 0 {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(Error::Generation(format!("{readers} connections still read {}", entry.reader())));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Applies what was set aside once more, in order, of one aggregate with all that waits with it, or of all. How many
    /// events were applied, and how many wait still.
    pub async fn retry(&self, aggregate: Option<Uuid>) -> Result<retry::Retried, Error> {
        retry::Retry { log: &self.log, entrance: &self.entrance }.retry(self.projection, aggregate).await
    }

    /// The first event of an aggregate that waits, or the one that it waits for, of each generation: to be given up.
    pub async fn skippable(&self, aggregate: Uuid) -> Result<Vec<retry::Failure>, Error> {
        retry::Retry { log: &self.log, entrance: &self.entrance }.skippable(self.projection, aggregate).await
    }

    /// Gives these up for good, and retries those behind them.
    pub async fn skip(&self, given_up: &[retry::Failure]) -> Result<retry::Retried, Error> {
        retry::Retry { log: &self.log, entrance: &self.entrance }.skip(given_up).await
    }

    async fn transaction(&self) -> Result<PgConnection, Error> {
        self.entrance.alone("natter operator").await
    }

    /// Works while the lock is held and makes room for live projections.
    async fn guarded<T>(&self, pace: &Pace, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            done = work => done,
            error = self.watch(pace) => Err(error),
        }
    }

    async fn watch(&self, pace: &Pace) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            let mut lock = self.lock.lock().await;
            if let Err(error) = sqlx::query("SELECT 1").execute(&mut *lock).await {
                return Error::database("keep others from the same work")(error);
            }
            // Who cannot tell goes slowly.
            pace.live_lags(!live_lag(&self.log).await.is_ok_and(|lag| lag <= LAG));
        }
    }
}

fn removal(entry: &Entry) -> Vec<String> {
    let reader = entry.reader();
    let mut statements = vec![if entry.generation == Generation::FIRST {
        let tables: Vec<&str> = entry.projection.tables().iter().map(|table| table.name).collect();
        // The tables themselves are what later generations are made like.
        format!("TRUNCATE public.{}", tables.join(", public."))
    } else {
        format!("DROP SCHEMA {} CASCADE", entry.schema())
    }];
    for (table, column) in [
        ("checkpoints", "projection"),
        ("projection_failures", "projection"),
        ("projection_skipped", "projection"),
        ("readers", "reader"),
    ] {
        statements.push(format!("DELETE FROM public.{table} WHERE {column} = '{reader}'"));
    }
    statements
}

/// How many events lie between.
fn behind(places: &Targets, heads: &Targets) -> u64 {
    heads.iter().map(|(lane, head)| head.saturating_sub(places.get(lane).copied().unwrap_or_default())).sum()
}

/// How many events the projection that is furthest behind has not applied, as the log and the checkpoints say: of those
/// that are read, and of delivery.
pub async fn lag(log: &Log) -> Result<u64, Error> {
    let delivery = behind(&build::places(log, Projection::Delivery.as_str()).await?, &build::heads(log).await?);
    Ok(live_lag(log).await?.max(delivery))
}

/// Of those that are read.
async fn live_lag(log: &Log) -> Result<u64, Error> {
    let heads = build::heads(log).await?;
    let mut most = 0;
    for projection in super::live::WITH_ROWS {
        let live = table::live(log.pool(), projection).await?;
        most = most.max(behind(&build::places(log, live.reader()).await?, &heads));
    }
    Ok(most)
}

/// A generation and how it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    pub entry: Entry,
    /// Lane, place, head of the log.
    pub lanes: Vec<(Lane, u64, u64)>,
    /// Events that were set aside and wait.
    pub set_aside: u64,
    /// Events that were given up.
    pub skipped: u64,
}

/// Every generation that has rows. Places are as the checkpoints say, whether the log has them or not.
pub async fn status(log: &Log) -> Result<Vec<Standing>, Error> {
    let heads = build::heads(log).await?;
    let mut standings = Vec::new();
    for entry in table::list(log.pool()).await? {
        if entry.state == State::Dropped {
            continue;
        }
        let mut connection = log.pool().acquire().await.map_err(Error::database("read checkpoints"))?;
        let places = compare::places(&mut connection, &entry, log.lanes()).await?;
        let set_aside = count(log.pool(), "projection_failures", &entry).await?;
        let skipped = count(log.pool(), "projection_skipped", &entry).await?;
        let mut lanes: Vec<_> = heads.iter().map(|(&lane, &head)| (lane, places[&lane], head)).collect();
        lanes.sort_unstable();
        standings.push(Standing { entry, lanes, set_aside, skipped });
    }
    Ok(standings)
}

async fn count(pool: &PgPool, table: &'static str, entry: &Entry) -> Result<u64, Error> {
    let row = sqlx::query(&format!("SELECT count(*) FROM public.{table} WHERE projection = $1"))
        .bind(entry.reader())
        .fetch_one(pool)
        .await
        .map_err(Error::database("count what was set aside"))?;
    Ok(row.get::<i64, _>(0) as u64)
}
