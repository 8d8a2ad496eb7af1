//! Writing. A batch of nothing but sent messages is one statement with its checkpoint: as a transaction of four it took
//! four round trips, which cost more than the rows. What happens to messages later is rarer, and takes a transaction.

use super::{
    number,
    patch::{Patch, Patches},
};
use crate::{
    Error, Projection, Step,
    message::{Body, Change, What},
    sql,
};
use natter_domain::{
    AccountId, MessageId, Timestamp,
    conversation::{BodyKind, Details},
};
use natter_streams::{checkpoint::MOVE, statement};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Row as _, postgres::PgArguments, query::Query,
    types::time::OffsetDateTime,
};
use std::sync::LazyLock;
use uuid::Uuid;

/// The rows are read through the move: where the checkpoint is elsewhere, there are none, and none is written.
static APPEND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH moved AS ({MOVE} RETURNING 1), written AS (
             INSERT INTO message (conversation_id, seq, message_id, sender, body, sent_at, position, kind, details, has_link)
             SELECT row.* FROM moved, UNNEST($7::uuid[], $8::bigint[], $9::uuid[], $10::uuid[], $11::text[],
                                             $12::timestamptz[], $13::bigint[], $14::text[], $15::text[],
                                             $16::boolean[]) AS row
             ON CONFLICT (conversation_id, seq) DO NOTHING)
         SELECT count(*) FROM moved"
    )
});

/// What comes again of a message that was recalled since is not kept.
const CHANGES: &str = "
    INSERT INTO message_change (conversation_id, seq, position, at, what, body, account_id, emoji, count)
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::uuid[],
                         $8::text[], $9::bigint[])
        AS change(conversation_id, seq, position, at, what, body, account_id, emoji, count)
    WHERE NOT EXISTS (SELECT FROM message WHERE message.conversation_id = change.conversation_id
                      AND message.seq = change.seq AND message.recalled_at IS NOT NULL)
    ON CONFLICT DO NOTHING";

/// A patch holds what the changes of a batch come to, so it is taken whole or, where the row has seen its newest change,
/// not at all. Reactions follow the rows that took it. A count of nothing comes as null, which is stripped.
const PATCH: &str = "
    WITH patch AS (
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                             $7::boolean[], $8::timestamptz[], $9::text[], $15::boolean[], $16::uuid[],
                             $19::timestamptz[])
            AS patch(conversation_id, seq, newest, edited_body, edited_at, recalled_at, pins, pinned_at, reactions,
                     edited_link, recalled_by, expires_at)
    ), patched AS (
        UPDATE message SET
            body = CASE WHEN patch.recalled_at IS NULL THEN message.body END,
            edited_body = CASE WHEN patch.recalled_at IS NULL THEN coalesce(patch.edited_body, message.edited_body) END,
            edited_at = CASE WHEN patch.recalled_at IS NULL THEN coalesce(patch.edited_at, message.edited_at) END,
            recalled_at = patch.recalled_at,
            recalled_by = patch.recalled_by,
            kind = CASE WHEN patch.recalled_at IS NULL THEN message.kind END,
            details = CASE WHEN patch.recalled_at IS NULL THEN message.details END,
            has_link = CASE WHEN patch.recalled_at IS NULL
                       THEN nullif(coalesce(patch.edited_link, message.has_link), false) END,
            pinned_at = CASE WHEN patch.recalled_at IS NOT NULL THEN NULL
                        WHEN patch.pins IS NULL THEN message.pinned_at ELSE patch.pinned_at END,
            expires_at = CASE WHEN patch.recalled_at IS NULL THEN coalesce(patch.expires_at, message.expires_at) END,
            reactions = CASE WHEN patch.recalled_at IS NULL THEN
                        nullif(jsonb_strip_nulls(coalesce(message.reactions, '{}') || patch.reactions::jsonb), '{}') END,
            changed = patch.newest
        FROM patch
        WHERE message.conversation_id = patch.conversation_id AND message.seq = patch.seq
              AND coalesce(message.changed, 0) < patch.newest AND message.recalled_at IS NULL
        RETURNING message.conversation_id, message.seq
    ), reacted AS (
        SELECT vote.* FROM patched JOIN UNNEST($10::uuid[], $11::bigint[], $12::uuid[], $13::text[], $14::boolean[],
                                                  $17::bigint[], $18::timestamptz[])
            AS vote(conversation_id, seq, account_id, emoji, stands, position, at) USING (conversation_id, seq)
    ), gone AS (
        DELETE FROM reaction USING reacted
        WHERE reaction.conversation_id = reacted.conversation_id AND reaction.account_id = reacted.account_id
              AND reaction.seq = reacted.seq AND reaction.emoji = reacted.emoji AND NOT reacted.stands
    )
    INSERT INTO reaction (conversation_id, account_id, seq, emoji, position, at)
    SELECT conversation_id, account_id, seq, emoji, position, at FROM reacted WHERE stands
    ON CONFLICT (conversation_id, account_id, seq, emoji) DO UPDATE SET position = excluded.position, at = excluded.at";

const FORGET: [&str; 2] = [
    "DELETE FROM message_change USING UNNEST($1::uuid[], $2::bigint[]) AS recalled(conversation_id, seq)
     WHERE message_change.conversation_id = recalled.conversation_id AND message_change.seq = recalled.seq
           AND what <> 'recalled'",
    "DELETE FROM reaction USING UNNEST($1::uuid[], $2::bigint[]) AS recalled(conversation_id, seq)
     WHERE reaction.conversation_id = recalled.conversation_id AND reaction.seq = recalled.seq",
];

pub(super) async fn append(pool: &PgPool, changes: &[Change], step: &Step) -> Result<(), Error> {
    let sent: Vec<Sent<'_>> = changes.iter().filter_map(Sent::of).collect();
    if sent.len() < changes.len() {
        let written = transaction(pool, &sent, changes, step);
        return statement::within(sql::PATIENCE, Error::database("write history"), written).await;
    }
    let step = step.of(Projection::History);
    let moved = appending(step.bind(&APPEND), &sent)
        .fetch_one(statement::bounded(pool).for_at_most(sql::PATIENCE))
        .await
        .map_err(Error::database("write history"))?;
    Ok(step.taken(moved.get::<i64, _>(0) as u64)?)
}

async fn transaction(pool: &PgPool, sent: &[Sent<'_>], changes: &[Change], step: &Step) -> Result<(), Error> {
    let failed = || Error::database("begin to write history");
    let mut connection = statement::lend(pool).await.map_err(failed())?;
    let mut transaction = connection.begin().await.map_err(failed())?;
    let step = step.of(Projection::History);
    let moved = appending(step.bind(&APPEND), sent).fetch_one(&mut *transaction).await;
    step.taken(moved.map_err(Error::database("write sent messages"))?.get::<i64, _>(0) as u64)?;
    let later: Vec<&Change> = changes.iter().filter(|change| !matches!(change.what, What::Sent { .. })).collect();
    write_changes(&mut transaction, &later).await?;
    let patches = Patches::of(&later);
    write_patches(&mut transaction, &patches).await?;
    forget(&mut transaction, &patches).await?;
    transaction.commit().await.map_err(Error::database("commit history"))?;
    connection.give_back();
    Ok(())
}

/// A message that was sent.
struct Sent<'a> {
    change: &'a Change,
    message_id: MessageId,
    sender: Option<AccountId>,
    body: &'a Body,
    kind: Option<BodyKind>,
    details: &'a Details,
}

impl<'a> Sent<'a> {
    fn of(change: &'a Change) -> Option<Self> {
        let What::Sent { message_id, sender, body, kind, details } = &change.what else { return None };
        Some(Self { change, message_id: *message_id, sender: *sender, body, kind: *kind, details })
    }
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

fn appending<'q>(query: Statement<'q>, sent: &[Sent<'_>]) -> Statement<'q> {
    query
        .bind(column(sent, |sent| sent.change.conversation_id.0))
        .bind(column(sent, |sent| number(sent.change.seq)))
        .bind(column(sent, |sent| sent.message_id.0))
        .bind(column(sent, |sent| sent.sender.map(|sender| sender.0)))
        .bind(column(sent, |sent| sent.body.to_string()))
        .bind(column(sent, |sent| OffsetDateTime::from(sent.change.at)))
        .bind(column(sent, |sent| number(sent.change.position)))
        .bind(column(sent, |sent| sent.kind.filter(|kind| *kind != BodyKind::Text).map(BodyKind::as_str)))
        .bind(column(sent, |sent| written(sent.details)))
        .bind(column(sent, |sent| sent.details.has_link.then_some(true)))
}

async fn write_changes(connection: &mut PgConnection, changes: &[&Change]) -> Result<(), Error> {
    sqlx::query(CHANGES)
        .bind(column(changes, |change| change.conversation_id.0))
        .bind(column(changes, |change| number(change.seq)))
        .bind(column(changes, |change| number(change.position)))
        .bind(column(changes, |change| OffsetDateTime::from(change.at)))
        .bind(column(changes, |change| name(&change.what)))
        .bind(column(changes, |change| match &change.what {
            What::Edited { body, .. } => Some(body.to_string()),
            _ => None,
        }))
        .bind(column(changes, |change| whose(&change.what).map(|account| account.0)))
        .bind(column(changes, |change| vote(&change.what).map(|(_, emoji, _)| emoji)))
        .bind(column(changes, |change| counted(&change.what).map(number)))
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write changes of messages"))
}

async fn write_patches(connection: &mut PgConnection, Patches { messages, votes }: &Patches<'_>) -> Result<(), Error> {
    let moment = |moment: Timestamp| OffsetDateTime::from(moment);
    let messages: Vec<(&(Uuid, u64), &Patch<'_>)> = messages.iter().collect();
    let votes: Vec<_> = votes.iter().collect();
    sqlx::query(PATCH)
        .bind(column(&messages, |((conversation, _), _)| *conversation))
        .bind(column(&messages, |((_, seq), _)| number(*seq)))
        .bind(column(&messages, |(_, patch)| number(patch.newest)))
        .bind(column(&messages, |(_, patch)| patch.edited.map(|(body, ..)| body.to_string())))
        .bind(column(&messages, |(_, patch)| patch.edited.map(|(_, at, _)| moment(at))))
        .bind(column(&messages, |(_, patch)| patch.recalled.map(|(at, _)| moment(at))))
        .bind(column(&messages, |(_, patch)| patch.pinned_at.map(|pinned_at| pinned_at.is_some())))
        .bind(column(&messages, |(_, patch)| patch.pinned_at.flatten().map(moment)))
        .bind(column(&messages, |(_, patch)| patch.reactions()))
        .bind(column(&votes, |(vote, _)| vote.conversation))
        .bind(column(&votes, |(vote, _)| number(vote.seq)))
        .bind(column(&votes, |(vote, _)| vote.account.0))
        .bind(column(&votes, |(vote, _)| vote.emoji))
        .bind(column(&votes, |(_, cast)| cast.stands))
        .bind(column(&messages, |(_, patch)| patch.edited.map(|(.., has_link)| has_link)))
        .bind(column(&messages, |(_, patch)| patch.recalled.and_then(|(_, by)| by).map(|by| by.0)))
        .bind(column(&votes, |(_, cast)| number(cast.position)))
        .bind(column(&votes, |(_, cast)| moment(cast.at)))
        .bind(column(&messages, |(_, patch)| patch.expires_at.map(moment)))
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write what became of messages"))
}

/// What was recalled is not kept anywhere, nor what became of it: only that it was recalled.
async fn forget(connection: &mut PgConnection, patches: &Patches<'_>) -> Result<(), Error> {
    let recalled: Vec<(Uuid, u64)> = patches.recalled().collect();
    if recalled.is_empty() {
        return Ok(());
    }
    for forget in FORGET {
        sqlx::query(forget)
            .bind(column(&recalled, |(conversation, _)| *conversation))
            .bind(column(&recalled, |(_, seq)| number(*seq)))
            .execute(&mut *connection)
            .await
            .map_err(Error::database("forget recalled messages"))?;
    }
    Ok(())
}

/// `None`: there is nothing to write.
pub(in crate::message) fn written(details: &Details) -> Option<String> {
    (!details.is_plain()).then(|| serde_json::to_string(details).expect("ids and texts are JSON"))
}

fn name(what: &What) -> &'static str {
    match what {
        What::Sent { .. } => "sent",
        What::Edited { .. } => "edited",
        What::Recalled { .. } => "recalled",
        What::Reacted { .. } => "reacted",
        What::Unreacted { .. } => "unreacted",
        What::Pinned => "pinned",
        What::Unpinned => "unpinned",
        What::Counting { .. } => "counting",
    }
}

/// Who reacted or recalled.
pub(in crate::message) fn whose(what: &What) -> Option<AccountId> {
    if let What::Recalled { by } = what { *by } else { vote(what).map(|(account, ..)| account) }
}

/// How many have reacted so; of a countdown its end, in milliseconds.
pub(in crate::message) fn counted(what: &What) -> Option<u64> {
    match what {
        What::Counting { expires_at } => u64::try_from(expires_at.as_millis()).ok(),
        what => vote(what).map(|(.., count)| count),
    }
}

fn vote(what: &What) -> Option<(AccountId, &str, u64)> {
    match what {
        What::Reacted { account, emoji, count } | What::Unreacted { account, emoji, count } => {
            Some((*account, emoji, *count))
        }
        _ => None,
    }
}

fn column<'a, R, T>(rows: &'a [R], field: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
