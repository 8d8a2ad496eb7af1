//! The tables `sealing_key` and `master_key`, on the first server.

use super::{MasterId, Name};
use crate::{Error, statement};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

/// A row.
pub(super) enum Stored {
    Wrapped { wrapped: Vec<u8>, master: MasterId },
    Destroyed,
}

fn owners(names: &[Name]) -> Vec<Uuid> {
    names.iter().map(|name| name.owner).collect()
}

fn terms(names: &[Name]) -> Vec<i32> {
    names.iter().map(|name| i32::from(name.term)).collect()
}

pub(super) fn name(row: &PgRow) -> Name {
    Name { owner: row.get("owner"), term: row.get::<i32, _>("term") as u16 }
}

fn stored(row: &PgRow) -> Stored {
    match (row.get::<Option<Vec<u8>>, _>("wrapped"), row.get::<Option<Vec<u8>>, _>("master")) {
        (Some(wrapped), Some(master)) => Stored::Wrapped { wrapped, master: MasterId(master) },
        _ => Stored::Destroyed,
    }
}

/// Those that there are.
pub(super) async fn read(pool: &PgPool, names: &[Name]) -> Result<HashMap<Name, Stored>, Error> {
    let rows = sqlx::query(
        "SELECT owner, term, wrapped, master FROM UNNEST($1::uuid[], $2::integer[]) AS wanted(owner, term)
             JOIN sealing_key USING (owner, term)",
    )
    .bind(owners(names))
    .bind(terms(names))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read sealing keys"))?;
    Ok(rows.iter().map(|row| (name(row), stored(row))).collect())
}

/// Stores those of them that nobody has stored before, durably, provided that this is the master key by which keys are to
/// be wrapped: whoever makes another one so waits for this statement, or this one finds out.
pub(super) async fn insert(pool: &PgPool, made: &[(Name, Vec<u8>)], master: &MasterId) -> Result<u64, Error> {
    let names: Vec<Name> = made.iter().map(|(name, _)| *name).collect();
    let done = sqlx::query(
        "WITH master AS (SELECT id FROM master_key WHERE id = $1 AND state = 'current' FOR SHARE)
         INSERT INTO sealing_key (owner, term, wrapped, master)
         SELECT owner, term, wrapped, id FROM master, UNNEST($2::uuid[], $3::integer[], $4::bytea[]) AS made(owner, term, wrapped)
         ORDER BY owner, term ON CONFLICT DO NOTHING",
    )
    .bind(&master.0)
    .bind(owners(&names))
    .bind(terms(&names))
    .bind(made.iter().map(|(_, wrapped)| &wrapped[..]).collect::<Vec<_>>())
    .execute(statement::bounded(pool))
    .await
    .map_err(Error::database("store sealing keys"))?;
    Ok(done.rows_affected())
}

/// The rows stay, also of keys that never were: none is made in their place. How many were there to be destroyed.
pub(super) async fn destroy(pool: &PgPool, names: &[Name]) -> Result<u64, Error> {
    let were_there: Vec<bool> = sqlx::query_scalar(
        "INSERT INTO sealing_key AS old (owner, term, destroyed_at)
         SELECT DISTINCT owner, term, now() FROM UNNEST($1::uuid[], $2::integer[]) AS gone(owner, term) ORDER BY owner, term
         ON CONFLICT (owner, term) DO UPDATE SET wrapped = NULL, master = NULL, destroyed_at = now()
         WHERE old.wrapped IS NOT NULL
         RETURNING made_at <> destroyed_at",
    )
    .bind(owners(names))
    .bind(terms(names))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("destroy sealing keys"))?;
    Ok(were_there.into_iter().filter(|was_there| *was_there).count() as u64)
}

/// Makes this the first master key, where there was none.
pub(super) async fn begin(pool: &PgPool, master: &MasterId) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO master_key (id, state) SELECT $1, 'current' WHERE NOT EXISTS (SELECT FROM master_key)
         ON CONFLICT DO NOTHING",
    )
    .bind(&master.0)
    .execute(statement::bounded(pool))
    .await
    .map_err(Error::database("write which master key is the first"))?;
    Ok(())
}

/// Those that wrap anything, the current one first.
pub(super) async fn masters_in_use(pool: &PgPool) -> Result<Vec<MasterId>, Error> {
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM master_key WHERE state <> 'retired' ORDER BY state = 'current' DESC, id")
            .fetch_all(statement::bounded(pool))
            .await
            .map_err(Error::database("read which master keys are in use"))?;
    Ok(ids.into_iter().map(MasterId).collect())
}

/// The one by which keys are to be wrapped.
pub(super) async fn current_master(pool: &PgPool) -> Result<Option<MasterId>, Error> {
    let id: Option<Vec<u8>> = sqlx::query_scalar("SELECT id FROM master_key WHERE state = 'current'")
        .fetch_optional(statement::bounded(pool))
        .await
        .map_err(Error::database("read which master key is current"))?;
    Ok(id.map(MasterId))
}
