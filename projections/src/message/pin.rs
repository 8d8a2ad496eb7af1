//! What is pinned: rows of relations, for most messages never are. A row lasts from the pin to its end, so that who has left
//! sees what was pinned then; a recall takes a message's rows away.

use super::{Message, Order, Span, query::Query};
use crate::{Error, gate, page::Page};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, Timestamp};
use natter_streams::statement;
use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What a batch does.
#[derive(Default)]
pub(crate) struct Changes {
    /// By conversation and the position of the pin.
    pinned: BTreeMap<(Uuid, u64), Pinned>,
    /// The position of the pin of this batch that lasts, by message.
    lasting: HashMap<(Uuid, u64), u64>,
    /// Where pins of batches before end, by message.
    ended: HashMap<(Uuid, u64), u64>,
    /// Messages that were recalled.
    gone: HashSet<(Uuid, u64)>,
}

struct Pinned {
    seq: u64,
    at: Timestamp,
    by: AccountId,
    unpinned: Option<u64>,
}

impl Changes {
    pub(crate) fn pin(&mut self, conversation: Uuid, seq: u64, position: u64, at: Timestamp, by: AccountId) {
        self.pinned.insert((conversation, position), Pinned { seq, at, by, unpinned: None });
        self.lasting.insert((conversation, seq), position);
    }

    pub(crate) fn unpin(&mut self, conversation: Uuid, seq: u64, position: u64) {
        let began = self.lasting.remove(&(conversation, seq));
        match began.and_then(|began| self.pinned.get_mut(&(conversation, began))) {
            Some(pinned) => pinned.unpinned = Some(position),
            None => drop(self.ended.insert((conversation, seq), position)),
        }
    }

    pub(crate) fn recall(&mut self, conversation: Uuid, seq: u64) {
        self.gone.insert((conversation, seq));
    }

    pub(crate) async fn write(mut self, connection: &mut PgConnection) -> Result<(), Error> {
        let gone = std::mem::take(&mut self.gone);
        self.pinned.retain(|(conversation, _), pinned| !gone.contains(&(*conversation, pinned.seq)));
        if !self.ended.is_empty() {
            self.write_ended(connection).await?;
        }
        if !self.pinned.is_empty() {
            self.write_pinned(connection).await?;
        }
        if gone.is_empty() { Ok(()) } else { forget(&gone, connection).await }
    }

    async fn write_pinned(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<(&(Uuid, u64), &Pinned)> = self.pinned.iter().collect();
        sqlx::query(
            "INSERT INTO pin (conversation_id, position, seq, pinned_at, pinned_by, unpinned)
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::uuid[], $6::bigint[])
             ON CONFLICT DO NOTHING",
        )
        .bind(rows.iter().map(|((conversation, _), _)| *conversation).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, position), _)| *position as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, pinned)| pinned.seq as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, pinned)| OffsetDateTime::from(pinned.at)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, pinned)| pinned.by.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, pinned)| pinned.unpinned.map(|position| position as i64)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write what is pinned"))
    }

    async fn write_ended(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (keys, ends): (Vec<(Uuid, u64)>, Vec<i64>) =
            self.ended.iter().map(|(key, position)| (*key, *position as i64)).unzip();
        let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = keys.into_iter().map(|(id, seq)| (id, seq as i64)).unzip();
        sqlx::query(
            "UPDATE pin SET unpinned = ended.position
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS ended(conversation_id, seq, position)
             WHERE pin.conversation_id = ended.conversation_id AND pin.seq = ended.seq AND unpinned IS NULL",
        )
        .bind(conversations)
        .bind(seqs)
        .bind(ends)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write what is pinned no more"))
    }
}

async fn forget(gone: &HashSet<(Uuid, u64)>, connection: &mut PgConnection) -> Result<(), Error> {
    let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = gone.iter().map(|(id, seq)| (*id, *seq as i64)).unzip();
    sqlx::query(
        "DELETE FROM pin USING UNNEST($1::uuid[], $2::bigint[]) AS gone(conversation_id, seq)
         WHERE pin.conversation_id = gone.conversation_id AND pin.seq = gone.seq",
    )
    .bind(conversations)
    .bind(seqs)
    .execute(connection)
    .await
    .map(drop)
    .map_err(Error::database("forget pins of recalled messages"))
}

/// Seq, position, by whom.
type Row = (i64, i64, Uuid);

/// What was pinned in the spans when each of them ended, before that position, the newest pin first.
async fn rows(
    pool: &PgPool,
    conversation: ConversationId,
    spans: &[Span],
    before: u64,
    limit: u32,
) -> Result<Vec<Row>, Error> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let bound = |of: fn(&Span) -> u64| -> Vec<i64> { spans.iter().map(|span| number(of(span))).collect() };
    sqlx::query_as(
        "SELECT seq, position, pinned_by FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[])
                 AS span(after, until, as_of) JOIN pin
             ON conversation_id = $1 AND seq > span.after AND seq <= span.until AND position <= span.as_of
                AND coalesce(unpinned > span.as_of, true)
         WHERE position < $5 ORDER BY position DESC LIMIT $6",
    )
    .bind(conversation.0)
    .bind(bound(|span| span.after))
    .bind(bound(|span| span.until))
    .bind(bound(|span| span.as_of))
    .bind(number(before))
    .bind(i64::from(limit))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("list what is pinned"))
}

impl Query<'_> {
    /// What is pinned, the newest pin first, each message with who pinned it. `None`: the conversation does not exist for the
    /// viewer.
    pub async fn pins(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        page: &Page,
    ) -> Result<Option<wire::PageOf<wire::Message>>, Error> {
        let before = page.number()?.unwrap_or(u64::MAX);
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let spans = membership.visible(0, u64::MAX);
        let mut rows = rows(&self.0.pool(), conversation, &spans, before, page.items() + 1).await?;
        let more = rows.len() > page.items() as usize;
        rows.truncate(page.items() as usize);
        let next_cursor = rows.last().filter(|_| more).map(|(_, position, _)| position.to_string());
        let found = self.at(conversation, &spans, &rows).await?;
        let shown = self.shown_to(&membership, &found).await?;
        Ok(Some(wire::PageOf { items: with_who(shown, &rows), next_cursor }))
    }

    /// Each as its span shows it.
    async fn at(&self, conversation: ConversationId, spans: &[Span], rows: &[Row]) -> Result<Vec<Message>, Error> {
        let one = |seq: u64| Span::now(seq.saturating_sub(1), seq);
        let part = |&(seq, ..): &Row| spans.iter().find_map(|span| span.intersection(one(seq as u64)));
        let mut parts: Vec<Span> = rows.iter().filter_map(part).collect();
        parts.sort_unstable_by_key(|span| span.after);
        let count = parts.len() as u32;
        if count == 0 {
            return Ok(Vec::new());
        }
        self.0.history().page(conversation, &parts, Order::OldestFirst, count).await
    }
}

/// In the order of the rows. What history does not show as pinned (it lags, or was recalled meanwhile) is left out.
fn with_who(shown: Vec<wire::Message>, rows: &[Row]) -> Vec<wire::Message> {
    let mut shown: HashMap<u64, wire::Message> = shown.into_iter().map(|message| (message.seq, message)).collect();
    let of_row = |&(seq, _, by): &Row| {
        let message = shown.remove(&(seq as u64)).filter(|message| message.pinned_at.is_some())?;
        Some(wire::Message { pinned_by: Some(by), ..message })
    };
    rows.iter().filter_map(of_row).collect()
}
