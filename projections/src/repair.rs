//! After a lane's loss was declared: readers that have seen more than the log holds now.
//!
//! Views in PostgreSQL are begun anew, all lanes of them, for nobody can take single events out of rows again. Delivery
//! and every other reader, which leave nothing behind that could be wrong, go back to the lane's head: what they have
//! done once is not done twice. Running readers notice that their checkpoint was moved and go back to it.

use crate::{Error, Projection};
use natter_streams::{Hash, Lane, Link, Log};
use sqlx::{PgConnection, Row};

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
    /// It goes on from the lane's head.
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

/// Brings every reader back into the log.
pub async fn mend(log: &Log) -> Result<Vec<Mended>, Error> {
    let mut mended = Vec::new();
    for Beyond { reader, lane, .. } in beyond(log).await? {
        let anew = Mended::BegunAnew { reader: reader.clone() };
        if mended.contains(&anew) {
            continue;
        }
        if let Some(tables) = tables(&reader) {
            begin_anew(log, &reader, tables).await?;
            mended.push(anew);
        } else {
            let position = set_back(log, &reader, lane).await?;
            mended.push(Mended::SetBack { reader, lane, position });
        }
    }
    Ok(mended)
}

/// What a view writes. `None`: it has no rows that could be wrong.
fn tables(reader: &str) -> Option<&'static str> {
    const RELATIONS: &str = "account, session, friend_request, friendship, conversation, member, inbox_cursor";
    let projection = Projection::ALL.into_iter().find(|projection| projection.as_str() == reader)?;
    match projection {
        Projection::Relations => Some(RELATIONS),
        Projection::History => Some("message"),
        Projection::Delivery => None,
    }
}

/// Empties the tables and goes back to the start of every lane, in one transaction. Checkpoints are set to the start, not
/// deleted: a projector that is at work would take a missing one for its own first.
async fn begin_anew(log: &Log, reader: &str, tables: &str) -> Result<(), Error> {
    let mut starts = Vec::new();
    for lane in log.lanes().iter() {
        starts.push(Link::start(lane, log.incarnation(lane).await?));
    }
    let mut transaction = log.pool().begin().await.map_err(Error::database("begin to empty a view"))?;
    // First, in the order of projectors: those at work are waited for here, and refused afterwards.
    for start in &starts {
        set(&mut transaction, reader, start).await?;
    }
    let truncate = format!("TRUNCATE {tables}");
    sqlx::query(&truncate).execute(&mut *transaction).await.map_err(Error::database("empty a view"))?;
    transaction.commit().await.map_err(Error::database("commit an emptied view"))
}

async fn set_back(log: &Log, reader: &str, lane: Lane) -> Result<u64, Error> {
    let head = log.head(lane, log.incarnation(lane).await?).await?.link;
    let mut connection = log.pool().acquire().await.map_err(Error::database("set a checkpoint back"))?;
    set(&mut connection, reader, &head).await?;
    Ok(head.position)
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
