//! After a lane's loss was declared: readers that have seen more than the log holds now.
//!
//! Views in PostgreSQL are begun anew, all lanes of them, for nobody can take single events out of rows again. Every
//! other reader goes back to where the log and what it had read part: whatever was written there since, it has not seen.
//! Where nobody can say any more where that is, it goes back to the lane's start: what it has done once is not done twice.
//! Only delivery does not, whose frames from before are of no use: it goes on at the head, and clients read their state
//! again.
//!
//! What lost events made others do stays done: a timer that a lost event began is still there, and its target, which
//! knows nothing of that event, refuses it when it is due. Running readers notice that their checkpoint was moved and go
//! back to it.

use crate::{
    Error, Projection, Settings, Store,
    generation::{self, Entry},
    message::ScyllaHistory,
    sql::Entrance,
};
use natter_streams::{Hash, Lane, Link, Log};
use sqlx::{PgConnection, Row};
use std::{collections::HashMap, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// More often than projectors can be met half-way: they begin again behind us, where they are refused.
const TRIES: usize = 20;

/// For a cluster to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// No lane comes so far; so many of them can still be added up.
const NOWHERE: u64 = 1 << 54;

/// The last event of a lane that the log and what was declared lost have in common, where it is known.
pub type Agreed = HashMap<Lane, u64>;

/// A reader that has seen an event which the log does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beyond {
    pub reader: String,
    pub lane: Lane,
    pub position: u64,
}

/// What became of a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mended {
    /// Its tables are empty, and it reads every lane from the first event on.
    BegunAnew { reader: String },
    /// It goes on behind this event.
    SetBack { reader: String, lane: Lane, position: u64 },
}

/// Readers whose checkpoint is not an event of the log. Only reads.
pub async fn beyond(log: &Log) -> Result<Vec<Beyond>, Error> {
    let rows = sqlx::query("SELECT projection, lane, incarnation, position, hash FROM checkpoints ORDER BY 1, 2")
        .fetch_all(log.pool())
        .await
        .map_err(Error::database("read the checkpoints"))?;
    let mut beyond = Vec::new();
    for row in rows {
        let lane = Lane::new(row.get::<i16, _>("lane") as u8);
        let hash = row.get::<Vec<u8>, _>("hash").try_into().map(Hash).unwrap_or_default();
        let position = row.get::<i64, _>("position") as u64;
        let link = Link { lane, incarnation: row.get("incarnation"), position, hash };
        if !log.holds(&link).await? {
            beyond.push(Beyond { reader: row.get("projection"), lane, position });
        }
    }
    Ok(beyond)
}

/// Brings every reader back into the log. What is in a cluster comes last: one that is away keeps no other view up.
pub async fn mend(log: &Log, settings: &Settings, agreed: &Agreed) -> Result<Vec<Mended>, Error> {
    let mut mended = Vec::new();
    let in_clusters = in_clusters(log).await?;
    let mut last = Vec::new();
    for Beyond { reader, lane, .. } in beyond(log).await? {
        let anew = Mended::BegunAnew { reader: reader.clone() };
        if mended.contains(&anew) || last.contains(&reader) {
            continue;
        }
        if in_clusters.iter().any(|entry| entry.reader() == reader) {
            last.push(reader);
        } else if let Some(tables) = tables(&reader) {
            begin_anew_in_time(log, &reader, &tables).await?;
            mended.push(anew);
        } else {
            let position = set_back(log, &reader, lane, agreed.get(&lane).copied()).await?;
            mended.push(Mended::SetBack { reader, lane, position });
        }
    }
    for entry in in_clusters.into_iter().filter(|entry| last.iter().any(|reader| reader == entry.reader())) {
        begin_anew_in_cluster(log, settings, &entry).await?;
        mended.push(Mended::BegunAnew { reader: entry.reader().to_owned() });
    }
    Ok(mended)
}

/// The generations whose rows are not in PostgreSQL.
async fn in_clusters(log: &Log) -> Result<Vec<Entry>, Error> {
    let all = generation::list(log.pool()).await?;
    Ok(all.into_iter().filter(|entry| matches!(entry.store(), Ok(Store::Scylla))).collect())
}

/// A cluster has no transactions. First the checkpoints are put where no event ever is: whoever writes is refused, and
/// whoever repairs after a crash finds them there. Then the rows go, and at last the checkpoints go to the start.
async fn begin_anew_in_cluster(log: &Log, settings: &Settings, entry: &Entry) -> Result<(), Error> {
    let keyspace = Entrance::new(&settings.database_url, settings.cluster.as_deref()).keyspace(entry)?;
    let (end, under_way) = (CancellationToken::new(), keyspace.write_timeout);
    let store = ScyllaHistory::open(keyspace, log.pool().clone(), &end)?;
    let _end = end.drop_guard();
    store.reached(PATIENCE).await?;
    let starts = starts(log).await?;
    // Of no incarnation: it says to nobody who waits that anything was passed.
    let nowhere = |start: &Link| Link { incarnation: Uuid::nil(), position: NOWHERE, ..*start };
    set_all(log, entry.reader(), &starts.iter().map(nowhere).collect::<Vec<_>>()).await?;
    // A batch that was being written when its checkpoint was taken away has been written by then, or given up.
    tokio::time::sleep(under_way).await;
    store.empty().await?;
    set_all(log, entry.reader(), &starts).await
}

async fn starts(log: &Log) -> Result<Vec<Link>, Error> {
    let mut starts = Vec::new();
    for lane in log.lanes().iter() {
        starts.push(Link::start(lane, log.incarnation(lane).await?));
    }
    Ok(starts)
}

/// All at once; what was set aside is tried again with everything else.
async fn set_all(log: &Log, reader: &str, links: &[Link]) -> Result<(), Error> {
    let mut transaction = log.pool().begin().await.map_err(Error::database("begin to set checkpoints"))?;
    for link in links {
        set(&mut transaction, reader, link).await?;
    }
    forget_what_was_set_aside(&mut transaction, reader).await?;
    transaction.commit().await.map_err(Error::database("commit checkpoints"))
}

async fn forget_what_was_set_aside(connection: &mut PgConnection, reader: &str) -> Result<(), Error> {
    forget_beyond(connection, reader, None, 0).await
}

/// Of one lane or of all.
async fn forget_beyond(
    connection: &mut PgConnection,
    reader: &str,
    lane: Option<Lane>,
    position: u64,
) -> Result<(), Error> {
    for table in ["projection_failures", "projection_skipped"] {
        let delete =
            format!("DELETE FROM {table} WHERE projection = $1 AND lane = coalesce($2, lane) AND position > $3");
        sqlx::query(&delete)
            .bind(reader)
            .bind(lane.map(Lane::number))
            .bind(position as i64)
            .execute(&mut *connection)
            .await
            .map_err(Error::database("forget what a reader has set aside"))?;
    }
    Ok(())
}

/// What a view writes, of the generation that reads under this name. `None`: it has no rows that could be wrong.
fn tables(reader: &str) -> Option<String> {
    let (projection, generation) = generation::parse(reader)?;
    let schema = generation::schema(projection, generation);
    let names: Vec<String> = projection.tables().iter().map(|table| format!("{schema}.{}", table.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A projector at work may hold the lock of a table and wait for its checkpoint, which we hold and wait for the table:
/// PostgreSQL ends one of the two. No order of locks avoids it, for projectors have two: relations takes the checkpoint
/// first, history's one statement the table.
async fn begin_anew_in_time(log: &Log, reader: &str, tables: &str) -> Result<(), Error> {
    for _ in 1..TRIES {
        match begin_anew(log, reader, tables).await {
            Err(error) if is_deadlock(&error) => tracing::info!(reader, "met a projector half-way: trying again"),
            done => return done,
        }
    }
    begin_anew(log, reader, tables).await
}

fn is_deadlock(error: &Error) -> bool {
    let Error::Database { source, .. } = error else { return false };
    source.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "40P01")
}

/// Empties the tables and goes back to the start of every lane, in one transaction. Checkpoints are set to the start, not
/// deleted: a projector that is at work would take a missing one for its own first.
async fn begin_anew(log: &Log, reader: &str, tables: &str) -> Result<(), Error> {
    let starts = starts(log).await?;
    let mut transaction = log.pool().begin().await.map_err(Error::database("begin to empty a view"))?;
    // First, in the order of projectors: those at work are waited for here, and refused afterwards.
    for start in &starts {
        set(&mut transaction, reader, start).await?;
    }
    let truncate = format!("TRUNCATE {tables}");
    sqlx::query(&truncate).execute(&mut *transaction).await.map_err(Error::database("empty a view"))?;
    // It is tried again with everything else.
    forget_what_was_set_aside(&mut transaction, reader).await?;
    transaction.commit().await.map_err(Error::database("commit an emptied view"))
}

async fn set_back(log: &Log, reader: &str, lane: Lane, agreed: Option<u64>) -> Result<u64, Error> {
    let head = log.head(lane, log.incarnation(lane).await?).await?.link;
    let otherwise = if reader == Projection::Delivery.as_str() { head.position } else { 0 };
    let position = agreed.unwrap_or(otherwise).min(head.position);
    let place = log.link_at(lane, head.incarnation, position).await?.unwrap_or(head);
    let mut transaction = log.pool().begin().await.map_err(Error::database("set a checkpoint back"))?;
    set(&mut transaction, reader, &place).await?;
    // What it has set aside beyond is not in the log any more.
    forget_beyond(&mut transaction, reader, Some(lane), place.position).await?;
    transaction.commit().await.map_err(Error::database("set a checkpoint back"))?;
    Ok(place.position)
}

async fn set(connection: &mut PgConnection, reader: &str, link: &Link) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO checkpoints (projection, lane, incarnation, position, hash) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (projection, lane) DO UPDATE SET incarnation = $3, position = $4, hash = $5",
    )
    .bind(reader)
    .bind(link.lane.number())
    .bind(link.incarnation)
    .bind(link.position as i64)
    .bind(&link.hash.0[..])
    .execute(connection)
    .await
    .map(drop)
    .map_err(Error::database("set a checkpoint"))
}
