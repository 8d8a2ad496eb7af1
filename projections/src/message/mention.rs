//! Who is mentioned where: rows of relations, for most messages mention nobody and cost it none. A recall takes them away.
//! Who counts asks with the spans that the gate gave, so what one may not see does not count.

use super::Span;
use crate::Error;
use natter_domain::{AccountId, ConversationId, conversation::Details};
use natter_streams::statement;
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Everybody.
const ALL: Uuid = Uuid::nil();

/// What a batch does.
#[derive(Default)]
pub(crate) struct Changes {
    /// Conversation, account, seq, sender.
    said: BTreeSet<(Uuid, Uuid, u64, Uuid)>,
    /// Messages that were recalled.
    gone: HashSet<(Uuid, u64)>,
}

impl Changes {
    pub(crate) fn note(&mut self, conversation: Uuid, seq: u64, sender: AccountId, details: &Details) {
        let people = details.mentions.people().map(|account| account.0);
        let all = details.mentions.all.then_some(ALL);
        self.said.extend(people.chain(all).map(|account| (conversation, account, seq, sender.0)));
    }

    pub(crate) fn recall(&mut self, conversation: Uuid, seq: u64) {
        self.gone.insert((conversation, seq));
    }

    pub(crate) async fn write(mut self, connection: &mut PgConnection) -> Result<(), Error> {
        self.said.retain(|(conversation, _, seq, _)| !self.gone.contains(&(*conversation, *seq)));
        if !self.said.is_empty() {
            self.write_said(connection).await?;
        }
        if !self.gone.is_empty() {
            self.write_gone(connection).await?;
        }
        Ok(())
    }

    async fn write_said(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<_> = self.said.iter().copied().collect();
        sqlx::query(
            "INSERT INTO mention (conversation_id, account_id, seq, sender)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[]) ON CONFLICT DO NOTHING",
        )
        .bind(rows.iter().map(|(conversation, ..)| *conversation).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, account, ..)| *account).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, seq, _)| *seq as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(.., sender)| *sender).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write who is mentioned"))
    }

    async fn write_gone(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = self.gone.iter().map(|(id, seq)| (*id, *seq as i64)).unzip();
        sqlx::query(
            "DELETE FROM mention USING UNNEST($1::uuid[], $2::bigint[]) AS gone(conversation_id, seq)
             WHERE mention.conversation_id = gone.conversation_id AND mention.seq = gone.seq",
        )
        .bind(conversations)
        .bind(seqs)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("forget mentions of recalled messages"))
    }
}

/// The newest messages of the spans that mention the viewer, by whomever, newest first.
pub(super) async fn seqs(
    pool: &PgPool,
    viewer: AccountId,
    conversation: ConversationId,
    spans: &[Span],
    limit: u32,
) -> Result<Vec<u64>, Error> {
    let bound = |of: fn(&Span) -> u64| -> Vec<i64> {
        spans.iter().map(|span| i64::try_from(of(span)).unwrap_or(i64::MAX)).collect()
    };
    let seqs: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT seq FROM UNNEST($2::bigint[], $3::bigint[]) AS span(after, until) JOIN mention
             ON mention.conversation_id = $1 AND account_id IN ($4, $5) AND seq > span.after AND seq <= span.until
         ORDER BY seq DESC LIMIT $6",
    )
    .bind(conversation.0)
    .bind(bound(|span| span.after))
    .bind(bound(|span| span.until))
    .bind(viewer.0)
    .bind(ALL)
    .bind(i64::from(limit))
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("look for mentions"))?;
    Ok(seqs.into_iter().map(|seq| seq as u64).collect())
}

/// How many messages of others in the spans mention the viewer, each once. A conversation with none may be left out.
pub(crate) async fn count(
    pool: &PgPool,
    viewer: AccountId,
    spans: &[(ConversationId, Span)],
) -> Result<HashMap<ConversationId, u64>, Error> {
    let bound = |of: fn(&Span) -> u64| -> Vec<i64> {
        spans.iter().map(|(_, span)| i64::try_from(of(span)).unwrap_or(i64::MAX)).collect()
    };
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT span.conversation_id, (
             SELECT count(DISTINCT seq) FROM mention WHERE mention.conversation_id = span.conversation_id
             AND account_id IN ($4, $5) AND seq > span.after AND seq <= span.until AND sender <> $4)
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS span(conversation_id, after, until)",
    )
    .bind(spans.iter().map(|(conversation, _)| conversation.0).collect::<Vec<_>>())
    .bind(bound(|span| span.after))
    .bind(bound(|span| span.until))
    .bind(viewer.0)
    .bind(ALL)
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("count mentions"))?;
    let mut counts = HashMap::new();
    for (conversation, count) in rows {
        *counts.entry(ConversationId(conversation)).or_default() += count as u64;
    }
    Ok(counts)
}
