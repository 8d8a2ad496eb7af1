//! The table `outbox`, on the first PostgreSQL server. Waits for the disk, unlike views: nobody would send again what
//! a crash took.

use crate::{
    error::Error,
    letter::{Channel, Content, Letter},
};
use natter_domain::Sealed;
use natter_streams::{clock, id, keyring::Keyring, statement};
use sqlx::{PgPool, Row, types::time::OffsetDateTime};
use std::time::Duration;
use uuid::Uuid;

/// A row that a worker has taken.
pub(crate) struct Taken {
    pub id: Uuid,
    pub channel: Channel,
    /// This one among them.
    pub tries: i16,
    content: String,
}

/// What is in a row.
pub(crate) enum Opened {
    Letter(Letter),
    /// Nobody is to get it.
    Void,
    /// Sealed with another key, or damaged.
    Unreadable,
}

impl Taken {
    pub fn open(&self, keyring: &Keyring) -> Opened {
        let sealed = Sealed::parse(&self.content);
        let plain = sealed.and_then(|sealed| keyring.open(self.id, &sealed));
        match plain.and_then(|plain| serde_json::from_slice(&plain).ok()) {
            Some(Content { void: true, .. }) => Opened::Void,
            Some(Content { letter, .. }) => Opened::Letter(letter),
            None => Opened::Unreadable,
        }
    }
}

pub(crate) async fn insert(
    pool: &PgPool,
    keyring: &Keyring,
    content: &Content,
    for_at_most: Duration,
) -> Result<(), Error> {
    let id = id::new();
    let plain = serde_json::to_vec(content).map_err(Error::Encode)?;
    sqlx::query("INSERT INTO outbox (id, channel, content, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(content.letter.channel.as_str())
        .bind(keyring.seal(id, &plain).to_string())
        .bind(OffsetDateTime::from(clock::now() + for_at_most))
        .execute(statement::bounded(pool))
        .await
        .map_err(Error::database("put a letter into the outbox"))?;
    Ok(())
}

/// Takes one that is due, of one channel, for `hold`: nobody else gets it meanwhile, and should we not come back, somebody
/// does then. What nobody wants any more is left to [`expire`].
pub(crate) async fn take(pool: &PgPool, channel: Channel, hold: Duration) -> Result<Option<Taken>, Error> {
    let row = sqlx::query(
        "UPDATE outbox SET tries = tries + 1, due_at = now() + $2 * interval '1 second'
         WHERE id = (SELECT id FROM outbox
                     WHERE channel = $1 AND dead_at IS NULL AND due_at <= now() AND expires_at > now()
                     ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, tries, content",
    )
    .bind(channel.as_str())
    .bind(hold.as_secs_f64())
    .fetch_optional(statement::bounded(pool))
    .await
    .map_err(Error::database("take a letter from the outbox"))?;
    Ok(row.map(|row| Taken { id: row.get("id"), channel, tries: row.get("tries"), content: row.get("content") }))
}

/// It was handed over.
pub(crate) async fn done(pool: &PgPool, id: Uuid) -> Result<(), Error> {
    run(pool, sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id), "remove a letter that was sent").await
}

pub(crate) async fn later(pool: &PgPool, id: Uuid, wait: Duration, why: &str) -> Result<(), Error> {
    let sql = "UPDATE outbox SET due_at = now() + $2 * interval '1 second', why = $3 WHERE id = $1";
    let query = sqlx::query(sql).bind(id).bind(wait.as_secs_f64()).bind(why);
    run(pool, query, "put off a letter").await
}

/// Given up. It stays for a while, for whoever looks why.
pub(crate) async fn dead(pool: &PgPool, id: Uuid, why: &str) -> Result<(), Error> {
    let query = sqlx::query("UPDATE outbox SET dead_at = now(), why = $2 WHERE id = $1").bind(id).bind(why);
    run(pool, query, "give up a letter").await
}

/// Gives up what nobody wants any more; answers with the channel of each. What keeps a reason keeps it.
pub(crate) async fn expire(pool: &PgPool) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "UPDATE outbox SET dead_at = now(), why = coalesce(why, 'expired')
         WHERE dead_at IS NULL AND expires_at <= now() AND due_at <= now() RETURNING channel",
    )
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("give up letters whose time is over"))
}

/// Forgets what was given up so long ago.
pub(crate) async fn forget(pool: &PgPool, kept: Duration) -> Result<(), Error> {
    let query =
        sqlx::query("DELETE FROM outbox WHERE dead_at < now() - $1 * interval '1 second'").bind(kept.as_secs_f64());
    run(pool, query, "forget dead letters").await
}

/// How many wait, and for how many seconds the oldest has.
pub(crate) async fn waiting(pool: &PgPool) -> Result<(i64, f64), Error> {
    sqlx::query_as(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
         FROM outbox WHERE dead_at IS NULL",
    )
    .fetch_one(statement::bounded(pool))
    .await
    .map_err(Error::database("count the outbox"))
}

async fn run(
    pool: &PgPool,
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    what: &'static str,
) -> Result<(), Error> {
    query.execute(statement::bounded(pool)).await.map(drop).map_err(Error::database(what))
}
