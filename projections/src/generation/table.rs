//! The rows of `projection_generation`.

use super::{Generation, Store};
use crate::{Error, Projection};
use natter_domain::Timestamp;
use natter_streams::{Lane, statement};
use sqlx::{Connection, PgConnection, PgExecutor, PgPool, Row, postgres::PgRow, types::time::OffsetDateTime};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// A shadow: only an operator's command brings it further.
    Building,
    /// Is read, and kept up to date by whoever runs projections.
    Live,
    /// Was live, stands where it was left.
    Kept,
    /// Nobody may begin to read it any more.
    Dropping,
    Dropped,
}

impl State {
    const ALL: [Self; 5] = [Self::Building, Self::Live, Self::Kept, Self::Dropping, Self::Dropped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Kept => "kept",
            Self::Dropping => "dropping",
            Self::Dropped => "dropped",
        }
    }
}

/// One generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub projection: Projection,
    pub generation: Generation,
    pub store: String,
    pub state: State,
    pub created_at: Timestamp,
    pub compared_at: Option<Timestamp>,
    pub live_at: Option<Timestamp>,
}

impl Entry {
    /// Its name in checkpoints.
    pub fn reader(&self) -> &'static str {
        super::reader(self.projection, self.generation)
    }

    pub(crate) fn store(&self) -> Result<Store, Error> {
        let unknown = || Error::Generation(format!("{} is in a store {} that is not known", self.reader(), self.store));
        Store::parse(&self.store).ok_or_else(unknown)
    }

    /// Where its rows are, as far as they are in PostgreSQL.
    pub(crate) fn schema(&self) -> String {
        schema(self.projection, self.generation)
    }
}

pub(crate) fn schema(projection: Projection, generation: Generation) -> String {
    if generation == Generation::FIRST {
        return "public".to_owned();
    }
    format!("{}_{generation}", projection.as_str())
}

/// All that there are and were.
pub async fn list(database: impl PgExecutor<'_>) -> Result<Vec<Entry>, Error> {
    let rows = sqlx::query("SELECT * FROM public.projection_generation ORDER BY projection DESC, generation")
        .fetch_all(database)
        .await
        .map_err(Error::database("read the generations of projections"))?;
    Ok(rows.iter().filter_map(entry).collect())
}

/// The one that is read.
pub(crate) async fn live(database: impl PgExecutor<'_>, projection: Projection) -> Result<Entry, Error> {
    let live =
        list(database).await?.into_iter().find(|entry| entry.projection == projection && entry.state == State::Live);
    live.ok_or_else(|| Error::Generation(format!("{} has no live generation", projection.as_str())))
}

/// A row of a projection or in a state that this binary does not know is none of its business.
fn entry(row: &PgRow) -> Option<Entry> {
    let time = |column| row.get::<Option<OffsetDateTime>, _>(column).map(Timestamp::from);
    let state = row.get::<&str, _>("state");
    Some(Entry {
        projection: Projection::parse(row.get("projection"))?,
        generation: Generation::new(row.get::<i32, _>("generation") as u32),
        store: row.get("store"),
        state: State::ALL.into_iter().find(|known| known.as_str() == state)?,
        created_at: row.get::<OffsetDateTime, _>("created_at").into(),
        compared_at: time("compared_at"),
        live_at: time("live_at"),
    })
}

/// An installation that has read no event yet keeps messages where it is told to from the start. Later they stay where
/// they are until an operator moves them.
pub(crate) async fn begin_in(pool: &PgPool, store: Store) -> Result<(), Error> {
    let failed = || Error::database("choose where message history begins");
    let mut transaction = pool.begin().await.map_err(failed())?;
    // Nodes that start at once come here one after the other.
    let begun: Option<bool> = sqlx::query_scalar(
        "SELECT store = $1 OR EXISTS (SELECT FROM public.checkpoints WHERE projection LIKE 'history%' AND position > 0)
             OR EXISTS (SELECT FROM public.events)
         FROM public.projection_generation WHERE projection = 'history' AND state = 'live' FOR UPDATE",
    )
    .bind(store.as_str())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed())?;
    // None: whoever came before has chosen while we waited.
    if begun.unwrap_or(true) {
        return Ok(());
    }
    let first = live(&mut *transaction, Projection::History).await?;
    create(&mut transaction, Projection::History, store).await?;
    set_state(&mut transaction, &first, &[State::Live], State::Kept).await?;
    sqlx::query(
        "UPDATE public.projection_generation SET state = 'live', live_at = now()
         WHERE projection = 'history' AND state = 'building'",
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed())?;
    act(&mut *transaction, "begin", Projection::History.as_str(), store.as_str()).await?;
    transaction.commit().await.map_err(failed())
}

/// Makes the next generation's row and, in PostgreSQL, its tables, as the first one's are. In the caller's transaction.
pub(super) async fn create(connection: &mut PgConnection, projection: Projection, store: Store) -> Result<(), Error> {
    let failed = || Error::database("make a generation");
    let number: i32 = sqlx::query_scalar(
        "INSERT INTO public.projection_generation (projection, generation, store, state)
         SELECT $1, max(generation) + 1, $2, 'building' FROM public.projection_generation WHERE projection = $1
         RETURNING generation",
    )
    .bind(projection.as_str())
    .bind(store.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(failed())?;
    let schema = schema(projection, Generation::new(number as u32));
    let mut statements = vec![format!("CREATE SCHEMA {schema}")];
    for table in projection.tables() {
        let name = table.name;
        statements.push(format!("CREATE TABLE {schema}.{name} (LIKE public.{name} INCLUDING ALL)"));
        statements.extend(storage(connection, &schema, name).await?);
    }
    for statement in statements {
        sqlx::query(&statement).execute(&mut *connection).await.map_err(failed())?;
    }
    Ok(())
}

/// `LIKE` leaves out how full pages are made.
async fn storage(connection: &mut PgConnection, schema: &str, table: &str) -> Result<Option<String>, Error> {
    let options: Option<String> =
        sqlx::query_scalar("SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = $1::regclass")
            .bind(format!("public.{table}"))
            .fetch_one(connection)
            .await
            .map_err(Error::database("read how a table is stored"))?;
    Ok(options
        .filter(|options| !options.is_empty())
        .map(|options| format!("ALTER TABLE {schema}.{table} SET ({options})")))
}

/// One row's change of state; refused where it is in none of the states `from`.
pub(super) async fn set_state(
    connection: &mut PgConnection,
    entry: &Entry,
    from: &[State],
    to: State,
) -> Result<(), Error> {
    let changed = sqlx::query(
        "UPDATE public.projection_generation SET state = $3, live_at = CASE WHEN $3 = 'live' THEN now() ELSE live_at END
         WHERE projection = $1 AND generation = $2 AND state = ANY($4)",
    )
    .bind(entry.projection.as_str())
    .bind(entry.generation.number() as i32)
    .bind(to.as_str())
    .bind(from.iter().map(|state| state.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(Error::database("change the state of a generation"))?;
    if changed.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::Generation(format!("{} is not {} any more", entry.reader(), entry.state.as_str())))
}

/// It was found to be the same as the live one, or not.
pub(super) async fn set_compared(database: impl PgExecutor<'_>, entry: &Entry, same: bool) -> Result<(), Error> {
    sqlx::query(
        "UPDATE public.projection_generation SET compared_at = CASE WHEN $3 THEN now() END
         WHERE projection = $1 AND generation = $2",
    )
    .bind(entry.projection.as_str())
    .bind(entry.generation.number() as i32)
    .bind(same)
    .execute(database)
    .await
    .map(drop)
    .map_err(Error::database("note what a comparison found"))
}

/// Written in the transaction of what it tells of.
pub(super) async fn act(database: impl PgExecutor<'_>, action: &str, subject: &str, detail: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO public.operator_action (action, subject, detail) VALUES ($1, $2, $3)")
        .bind(action)
        .bind(subject)
        .bind(detail)
        .execute(database)
        .await
        .map(drop)
        .map_err(Error::database("note what an operator did"))
}

/// What ends that an event waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It was applied.
    Retry,
    /// It never will be, and what builds on it finds nothing.
    Skip,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Skip => "skip",
        }
    }
}

/// Takes out an event that was set aside, and writes down what ended it. Holding the checkpoint's row: a projector sets
/// nothing behind it meanwhile.
pub(super) async fn take_out(
    pool: &PgPool,
    reader: &'static str,
    lane: Lane,
    position: u64,
    end: End,
) -> Result<(), Error> {
    let failed = || Error::database("take out what was set aside");
    let mut connection = statement::lend(pool).await.map_err(failed())?;
    let mut transaction = connection.begin().await.map_err(failed())?;
    sqlx::query("SELECT FROM public.checkpoints WHERE projection = $1 AND lane = $2 FOR UPDATE")
        .bind(reader)
        .bind(lane.number())
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    sqlx::query(
        "WITH taken AS (
             DELETE FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND position = $3 RETURNING *)
         INSERT INTO public.projection_skipped
             (projection, lane, position, aggregate_id, event_id, event, reason, key)
         SELECT projection, lane, position, aggregate_id, event_id, event, reason, key FROM taken WHERE $4
         ON CONFLICT DO NOTHING",
    )
    .bind(reader)
    .bind(lane.number())
    .bind(position as i64)
    .bind(end == End::Skip)
    .execute(&mut *transaction)
    .await
    .map_err(failed())?;
    act(&mut *transaction, end.as_str(), reader, &format!("lane {lane} position {position}")).await?;
    transaction.commit().await.map_err(failed())?;
    connection.give_back();
    Ok(())
}

pub(super) async fn fails_again(
    pool: &PgPool,
    reader: &'static str,
    lane: Lane,
    position: u64,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE public.projection_failures SET state = 'failed', reason = $4, at = now()
         WHERE projection = $1 AND lane = $2 AND position = $3",
    )
    .bind(reader)
    .bind(lane.number())
    .bind(position as i64)
    .bind(reason)
    .execute(statement::bounded(pool))
    .await
    .map(drop)
    .map_err(Error::database("write down that an event failed again"))
}

/// Which of the things that operators did was the last event of this reader that was applied behind later ones.
pub(super) async fn last_retry(database: impl PgExecutor<'_>, reader: &'static str) -> Result<i64, Error> {
    sqlx::query_scalar(
        "SELECT coalesce(max(id), 0) FROM public.operator_action WHERE subject = $1 AND action IN ('retry', 'skip')",
    )
    .bind(reader)
    .fetch_one(database)
    .await
    .map_err(Error::database("look what was applied later"))
}
