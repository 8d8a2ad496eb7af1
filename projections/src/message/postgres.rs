//! History in PostgreSQL: the table `message`. The messages of a batch and the checkpoint are one statement: as a
//! transaction of four it took four round trips, which cost more than the rows.

use crate::{
    Error, Projection, Step,
    message::{HistoryStore, Message, Order, Span},
    sql,
};
use futures::{FutureExt, future::BoxFuture};
use natter_domain::{AccountId, ConversationId, MessageId, Sealed};
use natter_streams::{checkpoint::MOVE, statement};
use sqlx::{PgPool, Row as _, types::time::OffsetDateTime};
use std::{collections::HashMap, sync::LazyLock};
use uuid::Uuid;

pub struct PostgresHistory {
    reading: PgPool,
    writing: PgPool,
}

type Row = (Uuid, i64, Uuid, Uuid, String, OffsetDateTime, i64);

/// The rows are read through the move: where the checkpoint is elsewhere, there are none, and none is written.
static APPEND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH moved AS ({MOVE} RETURNING 1), written AS (
             INSERT INTO message (conversation_id, seq, message_id, sender, body, sent_at, position)
             SELECT row.* FROM moved, UNNEST($7::uuid[], $8::bigint[], $9::uuid[], $10::uuid[], $11::text[],
                                             $12::timestamptz[], $13::bigint[]) AS row
             ON CONFLICT (conversation_id, seq) DO NOTHING)
         SELECT count(*) FROM moved"
    )
});

const COLUMNS: &str = "message.conversation_id, seq, message_id, sender, body, sent_at, position";

impl PostgresHistory {
    /// Reads and writes through different connections, to the database that has the checkpoints.
    pub fn new(reading: PgPool, writing: PgPool) -> Self {
        Self { reading, writing }
    }

    async fn append(&self, messages: &[Message], step: &Step) -> Result<(), Error> {
        fn column<T>(messages: &[Message], field: impl Fn(&Message) -> T) -> Vec<T> {
            messages.iter().map(field).collect()
        }
        let step = step.of(Projection::History);
        let moved = step
            .bind(&APPEND)
            .bind(column(messages, |message| message.conversation_id.0))
            .bind(column(messages, |message| message.seq as i64))
            .bind(column(messages, |message| message.message_id.0))
            .bind(column(messages, |message| message.sender.0))
            .bind(column(messages, |message| message.body.as_ref().map_or_else(String::new, ToString::to_string)))
            .bind(column(messages, |message| OffsetDateTime::from(message.sent_at)))
            .bind(column(messages, |message| message.position as i64))
            .fetch_one(statement::bounded(&self.writing).for_at_most(sql::PATIENCE))
            .await
            .map_err(Error::database("write history"))?;
        Ok(step.taken(moved.get::<i64, _>(0) as u64)?)
    }

    /// Each span is cut to the limit before they are put together: a long span is not read to its end.
    async fn page(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        order: Order,
        limit: u32,
    ) -> Result<Vec<Message>, Error> {
        let direction = match order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let sql = format!(
            "SELECT part.* FROM UNNEST($2::bigint[], $3::bigint[]) AS span(after, until), LATERAL (
                 SELECT {COLUMNS} FROM message
                 WHERE conversation_id = $1 AND seq > span.after AND seq <= span.until
                 ORDER BY seq {direction} LIMIT $4) AS part
             ORDER BY part.seq {direction} LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(conversation.0)
            .bind(bounds(spans, |span| span.after))
            .bind(bounds(spans, |span| span.until))
            .bind(i64::from(limit))
            .fetch_all(statement::bounded(&self.reading))
            .await
            .map_err(Error::database("read a page of messages"))?;
        Ok(rows.into_iter().map(message).collect())
    }

    async fn one(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Message>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM message WHERE conversation_id = $1 AND message_id = $2");
        let row: Option<Row> = sqlx::query_as(&sql)
            .bind(conversation.0)
            .bind(id.0)
            .fetch_optional(statement::bounded(&self.reading))
            .await
            .map_err(Error::database("read a message"))?;
        Ok(row.map(message))
    }

    async fn unread(
        &self,
        viewer: AccountId,
        spans: &[(ConversationId, Span)],
    ) -> Result<HashMap<ConversationId, u64>, Error> {
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT span.conversation_id, (
                 SELECT count(*) FROM message WHERE message.conversation_id = span.conversation_id
                 AND seq > span.after AND seq <= span.until AND sender <> $4)
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS span(conversation_id, after, until)",
        )
        .bind(conversations(spans))
        .bind(bounds(spans, |(_, span)| span.after))
        .bind(bounds(spans, |(_, span)| span.until))
        .bind(viewer.0)
        .fetch_all(statement::bounded(&self.reading))
        .await
        .map_err(Error::database("count unread messages"))?;
        let mut unread = HashMap::new();
        for (conversation, count) in rows {
            *unread.entry(ConversationId(conversation)).or_default() += count as u64;
        }
        Ok(unread)
    }

    async fn last(&self, spans: &[(ConversationId, Span)]) -> Result<HashMap<ConversationId, Message>, Error> {
        let sql = format!(
            "SELECT part.* FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS span(conversation_id, after, until),
                 LATERAL (SELECT {COLUMNS} FROM message WHERE message.conversation_id = span.conversation_id
                          AND seq > span.after AND seq <= span.until ORDER BY seq DESC LIMIT 1) AS part
             ORDER BY part.seq"
        );
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(conversations(spans))
            .bind(bounds(spans, |(_, span)| span.after))
            .bind(bounds(spans, |(_, span)| span.until))
            .fetch_all(statement::bounded(&self.reading))
            .await
            .map_err(Error::database("read the newest messages"))?;
        // Of a conversation with several spans the last one stays, which has the highest seq.
        Ok(rows.into_iter().map(|row| (ConversationId(row.0), message(row))).collect())
    }
}

impl HistoryStore for PostgresHistory {
    fn append<'a>(&'a self, messages: &'a [Message], step: &'a Step) -> BoxFuture<'a, Result<(), Error>> {
        self.append(messages, step).boxed()
    }

    fn page<'a>(
        &'a self,
        conversation: ConversationId,
        spans: &'a [Span],
        order: Order,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Message>, Error>> {
        self.page(conversation, spans, order, limit).boxed()
    }

    fn one(&self, conversation: ConversationId, message: MessageId) -> BoxFuture<'_, Result<Option<Message>, Error>> {
        self.one(conversation, message).boxed()
    }

    fn unread<'a>(
        &'a self,
        viewer: AccountId,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, u64>, Error>> {
        self.unread(viewer, spans).boxed()
    }

    fn last<'a>(
        &'a self,
        spans: &'a [(ConversationId, Span)],
    ) -> BoxFuture<'a, Result<HashMap<ConversationId, Message>, Error>> {
        self.last(spans).boxed()
    }
}

fn message((conversation, seq, id, sender, body, sent_at, position): Row) -> Message {
    Message {
        conversation_id: ConversationId(conversation),
        seq: seq as u64,
        message_id: MessageId(id),
        sender: AccountId(sender),
        body: Sealed::parse(&body),
        sent_at: sent_at.into(),
        position: position as u64,
    }
}

fn conversations(spans: &[(ConversationId, Span)]) -> Vec<Uuid> {
    spans.iter().map(|(conversation, _)| conversation.0).collect()
}

/// PostgreSQL has no unsigned numbers; no seq comes near.
fn bounds<T>(spans: &[T], bound: impl Fn(&T) -> u64) -> Vec<i64> {
    spans.iter().map(|span| i64::try_from(bound(span)).unwrap_or(i64::MAX)).collect()
}
