//! Stays, as delivery and the edges need them. Of a crowd's members only those are ever asked for who are online at one edge.
//! Where an event of the conversation is set aside, or one that says who is in was given up, somebody who has left may seem
//! to be in: none of its stays is told, so what builds on them waits too, or is not told.

use crate::{
    Error, Projection,
    delivery::members::{Known, People},
    gate::{self, Interval},
    generation::{home::Home, reader},
};
use natter_domain::{AccountId, ConversationId, Sealed};
use natter_streams::statement;
use std::collections::HashMap;
use uuid::Uuid;

/// Whether relations has applied all that says who is in the conversation. `reader`: the name that relations reads under.
pub(super) fn is_whole(reader: &str, conversation: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM public.projection_failures AS waiting
             WHERE waiting.projection = {reader} AND waiting.key = {conversation})
         AND NOT EXISTS (SELECT FROM public.projection_skipped AS lost
             WHERE lost.projection = {reader} AND lost.key = {conversation}
             AND lost.event IN ('conversation.started', 'conversation.members_joined', 'conversation.member_left',
                                'conversation.banned', 'subscription.begun', 'subscription.ended'))"
    )
}

/// What delivery has to know of these conversations, as far as they are whole. Of crowds no stay is read.
pub(crate) async fn known(
    Home { writing: pool, generation, .. }: &Home,
    crowd_min: u64,
    conversations: &[ConversationId],
) -> Result<HashMap<ConversationId, Known>, Error> {
    // One statement, so that the numbers are of the same moment as the stays. In a group that has ended nobody is.
    let sql = format!(
        "WITH these AS MATERIALIZED (
             SELECT conversation_id, kind, name, card_changed, members_changed, member_count,
                    kind = 'channel' OR kind <> 'direct' AND stay_count >= $2 AS is_crowd
             FROM conversation WHERE conversation_id = ANY($1) AND {})
         SELECT conversation_id, kind, name, card_changed, members_changed, member_count, NULL, NULL, NULL, NULL, NULL
         FROM these WHERE is_crowd
         UNION ALL
         SELECT conversation_id, kind, name, card_changed, members_changed, NULL, account_id, joined_seq, left_seq,
                left_position, coalesce(entered_seq, joined_seq)
         FROM these LEFT JOIN member USING (conversation_id) WHERE NOT is_crowd",
        is_whole("$3", "conversation_id")
    );
    let rows: Vec<KnownRow> = sqlx::query_as(&sql)
        .bind(conversations.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(crowd_min as i64)
        .bind(reader(Projection::Relations, *generation))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read members"))?;
    let mut all = HashMap::<_, Known>::new();
    for (conversation, kind, name, named, changed, count, account, joined, left, left_at, entered) in rows {
        let known = all.entry(ConversationId(conversation)).or_default();
        known.kind = kind;
        known.name = name.as_deref().and_then(Sealed::parse);
        // The name is no newer than that.
        known.named = named as u64;
        known.members_changed = changed as u64;
        if let Some(count) = count {
            known.people = People::Crowd(count as u64);
        }
        if let (People::Named(stays), Some(account), Some(joined)) = (&mut known.people, account, joined) {
            stays.push((AccountId(account), stay(joined, left, left_at, entered.unwrap_or(joined))));
        }
    }
    Ok(all)
}

/// Id, kind, name, where its card and its members last changed; of a crowd how many are in, else a stay: whose, and its
/// bounds.
type KnownRow = (
    Uuid,
    String,
    Option<String>,
    i64,
    i64,
    Option<i64>,
    Option<Uuid>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// Whose stay or where it is, its bounds, and the lane position at which it began.
type StayRow = (Uuid, i64, Option<i64>, Option<i64>, i64, i64);

fn stay(joined_seq: i64, left_seq: Option<i64>, left_position: Option<i64>, entered_seq: i64) -> Interval {
    Interval { entered_seq: entered_seq as u64, ..gate::interval(joined_seq, left_seq, left_position) }
}

/// Accounts in one statement. What an edge asks for is bounded by its connections only.
const ASKED_AT_ONCE: usize = 5_000;

/// The stays of some accounts in a conversation; `None`: it is not whole. Who subscribes to a channel hears of it from a position
/// on, not from a number.
pub(crate) async fn stays_in(
    Home { reading: pool, generation, .. }: &Home,
    conversation: ConversationId,
    accounts: &[AccountId],
) -> Result<Option<Vec<(AccountId, Interval)>>, Error> {
    // Before the stays are read: what is whole remains so as far as was waited for.
    let is_whole: bool = sqlx::query_scalar(&format!("SELECT {}", is_whole("$1", "$2")))
        .bind(reader(Projection::Relations, *generation))
        .bind(conversation.0)
        .fetch_one(statement::bounded(pool))
        .await
        .map_err(Error::database("ask whether all of a crowd's members are known"))?;
    if !is_whole {
        return Ok(None);
    }
    let mut stays = Vec::new();
    for some in accounts.chunks(ASKED_AT_ONCE) {
        let rows: Vec<StayRow> = sqlx::query_as(
            "SELECT account_id, joined_seq, left_seq, left_position,
                    CASE WHEN kind = 'channel' THEN 0 ELSE coalesce(entered_seq, joined_seq) END, joined_position
             FROM member JOIN conversation USING (conversation_id)
             WHERE conversation_id = $1 AND account_id = ANY($2)",
        )
        .bind(conversation.0)
        .bind(some.iter().map(|account| account.0).collect::<Vec<_>>())
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read who of those here is in a crowd"))?;
        stays.extend(rows.into_iter().map(|row| (AccountId(row.0), whole(row))));
    }
    Ok(Some(stays))
}

/// All stays of an account, in conversations that are whole.
pub(crate) async fn stays_of(
    Home { reading: pool, generation, .. }: &Home,
    account: AccountId,
) -> Result<Vec<(ConversationId, Interval)>, Error> {
    let sql = format!(
        "SELECT conversation_id, joined_seq, left_seq, left_position,
                CASE WHEN kind = 'channel' THEN 0 ELSE coalesce(entered_seq, joined_seq) END, joined_position
         FROM member JOIN conversation USING (conversation_id) WHERE account_id = $1 AND {}",
        is_whole("$2", "conversation_id")
    );
    let rows: Vec<StayRow> = sqlx::query_as(&sql)
        .bind(account.0)
        .bind(reader(Projection::Relations, *generation))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("read where somebody is in"))?;
    Ok(rows.into_iter().map(|row| (ConversationId(row.0), whole(row))).collect())
}

fn whole((_, joined, left, left_at, entered, joined_at): StayRow) -> Interval {
    Interval { joined_position: joined_at as u64, ..stay(joined, left, left_at, entered) }
}
