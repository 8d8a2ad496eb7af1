//! The log in PostgreSQL: take a lane over, append under its epoch, read it verified.
//!
//! Tried, both orders of the race: an append is one autocommit statement that locks the lane's row and compares
//! the epoch; a takeover updates that row, so it waits for an append in flight and shuts out later ones. The head
//! is read by the statement *after* the takeover: its own RETURNING would tell of an older snapshot.

use crate::{
    Draft, Error, Hash, Lane, Lanes, Link, Record,
    event::CommandKey,
    keyring::Keyring,
    lane::{DEFAULT_COUNT, HASH},
    lease::TERM,
};
use natter_domain::{EventId, Noun, Timestamp};
use sqlx::{
    Executor, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    types::time::OffsetDateTime,
};
use std::{borrow::Cow, collections::HashMap, str::FromStr, sync::Arc, time::Duration};
use uuid::Uuid;

/// Connections that append; PostgreSQL shares one fsync among those that commit together. More make thin batches.
const WRITERS: u32 = 4;
const READERS: u32 = 8;
/// What may wait for somebody's row (`lease::board`), and one more.
const LEASES: u32 = 5;

/// An append that takes longer is given up, and its outcome settled by a takeover.
const STATEMENT_TIMEOUT: &str = "10s";

/// The server's own limit says nothing when its answer never arrives.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

const APPEND: &str = "
    WITH fence AS (SELECT lane FROM lanes WHERE lane = $1 AND epoch = $2 FOR NO KEY UPDATE)
    INSERT INTO events (lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                        payload, metadata, command_key, fingerprint, time, hash)
    SELECT fence.lane, row.position, row.event_id, row.aggregate_type, row.aggregate_id, row.sequence, row.event_type,
           row.event_version, row.payload::json, row.metadata::json, row.command_key, row.fingerprint, row.time, row.hash
    FROM fence,
         UNNEST($4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[],
                $12::text[], $13::uuid[], $14::bytea[], $15::timestamptz[], $16::bytea[])
         AS row(position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
                metadata, command_key, fingerprint, time, hash)
    WHERE (SELECT coalesce(max(position), 0) FROM events WHERE lane = $1) = $3";

const COLUMNS: &str = "lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
    payload::text AS payload, metadata::text AS metadata, command_key, fingerprint, time, hash";

/// The right to append to a lane, until somebody takes it over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ownership {
    pub lane: Lane,
    pub epoch: i64,
    pub incarnation: Uuid,
}

/// The newest event of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub link: Link,
    /// No later event of the lane may be stamped earlier.
    pub time: Timestamp,
}

/// How an append ended.
#[derive(Debug)]
pub enum Appended {
    Durable,
    /// Somebody else owns the lane now, or its head is not where we thought: nothing was stored.
    Fenced,
    /// One command's key is in the log already: nothing was stored.
    Repeated,
    /// The outcome is not known until the lane has been taken over again.
    Unknown(sqlx::Error),
}

/// The event store.
#[derive(Clone)]
pub struct Log {
    writers: PgPool,
    readers: PgPool,
    leases: PgPool,
    lanes: Lanes,
}

impl Log {
    /// Connects, checks that this PostgreSQL keeps what it acknowledges, and that the log has as many lanes as
    /// asked for. `lanes` counts at an installation's first start; later it must agree or be `None`.
    pub async fn connect(url: &str, lanes: Option<u16>) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::database("read the database url"))?;
        // Asked before each use whether they still live, so that a restart of PostgreSQL fails no read. Writers are not:
        // a round trip per append would cost more than the append that is settled now and then.
        let readers = pool(READERS, &options, "natter readers", true).await?;
        check_durability(&readers).await?;
        let lanes = installed_lanes(&readers, lanes).await?;
        let writers = pool(WRITERS, &options, "natter writers", false).await?;
        let leases = lease_pool(&options);
        Ok(Self { writers, readers, leases, lanes })
    }

    /// Refuses another installation's key, with which everything sealed would look erased.
    pub async fn check_key(&self, keyring: &Keyring) -> Result<(), Error> {
        let stored: Vec<u8> =
            sqlx::query_scalar("UPDATE installation SET key_check = coalesce(key_check, $1) RETURNING key_check")
                .bind(&keyring.check()[..])
                .fetch_one(&self.readers)
                .await
                .map_err(Error::database("compare the installation's key"))?;
        if stored == keyring.check() {
            return Ok(());
        }
        Err(Error::Unfit("this is not the key that the log was sealed with".to_owned()))
    }

    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Connections for reading the log and what stands beside it.
    pub fn pool(&self) -> &PgPool {
        &self.readers
    }

    /// Connections for leases that are not a lane's row: in the first PostgreSQL.
    pub(crate) fn lease_pool(&self) -> &PgPool {
        &self.leases
    }

    /// Connections for the row of this lane, in the PostgreSQL that holds its events.
    pub(crate) fn lane_pool(&self, _lane: Lane) -> &PgPool {
        &self.leases
    }

    /// Each PostgreSQL that holds lanes, asked once for all of them.
    pub(crate) fn lane_pools(&self) -> Vec<&PgPool> {
        vec![&self.leases]
    }

    /// Loads aggregates the way `postgres-es` does.
    pub fn repository(&self) -> postgres_es::PostgresEventRepository {
        postgres_es::PostgresEventRepository::new(self.readers.clone())
    }

    /// Makes `owner` the owner of the lane, whoever has it: for tools and tests; nodes that share lanes take them by
    /// [`crate::lease`]. Waits for an append in flight; later ones of the old owner are fenced. As nobody renews it,
    /// the lane is free again after a default term.
    pub async fn take_over(&self, lane: Lane, owner: &str) -> Result<(Ownership, Head), Error> {
        let row = sqlx::query(
            "UPDATE lanes SET epoch = epoch + 1, owner = $2, expires_at = now() + make_interval(secs => $3)
             WHERE lane = $1 RETURNING epoch, incarnation",
        )
        .bind(lane.number())
        .bind(owner)
        .bind(TERM.as_secs_f64())
        .fetch_one(&self.writers)
        .await
        .map_err(Error::lane("take over the row", lane))?;
        let ownership = Ownership { lane, epoch: row.get("epoch"), incarnation: row.get("incarnation") };
        let head = self.head(lane, ownership.incarnation).await?;
        Ok((ownership, head))
    }

    /// Takes our own lane over again, to settle an append of unknown outcome: the statement waits for an orphan
    /// that still runs, or shuts it out. `None`: the lane is not ours any more.
    pub async fn retake(&self, before: &Ownership, owner: &str) -> Result<Option<(Ownership, Head)>, Error> {
        // `owner = $2` lets a retake whose own answer was lost be repeated.
        let retake = sqlx::query_scalar(
            "UPDATE lanes SET epoch = epoch + 1 WHERE lane = $1 AND owner = $2 AND epoch >= $3 RETURNING epoch",
        )
        .bind(before.lane.number())
        .bind(owner)
        .bind(before.epoch)
        .fetch_optional(&self.writers);
        let epoch = answered(retake).await.map_err(Error::lane("take over again", before.lane))?;
        let Some(epoch) = epoch else { return Ok(None) };
        Ok(Some((Ownership { epoch, ..*before }, self.head(before.lane, before.incarnation).await?)))
    }

    /// The lane's newest event, read from the log itself.
    pub async fn head(&self, lane: Lane, incarnation: Uuid) -> Result<Head, Error> {
        let newest =
            sqlx::query("SELECT position, hash, time FROM events WHERE lane = $1 ORDER BY position DESC LIMIT 1")
                .bind(lane.number())
                .fetch_optional(&self.readers);
        let row = answered(newest).await.map_err(Error::lane("read the head", lane))?;
        let Some(row) = row else {
            return Ok(Head { link: Link::start(lane, incarnation), time: Timestamp::default() });
        };
        let position: i64 = row.get("position");
        let link = Link { lane, incarnation, position: position as u64, hash: hash(&row)? };
        Ok(Head { link, time: row.get::<OffsetDateTime, _>("time").into() })
    }

    pub async fn incarnation(&self, lane: Lane) -> Result<Uuid, Error> {
        sqlx::query_scalar("SELECT incarnation FROM lanes WHERE lane = $1")
            .bind(lane.number())
            .fetch_one(&self.readers)
            .await
            .map_err(Error::lane("read the incarnation", lane))
    }

    /// Stores a batch behind `base`, wholly or not at all, if the epoch is still ours.
    pub async fn append(&self, ownership: &Ownership, base: u64, batch: &[Arc<Record>]) -> Appended {
        match answered(self.insert(ownership, base, batch)).await {
            Ok(rows) if rows == batch.len() as u64 => Appended::Durable,
            Ok(_) => Appended::Fenced,
            Err(error) if is_repeated_key(&error) => Appended::Repeated,
            Err(error) => Appended::Unknown(error),
        }
    }

    async fn insert(&self, ownership: &Ownership, base: u64, batch: &[Arc<Record>]) -> Result<u64, sqlx::Error> {
        fn column<'a, T>(batch: &'a [Arc<Record>], field: impl Fn(&'a Record) -> T) -> Vec<T> {
            batch.iter().map(|record| field(record)).collect()
        }
        let result = sqlx::query(APPEND)
            .bind(ownership.lane.number())
            .bind(ownership.epoch)
            .bind(base as i64)
            .bind(column(batch, |record| record.position as i64))
            .bind(column(batch, |record| record.event_id.0))
            .bind(column(batch, |record| record.noun.as_str()))
            .bind(column(batch, |record| record.aggregate_id.to_string()))
            .bind(column(batch, |record| record.sequence as i64))
            .bind(column(batch, |record| &*record.event_type))
            .bind(column(batch, |record| record.version.to_string()))
            .bind(column(batch, |record| &*record.payload))
            .bind(column(batch, |record| &*record.metadata))
            .bind(column(batch, |record| record.key.map(|key| key.key)))
            .bind(column(batch, |record| record.key.as_ref().map(|key| &key.fingerprint[..])))
            .bind(column(batch, |record| OffsetDateTime::from(record.time)))
            .bind(column(batch, |record| &record.hash.0[..]))
            .execute(&self.writers)
            .await?;
        Ok(result.rows_affected())
    }

    /// Whether the lane is still ours. Asked after a decision, it proves that nobody had written before it.
    pub async fn still_owns(&self, ownership: &Ownership) -> Result<bool, sqlx::Error> {
        let owns = sqlx::query_scalar("SELECT EXISTS (SELECT FROM lanes WHERE lane = $1 AND epoch = $2)")
            .bind(ownership.lane.number())
            .bind(ownership.epoch)
            .fetch_one(&self.writers);
        answered(owns).await
    }

    /// The next events behind `after`, at most `limit`, each checked against the chain.
    pub async fn read(&self, after: &Link, limit: usize) -> Result<Vec<Arc<Record>>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE lane = $1 AND position > $2 ORDER BY position LIMIT $3");
        let rows = sqlx::query(&sql)
            .bind(after.lane.number())
            .bind(after.position as i64)
            .bind(limit as i64)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::lane("read events", after.lane))?;
        let mut last = *after;
        rows.iter()
            .map(|row| {
                let record = record(row, &last)?;
                last = crate::reader::next_link(&last, &record)?;
                Ok(Arc::new(record))
            })
            .collect()
    }

    /// Where a reader that has accepted everything up to `position` stands. `None`: the lane is not that long.
    pub async fn link_at(&self, lane: Lane, incarnation: Uuid, position: u64) -> Result<Option<Link>, Error> {
        if position == 0 {
            return Ok(Some(Link::start(lane, incarnation)));
        }
        let row = sqlx::query("SELECT hash FROM events WHERE lane = $1 AND position = $2")
            .bind(lane.number())
            .bind(position as i64)
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::lane("read one event", lane))?;
        row.map(|row| Ok(Link { lane, incarnation, position, hash: hash(&row)? })).transpose()
    }

    /// The first events of the commands with these keys, by key. One query, however many keys.
    pub async fn by_keys(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Record>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE command_key = ANY($1)");
        let rows = sqlx::query(&sql)
            .bind(keys)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("look up command keys"))?;
        rows.iter()
            .map(|row| {
                let lane = Lane::new(row.get::<i16, _>("lane") as u8);
                let record = record(row, &Link::start(lane, Uuid::nil()))?;
                Ok((row.get("command_key"), record))
            })
            .collect()
    }
}

/// What the lane waits for must not wait for a server that has vanished without a word.
async fn answered<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(ANSWER_TIMEOUT, statement).await.unwrap_or_else(late)
}

/// A connection of this pool is made when it is first needed: not every process shares lanes.
fn lease_pool(options: &PgConnectOptions) -> PgPool {
    pool_options(LEASES, true).connect_lazy_with(options.clone().application_name("natter leases"))
}

async fn pool(size: u32, options: &PgConnectOptions, name: &str, tested: bool) -> Result<PgPool, Error> {
    pool_options(size, tested)
        .connect_with(options.clone().application_name(name))
        .await
        .map_err(Error::database("connect to PostgreSQL"))
}

fn pool_options(size: u32, tested: bool) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(tested)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // A paused client must not sit on a lane's lock, nor a dead one keep its backend.
                connection.execute("SET idle_in_transaction_session_timeout = '2s'").await?;
                connection.execute(format!("SET statement_timeout = '{STATEMENT_TIMEOUT}'").as_str()).await?;
                connection.execute("SET client_connection_check_interval = '1s'").await?;
                Ok(())
            })
        })
}

/// Acknowledged means on disk: a server that is told otherwise is refused.
async fn check_durability(pool: &PgPool) -> Result<(), Error> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await
            .map_err(Error::database("read PostgreSQL's settings"))?;
        if value == "off" {
            return Err(Error::Unfit(format!("PostgreSQL has {setting} = off: acknowledged messages could be lost")));
        }
    }
    Ok(())
}

/// The installation's lanes; made at the first start.
async fn installed_lanes(pool: &PgPool, asked: Option<u16>) -> Result<Lanes, Error> {
    let count = asked.unwrap_or(DEFAULT_COUNT);
    let lanes = Lanes::new(count).ok_or_else(|| Error::Unfit(format!("{count} lanes: 1 to 256 are possible")))?;
    let first = sqlx::query("INSERT INTO installation (lanes, lane_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(count as i16)
        .bind(HASH)
        .execute(pool)
        .await
        .map_err(Error::database("write the installation's row"))?;
    let row = sqlx::query("SELECT lanes, lane_hash FROM installation")
        .fetch_one(pool)
        .await
        .map_err(Error::database("read the installation's row"))?;
    let (stored, stored_hash): (i16, String) = (row.get("lanes"), row.get("lane_hash"));
    if stored_hash != HASH || asked.is_some_and(|asked| asked as i16 != stored) {
        return Err(Error::Unfit(format!("the log has {stored} lanes by {stored_hash}, asked for {count} by {HASH}")));
    }
    let lanes = if first.rows_affected() == 1 { lanes } else { Lanes::new(stored as u16).unwrap_or(lanes) };
    for lane in lanes.iter() {
        sqlx::query(
            "INSERT INTO lanes (lane, incarnation, epoch, owner) VALUES ($1, $2, 0, '') ON CONFLICT DO NOTHING",
        )
        .bind(lane.number())
        .bind(crate::id::new())
        .execute(pool)
        .await
        .map_err(Error::lane("make the row", lane))?;
    }
    Ok(lanes)
}

fn is_repeated_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some("events_command_key"))
}

fn record(row: &PgRow, last: &Link) -> Result<Record, Error> {
    let position: i64 = row.get("position");
    let broken = |what| Error::Broken { lane: last.lane, position: position as u64, what };
    let fingerprint: Option<Vec<u8>> = row.get("fingerprint");
    let key = match (row.get("command_key"), fingerprint.and_then(|bytes| bytes.try_into().ok())) {
        (Some(key), Some(fingerprint)) => Some(CommandKey { key, fingerprint }),
        _ => None,
    };
    Ok(Record {
        lane: last.lane,
        incarnation: last.incarnation,
        position: position as u64,
        event_id: EventId(row.get("event_id")),
        noun: Noun::parse(row.get("aggregate_type")).ok_or_else(|| broken("the noun is unknown"))?,
        aggregate_id: row
            .get::<&str, _>("aggregate_id")
            .parse()
            .map_err(|_| broken("the aggregate's id is no UUID"))?,
        sequence: row.get::<i64, _>("sequence") as u64,
        event_type: Cow::Owned(row.get("event_type")),
        version: row.get::<&str, _>("event_version").parse().map_err(|_| broken("the version is no number"))?,
        payload: row.get::<&str, _>("payload").into(),
        metadata: row.get::<&str, _>("metadata").into(),
        key,
        time: row.get::<OffsetDateTime, _>("time").into(),
        previous: last.hash,
        hash: hash(row)?,
    })
}

fn hash(row: &PgRow) -> Result<Hash, Error> {
    let bytes: &[u8] = row.get("hash");
    bytes.try_into().map(Hash).map_err(|_| Error::Unfit("a stored hash has not 32 bytes".to_owned()))
}

/// Decided events, numbered and chained behind `base`.
pub fn chain(base: &Link, drafts: impl IntoIterator<Item = Draft>) -> Vec<Arc<Record>> {
    let mut last = *base;
    drafts
        .into_iter()
        .map(|draft| {
            let record = draft.record(&last);
            last = record.link();
            Arc::new(record)
        })
        .collect()
}
