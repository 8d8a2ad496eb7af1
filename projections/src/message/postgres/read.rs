//! Reading. Messages come as they are now, from one table. Only those that changed behind the position at which they are
//! to be seen are folded from their changes: whoever left long ago is a rare reader.

use super::number;
use crate::{
    Error,
    message::{Body, Change, Message, Order, Span, Tally, What},
};
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation::Details};
use natter_streams::statement;
use sqlx::{PgPool, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

pub(super) const COLUMNS: &str =
    "message.conversation_id, message.seq, message_id, sender, body, edited_body, sent_at, edited_at,
    recalled_at, recalled_by, pinned_at, expires_at, details, reactions::text, position, coalesce(changed, position) AS changed";

/// The spans are looked through in the order of the page, hardly further than to its last message. The planner knows that a
/// function WITH ORDINALITY comes in the order of its number, and a nested loop keeps that: so it sorts a few spans at a time
/// (an incremental sort, in custom plans as in generic ones) and stops at the limit. Should it sort all, the page is the same.
pub(super) async fn page(
    pool: &PgPool,
    conversation: ConversationId,
    spans: &[Span],
    order: Order,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let (direction, spans): (_, Vec<Span>) = match order {
        Order::NewestFirst => ("DESC", spans.iter().rev().copied().collect()),
        Order::OldestFirst => ("ASC", spans.to_vec()),
    };
    let sql = format!(
        "SELECT part.* FROM UNNEST($2::bigint[], $3::bigint[], $5::bigint[])
                 WITH ORDINALITY AS span(after, until, as_of, place),
             LATERAL (SELECT {COLUMNS}, span.as_of FROM message
                      WHERE conversation_id = $1 AND seq > span.after AND seq <= span.until
                      ORDER BY seq {direction} LIMIT $4) AS part
         ORDER BY span.place, part.seq {direction} LIMIT $4"
    );
    let rows = sqlx::query(&sql)
        .bind(conversation.0)
        .bind(bounds(&spans, |span| span.after))
        .bind(bounds(&spans, |span| span.until))
        .bind(i64::from(limit))
        .bind(bounds(&spans, |span| span.as_of))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read a page of messages"))?;
    as_of(pool, rows.iter().map(Kept::of).collect()).await
}

pub(super) async fn by_ids(
    pool: &PgPool,
    conversation: ConversationId,
    ids: &[MessageId],
) -> Result<Vec<Message>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE conversation_id = $1 AND message_id = ANY($2)");
    let rows = sqlx::query(&sql)
        .bind(conversation.0)
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read messages by their ids"))?;
    Ok(rows.iter().map(message).collect())
}

/// Both counts stay in indexes. A system message has no sender, and what is null differs from nobody.
pub(super) async fn unread(
    pool: &PgPool,
    viewer: AccountId,
    spans: &[(ConversationId, Span)],
) -> Result<HashMap<ConversationId, u64>, Error> {
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT span.conversation_id, (
             SELECT count(*) FROM message WHERE message.conversation_id = span.conversation_id
             AND seq > span.after AND seq <= span.until AND sender <> $4) - (
             SELECT count(*) FROM message WHERE message.conversation_id = span.conversation_id
             AND seq > span.after AND seq <= span.until AND sender <> $4 AND recalled_at IS NOT NULL)
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS span(conversation_id, after, until)",
    )
    .bind(conversations(spans))
    .bind(bounds(spans, |(_, span)| span.after))
    .bind(bounds(spans, |(_, span)| span.until))
    .bind(viewer.0)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("count unread messages"))?;
    let mut unread = HashMap::new();
    for (conversation, count) in rows {
        *unread.entry(ConversationId(conversation)).or_default() += count as u64;
    }
    Ok(unread)
}

/// As [`unread`] counts: in indexes.
pub(super) async fn tally(
    pool: &PgPool,
    viewer: AccountId,
    conversation: ConversationId,
    spans: &[Span],
) -> Result<Tally, Error> {
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT every.messages, every.own, every.system, (
             SELECT count(*) FROM message WHERE conversation_id = $1 AND seq > span.after AND seq <= span.until
             AND sender <> $4 AND recalled_at IS NOT NULL)
         FROM UNNEST($2::bigint[], $3::bigint[]) AS span(after, until), LATERAL (
             SELECT count(*) AS messages, count(*) FILTER (WHERE sender = $4) AS own,
                    count(*) FILTER (WHERE sender IS NULL) AS system
             FROM message WHERE conversation_id = $1 AND seq > span.after AND seq <= span.until) AS every",
    )
    .bind(conversation.0)
    .bind(bounds(spans, |span| span.after))
    .bind(bounds(spans, |span| span.until))
    .bind(viewer.0)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("count messages by what they are"))?;
    let sum = |of: fn(&(i64, i64, i64, i64)) -> i64| rows.iter().map(|row| of(row) as u64).sum();
    Ok(Tally {
        messages: sum(|row| row.0),
        own: sum(|row| row.1),
        system: sum(|row| row.2),
        recalled: sum(|row| row.3),
    })
}

/// Of each conversation the newest in its spans: they are looked through from the newest on, up to the first that holds one.
/// Somebody who has deleted many single messages has as many of them.
pub(super) async fn last(
    pool: &PgPool,
    spans: &[(ConversationId, Span)],
) -> Result<HashMap<ConversationId, Message>, Error> {
    let sql = format!(
        "SELECT part.* FROM (
             SELECT conversation_id, array_agg(after ORDER BY until DESC) AS afters,
                    array_agg(until ORDER BY until DESC) AS untils, array_agg(as_of ORDER BY until DESC) AS as_ofs
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
                  AS span(conversation_id, after, until, as_of)
             GROUP BY conversation_id) AS one,
         LATERAL (SELECT found.* FROM UNNEST(one.afters, one.untils, one.as_ofs)
                      WITH ORDINALITY AS span(after, until, as_of, place),
                  LATERAL (SELECT {COLUMNS}, span.as_of FROM message
                           WHERE message.conversation_id = one.conversation_id
                                 AND seq > span.after AND seq <= span.until ORDER BY seq DESC LIMIT 1) AS found
                  ORDER BY span.place LIMIT 1) AS part"
    );
    let rows = sqlx::query(&sql)
        .bind(conversations(spans))
        .bind(bounds(spans, |(_, span)| span.after))
        .bind(bounds(spans, |(_, span)| span.until))
        .bind(bounds(spans, |(_, span)| span.as_of))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read the newest messages"))?;
    let messages = as_of(pool, rows.iter().map(Kept::of).collect()).await?;
    Ok(messages.into_iter().map(|message| (message.conversation_id, message)).collect())
}

pub(super) async fn changed(
    pool: &PgPool,
    conversation: ConversationId,
    after: u64,
    until: u64,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message WHERE conversation_id = $1 AND changed > position
             AND changed > $2 AND changed <= $3 ORDER BY message.changed LIMIT $4"
    );
    let rows = sqlx::query(&sql)
        .bind(conversation.0)
        .bind(number(after))
        .bind(number(until))
        .bind(i64::from(limit))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read what changed"))?;
    Ok(rows.iter().map(message).collect())
}

pub(super) async fn recalled(pool: &PgPool, conversation: ConversationId, seqs: &[u64]) -> Result<HashSet<u64>, Error> {
    let rows: Vec<i64> = sqlx::query_scalar(
        "SELECT seq FROM message WHERE conversation_id = $1 AND seq = ANY($2) AND recalled_at IS NOT NULL",
    )
    .bind(conversation.0)
    .bind(bounds(seqs, |seq| *seq))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read which messages were recalled"))?;
    Ok(rows.into_iter().map(|seq| seq as u64).collect())
}

pub(super) async fn mine(
    pool: &PgPool,
    viewer: AccountId,
    conversation: ConversationId,
    seqs: &[u64],
) -> Result<HashMap<u64, Vec<String>>, Error> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT seq, emoji FROM reaction WHERE conversation_id = $1 AND account_id = $2 AND seq = ANY($3)",
    )
    .bind(conversation.0)
    .bind(viewer.0)
    .bind(bounds(seqs, |seq| *seq))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read one's reactions"))?;
    let mut mine = HashMap::<u64, Vec<String>>::new();
    for (seq, emoji) in rows {
        mine.entry(seq as u64).or_default().push(emoji);
    }
    mine.values_mut().for_each(|emojis| emojis.sort_unstable());
    Ok(mine)
}

/// A message now, what it began with, and as of when it is to be seen.
struct Kept {
    now: Message,
    first: Option<Body>,
    as_of: u64,
}

impl Kept {
    fn of(row: &PgRow) -> Self {
        Self { now: message(row), first: body(row, "body"), as_of: row.get::<i64, _>("as_of") as u64 }
    }

    /// Of a recalled one nothing is left that it was before.
    fn has_changed_since(&self) -> bool {
        self.now.changed > self.as_of && self.now.recalled_at.is_none()
    }

    /// As it was sent.
    fn born(self) -> Message {
        let changed = self.now.position;
        let reactions = BTreeMap::new();
        let expires_at = self.now.details.self_destruct.and_then(|it| it.expires_at());
        Message {
            body: self.first,
            edited_at: None,
            recalled_at: None,
            recalled_by: None,
            pinned_at: None,
            expires_at,
            reactions,
            changed,
            ..self.now
        }
    }
}

/// The messages in their order, each as of its position.
async fn as_of(pool: &PgPool, kept: Vec<Kept>) -> Result<Vec<Message>, Error> {
    let wanted: Vec<&Kept> = kept.iter().filter(|kept| kept.has_changed_since()).collect();
    let changes = if wanted.is_empty() { HashMap::new() } else { changes(pool, &wanted).await? };
    let seen = |kept: Kept| {
        if !kept.has_changed_since() {
            return kept.now;
        }
        let key = (kept.now.conversation_id, kept.now.seq);
        let mut message = kept.born();
        changes.get(&key).into_iter().flatten().for_each(|past| past.apply(&mut message));
        message
    };
    Ok(kept.into_iter().map(seen).collect())
}

/// By message, those up to its position, in their order.
async fn changes(pool: &PgPool, wanted: &[&Kept]) -> Result<HashMap<(ConversationId, u64), Vec<Past>>, Error> {
    let rows = sqlx::query(
        "SELECT message_change.* FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS wanted(conversation_id, seq, as_of)
             JOIN message_change USING (conversation_id, seq)
         WHERE position <= wanted.as_of ORDER BY position",
    )
    .bind(wanted.iter().map(|kept| kept.now.conversation_id.0).collect::<Vec<_>>())
    .bind(bounds(wanted, |kept| kept.now.seq))
    .bind(bounds(wanted, |kept| kept.as_of))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read changes of messages"))?;
    let mut changes = HashMap::<_, Vec<Past>>::new();
    for row in &rows {
        let key = (ConversationId(row.get("conversation_id")), row.get::<i64, _>("seq") as u64);
        changes.entry(key).or_default().extend(Past::of(row));
    }
    Ok(changes)
}

/// A change as it is kept.
enum Past {
    Whole(Box<Change>),
    /// An edit without a body that could be shown: this binary does not know how to open it.
    Edited {
        position: u64,
        at: Timestamp,
    },
}

impl Past {
    fn of(row: &PgRow) -> Option<Self> {
        if row.get::<&str, _>("what") == "edited" && body(row, "body").is_none() {
            let position = row.get::<i64, _>("position") as u64;
            return Some(Self::Edited { position, at: row.get::<OffsetDateTime, _>("at").into() });
        }
        change(row).map(|change| Self::Whole(Box::new(change)))
    }

    fn apply(&self, message: &mut Message) {
        match self {
            Self::Whole(change) => message.apply(change),
            Self::Edited { position, at } => {
                (message.body, message.edited_at, message.changed) = (None, Some(*at), *position);
            }
        }
    }
}

fn change(row: &PgRow) -> Option<Change> {
    let account = || Some(AccountId(row.get::<Option<Uuid>, _>("account_id")?));
    let emoji = || row.get::<Option<String>, _>("emoji");
    let count = || Some(row.get::<Option<i64>, _>("count")? as u64);
    let what = match row.get::<&str, _>("what") {
        // Of a message as it stood nobody asks whether it had a link.
        "edited" => What::Edited { body: body(row, "body")?, has_link: false },
        "recalled" => What::Recalled { by: account() },
        "reacted" => What::Reacted { account: account()?, emoji: emoji()?, count: count()? },
        "unreacted" => What::Unreacted { account: account()?, emoji: emoji()?, count: count()? },
        "pinned" => What::Pinned,
        "counting" => What::Counting { expires_at: Timestamp::from_millis(count()? as i64) },
        _ => What::Unpinned,
    };
    Some(Change {
        conversation_id: ConversationId(row.get("conversation_id")),
        seq: row.get::<i64, _>("seq") as u64,
        position: row.get::<i64, _>("position") as u64,
        at: row.get::<OffsetDateTime, _>("at").into(),
        what,
    })
}

pub(super) fn message(row: &PgRow) -> Message {
    let moment = |name: &str| row.get::<Option<OffsetDateTime>, _>(name).map(Into::into);
    let details = row.get::<Option<&str>, _>("details").and_then(|json| serde_json::from_str(json).ok());
    let details: Details = details.unwrap_or_default();
    let expires_at = moment("expires_at").or_else(|| details.self_destruct?.expires_at());
    let reactions = row.get::<Option<&str>, _>("reactions").and_then(|json| serde_json::from_str(json).ok());
    Message {
        conversation_id: ConversationId(row.get("conversation_id")),
        seq: row.get::<i64, _>("seq") as u64,
        message_id: MessageId(row.get("message_id")),
        sender: row.get::<Option<Uuid>, _>("sender").map(AccountId),
        body: newest_body(row),
        details,
        sent_at: row.get::<OffsetDateTime, _>("sent_at").into(),
        edited_at: moment("edited_at"),
        recalled_at: moment("recalled_at"),
        recalled_by: row.get::<Option<Uuid>, _>("recalled_by").map(AccountId),
        pinned_at: moment("pinned_at"),
        expires_at,
        reactions: reactions.unwrap_or_default(),
        position: row.get::<i64, _>("position") as u64,
        changed: row.get::<i64, _>("changed") as u64,
    }
}

/// One that was edited in a way that this binary does not know has no body, not its first one.
fn newest_body(row: &PgRow) -> Option<Body> {
    let is_edited = row.get::<Option<&str>, _>("edited_body").is_some();
    body(row, if is_edited { "edited_body" } else { "body" })
}

pub(super) fn body(row: &PgRow, column: &str) -> Option<Body> {
    row.get::<Option<&str>, _>(column).and_then(Body::parse)
}

fn conversations(spans: &[(ConversationId, Span)]) -> Vec<Uuid> {
    spans.iter().map(|(conversation, _)| conversation.0).collect()
}

fn bounds<T>(spans: &[T], bound: impl Fn(&T) -> u64) -> Vec<i64> {
    spans.iter().map(|span| number(bound(span))).collect()
}
