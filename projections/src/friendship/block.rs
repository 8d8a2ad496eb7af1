//! Whom somebody blocks. Nobody else is shown it.

use super::Query;
use crate::{
    Error, Page,
    account::card::{self, Viewer},
    page::Cursor,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, Timestamp};
use natter_streams::statement;
use sqlx::{PgPool, types::time::OffsetDateTime};
use std::collections::HashSet;
use uuid::Uuid;

/// Whom, since when; which state of their account is the newest; whether it was taken back.
type Row = (Uuid, OffsetDateTime, Option<i64>, Option<i64>, bool);

/// Whether one of two people blocks the other, in SQL. `one` and `other` are expressions that name no column of `block`
/// bare.
pub(crate) fn between(one: &str, other: &str) -> String {
    format!(
        "EXISTS (SELECT FROM block WHERE NOT block.ended AND ((block.account_id = {one} AND block.blocked_id = {other})
             OR (block.account_id = {other} AND block.blocked_id = {one})))"
    )
}

/// The pairs among these people of whom one blocks the other, both ways round.
pub(crate) async fn among(pool: &PgPool, people: &[Uuid]) -> Result<HashSet<(AccountId, AccountId)>, Error> {
    if people.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT account_id, blocked_id FROM block
         WHERE account_id = ANY($1) AND blocked_id = ANY($1) AND NOT ended",
    )
    .bind(people)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read who blocks whom"))?;
    let pairs = rows.into_iter().map(|(one, other)| (AccountId(one), AccountId(other)));
    Ok(pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect())
}

impl Query<'_> {
    /// Those that the viewer blocks, the newest first.
    pub async fn blocks(&self, viewer: AccountId, page: &Page) -> Result<wire::PageOf<wire::Block>, Error> {
        let (time, id) = page.after()?;
        let sql = format!(
            "SELECT blocked_id, since, {}, ended FROM (
                 SELECT blocked_id, since, ended FROM block
                 WHERE account_id = $1 AND NOT ended AND ($2::timestamptz IS NULL OR (since, blocked_id) < ($2, $3::uuid))
                 ORDER BY since DESC, blocked_id DESC LIMIT $4) AS page
             LEFT JOIN account ON account.account_id = blocked_id AND registered_at IS NOT NULL
             ORDER BY since DESC, blocked_id DESC",
            card::STATE
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list blocks"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.1.into(), id: row.0 });
        Ok(wire::PageOf { items: self.blocks_shown(rows).await?, next_cursor })
    }

    /// One of them.
    pub async fn block(&self, viewer: AccountId, blocked: AccountId) -> Result<Option<wire::Block>, Error> {
        let sql = format!(
            "SELECT blocked_id, since, {}, ended FROM block
             LEFT JOIN account ON account.account_id = blocked_id AND registered_at IS NOT NULL
             WHERE block.account_id = $1 AND blocked_id = $2 AND NOT ended",
            card::STATE
        );
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(blocked.0)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read a block"))?;
        Ok(self.blocks_shown(rows).await?.pop())
    }

    /// The viewer's blocks that changed, or whose account did, and those who are blocked no more.
    pub(crate) async fn blocks_changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::Block>, Vec<Uuid>, Option<After>), Error> {
        let sql = format!(
            "SELECT blocked_id, since, {}, ended FROM block
             LEFT JOIN account ON account.account_id = blocked_id AND registered_at IS NOT NULL
             WHERE block.account_id = $1 AND blocked_id > $3 AND NOT (ended AND $5)
               AND (block.changed > ($2::bigint[])[block.lane + 1]
                    OR (NOT ended AND account.changed > ($2::bigint[])[account.lane + 1]))
             ORDER BY blocked_id LIMIT $4",
            card::STATE
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(since.viewer.0)
            .bind(since.positions())
            .bind(since.after.id)
            .bind(since.rows())
            .bind(since.told.is_nothing())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read which blocks changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.0, number: 0 });
        let (ended, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.4);
        Ok((self.blocks_shown(rows).await?, ended.into_iter().map(|row| row.0).collect(), rest))
    }

    async fn blocks_shown(&self, rows: Vec<Row>) -> Result<Vec<wire::Block>, Error> {
        let wanted = rows.iter().map(|row| (AccountId(row.0), card::state(row.2, row.3)));
        let mut cards = card::shown(self.0, wanted).await?;
        // As to everybody: a friend who is blocked stays one, but whether they are is not asked here.
        let block = |(id, since, ..): Row| wire::Block {
            account: cards
                .remove(&AccountId(id))
                .map_or_else(|| card::unknown(AccountId(id)), |card| card.to(Viewer::Stranger)),
            since: Timestamp::from(since).to_string(),
        };
        Ok(rows.into_iter().map(block).collect())
    }
}
