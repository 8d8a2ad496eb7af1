//! What a message said before, and who has reacted to it.

use super::{number, read::body};
use crate::{
    Error,
    message::{
        Reactor, Version, Votes,
        past::{Vote, stood},
    },
};
use natter_domain::{AccountId, ConversationId, Timestamp};
use natter_streams::statement;
use sqlx::{PgPool, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use uuid::Uuid;

pub(super) async fn versions(
    pool: &PgPool,
    conversation: ConversationId,
    seq: u64,
    (after, until): (u64, u64),
    limit: u32,
) -> Result<Vec<Version>, Error> {
    let rows = sqlx::query(
        "SELECT position, sent_at AS at, body FROM message
         WHERE conversation_id = $1 AND seq = $2 AND recalled_at IS NULL AND position > $3
         UNION ALL
         SELECT position, at, body FROM message_change
         WHERE conversation_id = $1 AND seq = $2 AND what = 'edited' AND position > $3 AND position <= $4
         ORDER BY position LIMIT $5",
    )
    .bind(conversation.0)
    .bind(number(seq))
    .bind(number(after))
    .bind(number(until))
    .bind(i64::from(limit))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read what a message said before"))?;
    let version = |row: &PgRow| Version { position: position(row), at: at(row), body: body(row, "body") };
    Ok(rows.iter().map(version).collect())
}

pub(super) async fn reactors(
    pool: &PgPool,
    conversation: ConversationId,
    seq: u64,
    votes: Votes<'_>,
) -> Result<Vec<Reactor>, Error> {
    if votes.as_of < u64::MAX {
        return Ok(stood(past(pool, conversation, seq, votes.as_of).await?, votes));
    }
    let rows = sqlx::query(
        "SELECT account_id, emoji, coalesce(at, to_timestamp(0)) AS at, position FROM reaction
         WHERE conversation_id = $1 AND seq = $2 AND position < $3 AND ($4::text IS NULL OR emoji = $4)
         ORDER BY position DESC LIMIT $5",
    )
    .bind(conversation.0)
    .bind(number(seq))
    .bind(number(votes.before))
    .bind(votes.emoji)
    .bind(i64::from(votes.limit))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read who has reacted"))?;
    let reactor =
        |row: &PgRow| Reactor { account: account(row), emoji: row.get("emoji"), at: at(row), position: position(row) };
    Ok(rows.iter().map(reactor).collect())
}

/// All that was put and taken back up to there, in its order.
async fn past(pool: &PgPool, conversation: ConversationId, seq: u64, as_of: u64) -> Result<Vec<Vote>, Error> {
    let rows = sqlx::query(
        "SELECT account_id, emoji, at, position, what = 'reacted' AS stands FROM message_change
         WHERE conversation_id = $1 AND seq = $2 AND what IN ('reacted', 'unreacted') AND position <= $3
         ORDER BY position",
    )
    .bind(conversation.0)
    .bind(number(seq))
    .bind(number(as_of))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read who had reacted"))?;
    let vote = |row: &PgRow| Vote {
        account: account(row),
        emoji: row.get("emoji"),
        at: at(row),
        position: position(row),
        stands: row.get("stands"),
    };
    Ok(rows.iter().map(vote).collect())
}

fn account(row: &PgRow) -> AccountId {
    AccountId(row.get::<Uuid, _>("account_id"))
}

fn at(row: &PgRow) -> Timestamp {
    row.get::<OffsetDateTime, _>("at").into()
}

fn position(row: &PgRow) -> u64 {
    row.get::<i64, _>("position") as u64
}
