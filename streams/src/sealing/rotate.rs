//! Another master key takes the place of one: first it becomes the current one, so that from then on nothing more is
//! wrapped with the old one; then every key is wrapped anew, in pages, while nodes go on. Interrupted, the same goes on.

use super::{MasterId, Masters, Name, master::Master, table};
use crate::{Error, statement};
use sqlx::{Connection, PgPool, Row};
use std::sync::Arc;
use uuid::Uuid;

/// Rows of a page.
const PAGE: i64 = 500;

/// What a rotation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// Keys that are wrapped with another master key than before.
    pub wrapped: u64,
    /// Master keys that wrap nothing any more.
    pub retired: u64,
}

/// Keys by the master key that wraps them; without one: destroyed.
pub struct Wrapped {
    pub master: Option<MasterId>,
    pub is_current: bool,
    pub accounts: i64,
    /// Of conversations and months.
    pub conversations: i64,
}

/// Wraps all keys with the newest of the master keys at hand.
pub async fn rotate(pool: &PgPool, masters: &Masters) -> Result<Rotated, Error> {
    for id in table::masters_in_use(pool).await? {
        masters.get(&id)?;
    }
    let newest = masters.newest().ok_or_else(|| Error::Unfit("there is no master key".to_owned()))?;
    make_current(pool, &newest.id).await?;
    crate::fault::reach("sealing.after_switch").await;
    let (mut behind, mut wrapped) = (Name { owner: Uuid::nil(), term: 0 }, 0);
    while let Some(page) = page(pool, &newest.id, behind).await? {
        behind = page.last;
        wrapped += wrap(pool, masters, &newest, &page).await?;
        crate::fault::reach("sealing.after_page").await;
    }
    Ok(Rotated { wrapped, retired: retire(pool).await? })
}

/// Waits for whoever stores a key that is wrapped with the one before.
async fn make_current(pool: &PgPool, id: &MasterId) -> Result<(), Error> {
    let failed = || Error::database("make another master key the current one");
    let moved = async {
        let mut connection = statement::lend(pool).await.map_err(failed())?;
        let mut transaction = connection.begin().await.map_err(failed())?;
        sqlx::query("UPDATE master_key SET state = 'retiring' WHERE state = 'current' AND id <> $1")
            .bind(&id.0)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        sqlx::query(
            "INSERT INTO master_key AS old (id, state) VALUES ($1, 'current')
             ON CONFLICT (id) DO UPDATE SET state = 'current', since = now() WHERE old.state <> 'current'",
        )
        .bind(&id.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        connection.give_back();
        Ok(())
    };
    statement::within(statement::ANSWER_TIMEOUT, failed(), moved).await
}

struct Page {
    rows: Vec<(Name, Vec<u8>, MasterId)>,
    last: Name,
}

/// Those behind that are wrapped with another one; `None`: there are no more.
async fn page(pool: &PgPool, newest: &MasterId, behind: Name) -> Result<Option<Page>, Error> {
    let rows = sqlx::query(
        "SELECT owner, term, wrapped, master FROM sealing_key
         WHERE (owner, term) >= ($1, $2) AND wrapped IS NOT NULL AND master <> $3 ORDER BY owner, term LIMIT $4",
    )
    .bind(behind.owner)
    .bind(i32::from(behind.term))
    .bind(&newest.0)
    .bind(PAGE)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read keys that are to be wrapped anew"))?;
    let rows: Vec<_> =
        rows.iter().map(|row| (table::name(row), row.get("wrapped"), MasterId(row.get("master")))).collect();
    Ok(rows.last().map(|(last, ..)| *last).map(|last| Page { rows, last }))
}

/// One that was destroyed meanwhile stays so: what is written takes the place of exactly what was read.
async fn wrap(pool: &PgPool, masters: &Masters, newest: &Arc<Master>, page: &Page) -> Result<u64, Error> {
    let mut anew: Vec<Vec<u8>> = Vec::new();
    for (name, wrapped, master) in &page.rows {
        let key = masters.get(master)?.unwrap(*name, wrapped).ok_or(Error::KeyLost { owner: name.owner })?;
        anew.push(newest.wrap(*name, &key));
    }
    let done = sqlx::query(
        "UPDATE sealing_key AS old SET wrapped = anew.wrapped, master = $5
         FROM UNNEST($1::uuid[], $2::integer[], $3::bytea[], $4::bytea[]) AS anew(owner, term, before, wrapped)
         WHERE (old.owner, old.term, old.wrapped) = (anew.owner, anew.term, anew.before)",
    )
    .bind(page.rows.iter().map(|(name, ..)| name.owner).collect::<Vec<_>>())
    .bind(page.rows.iter().map(|(name, ..)| i32::from(name.term)).collect::<Vec<_>>())
    .bind(page.rows.iter().map(|(_, wrapped, _)| &wrapped[..]).collect::<Vec<_>>())
    .bind(anew)
    .bind(&newest.id.0)
    .execute(statement::bounded(pool))
    .await
    .map_err(Error::database("wrap keys anew"))?;
    Ok(done.rows_affected())
}

/// Those that wrap nothing any more. Nothing can have been wrapped with one of them since it was not the current one.
async fn retire(pool: &PgPool) -> Result<u64, Error> {
    let done = sqlx::query(
        "UPDATE master_key SET state = 'retired', since = now()
         WHERE state = 'retiring' AND NOT EXISTS (SELECT FROM sealing_key WHERE master = master_key.id)",
    )
    .execute(statement::bounded(pool))
    .await
    .map_err(Error::database("retire master keys"))?;
    Ok(done.rows_affected())
}

/// What is wrapped with what.
pub async fn wrapped(pool: &PgPool) -> Result<Vec<Wrapped>, Error> {
    type Counted = (Option<Vec<u8>>, bool, i64, i64);
    let rows: Vec<Counted> = sqlx::query_as(
        "SELECT master, coalesce(master = (SELECT id FROM master_key WHERE state = 'current'), false),
                count(*) FILTER (WHERE term = 0), count(*) FILTER (WHERE term > 0)
         FROM sealing_key GROUP BY master ORDER BY 2 DESC, 1",
    )
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("count sealing keys"))?;
    let counted = |(master, is_current, accounts, conversations): Counted| Wrapped {
        master: master.map(MasterId),
        is_current,
        accounts,
        conversations,
    };
    Ok(rows.into_iter().map(counted).collect())
}
