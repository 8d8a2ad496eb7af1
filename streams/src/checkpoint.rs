//! How far each reader of the log has come, kept beside what it wrote: rows and checkpoint move in one
//! transaction, so an effect happens exactly once.

use crate::{Error, Hash, Lane, Link, Log, statement};
use sqlx::{PgConnection, Postgres, Row, postgres::PgArguments, query::Query};

/// Where `projection` stands in `lane`; at the start if it never ran.
pub async fn load(log: &Log, projection: &'static str, lane: Lane) -> Result<Link, Error> {
    let incarnation = log.incarnation(lane).await?;
    let row =
        sqlx::query("SELECT incarnation, position, hash FROM public.checkpoints WHERE projection = $1 AND lane = $2")
            .bind(projection)
            .bind(lane.number())
            .fetch_optional(statement::bounded(log.pool()))
            .await
            .map_err(Error::lane("read a checkpoint", lane))?;
    let Some(row) = row else { return Ok(Link::start(lane, incarnation)) };
    let position = row.get::<i64, _>("position") as u64;
    let hash = row.get::<&[u8], _>("hash").try_into().map(Hash).map_err(|_| Error::Foreign { projection, lane })?;
    let link = Link { lane, incarnation: row.get("incarnation"), position, hash };
    // The seam: number *and* hash must be the log's. Then an older incarnation does no harm: it ended further on.
    log.found(&link).await?.ok_or(Error::Foreign { projection, lane })
}

/// The statement that moves a checkpoint, for [`Move`]; it changes one row, or none. Names its schema: a projector's
/// connections find the tables of their own generation only.
pub const MOVE: &str =
    "INSERT INTO public.checkpoints AS mine (projection, lane, incarnation, position, hash) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (projection, lane) DO UPDATE SET incarnation = $3, position = $4, hash = $5 WHERE mine.position = $6";

/// A checkpoint's move from one link to a later one.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    pub projection: &'static str,
    pub from: &'a Link,
    pub to: &'a Link,
}

impl<'a> Move<'a> {
    /// A statement that begins with [`MOVE`], with its six parameters bound.
    pub fn bind(&self, sql: &'a str) -> Query<'a, Postgres, PgArguments> {
        let (from, to) = (self.from, self.to);
        sqlx::query(sql)
            .bind(self.projection)
            .bind(to.lane.number())
            .bind(to.incarnation)
            .bind(to.position as i64)
            .bind(&to.hash.0[..])
            .bind(from.position as i64)
    }

    /// How many rows were changed says whether the checkpoint was where we thought.
    pub fn taken(&self, rows: u64) -> Result<(), Error> {
        let overtaken = Error::Overtaken { projection: self.projection, lane: self.to.lane };
        if rows == 1 { Ok(()) } else { Err(overtaken) }
    }
}

/// Moves the checkpoint from one link to a later one, in the caller's transaction.
pub async fn advance(
    connection: &mut PgConnection,
    projection: &'static str,
    from: &Link,
    to: &Link,
) -> Result<(), Error> {
    let step = Move { projection, from, to };
    let moved = step.bind(MOVE).execute(connection).await;
    step.taken(moved.map_err(Error::lane("move a checkpoint", to.lane))?.rows_affected())
}

/// Writes down that the next event belongs to another incarnation than the checkpoint's own.
pub async fn rename(log: &Log, projection: &'static str, at: &Link) -> Result<(), Error> {
    sqlx::query(
        "UPDATE public.checkpoints SET incarnation = $3
         WHERE projection = $1 AND lane = $2 AND position = $4 AND hash = $5 AND incarnation <> $3",
    )
    .bind(projection)
    .bind(at.lane.number())
    .bind(at.incarnation)
    .bind(at.position as i64)
    .bind(&at.hash.0[..])
    .execute(statement::bounded(log.pool()))
    .await
    .map(drop)
    .map_err(Error::lane("rename a checkpoint", at.lane))
}
