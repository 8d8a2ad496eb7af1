//! Looking for messages by their columns. What has an index of its own (kinds but texts, links) is read to its end; else a
//! query reads a bounded part of the conversation, newest first.

use super::{
    number,
    read::{COLUMNS, message},
};
use crate::{
    Error,
    message::{
        Span,
        filter::{FILES, Filter, Found, Has, KindOf},
    },
};
use natter_domain::{ConversationId, conversation::BodyKind};
use natter_streams::statement;
use sqlx::PgPool;

/// Messages that one call looks at where no index says which.
const LOOKED_AT: u64 = 20_000;

pub(super) async fn find(
    pool: &PgPool,
    conversation: ConversationId,
    spans: &[Span],
    filter: &Filter,
    limit: u32,
) -> Result<Found, Error> {
    let room = if is_indexed(filter) { u64::MAX } else { LOOKED_AT };
    let (parts, rest) = newest(spans, room);
    let rows = sqlx::query(&statement(filter))
        .bind(conversation.0)
        .bind(parts.iter().map(|part| number(part.after)).collect::<Vec<_>>())
        .bind(parts.iter().map(|part| number(part.until)).collect::<Vec<_>>())
        .bind(i64::from(limit))
        .bind(filter.sender.map(|sender| sender.0))
        .fetch_all(statement::bounded(pool))
        .await
        .map_err(Error::database("look for messages"))?;
    let messages: Vec<_> = rows.iter().map(message).collect();
    let is_full = messages.len() == limit as usize;
    let looked_to = if is_full { messages.last().map_or(0, |last| last.seq) } else { rest };
    Ok(Found { messages, looked_to })
}

/// So many of the newest numbers of the spans, and where the rest ends, exclusively; 0: there is none.
fn newest(spans: &[Span], mut room: u64) -> (Vec<Span>, u64) {
    let mut parts = Vec::new();
    for span in spans.iter().rev() {
        if room == 0 {
            return (parts, span.until + 1);
        }
        let after = span.after.max(span.until.saturating_sub(room));
        room -= room.min(span.until - after);
        parts.push(Span { after, ..*span });
        if after > span.after {
            return (parts, after + 1);
        }
    }
    (parts, 0)
}

fn is_indexed(filter: &Filter) -> bool {
    // Who never sent one of that kind would have all of them looked at.
    let is_rare = filter.has.is_some() || matches!(filter.kind, Some(KindOf::Of(kind)) if kind != BodyKind::Text);
    is_rare && filter.sender.is_none()
}

/// Conditions are written out, for PostgreSQL to see that an index fits.
fn statement(filter: &Filter) -> String {
    let mut conditions = String::new();
    match filter.kind {
        None => {}
        Some(KindOf::System) => conditions.push_str(" AND sender IS NULL"),
        Some(KindOf::Of(BodyKind::Text)) => conditions.push_str(" AND kind IS NULL AND sender IS NOT NULL"),
        Some(KindOf::Of(kind)) => conditions.push_str(&format!(" AND kind = '{}'", kind.as_str())),
    }
    match filter.has {
        None => {}
        Some(Has::Link) => conditions.push_str(" AND has_link"),
        Some(Has::File) => conditions.push_str(&format!(" AND kind IN ({})", files())),
    }
    format!(
        "SELECT part.* FROM UNNEST($2::bigint[], $3::bigint[]) AS span(after, until), LATERAL (
             SELECT {COLUMNS} FROM message
             WHERE conversation_id = $1 AND seq > span.after AND seq <= span.until AND recalled_at IS NULL
               AND ($5::uuid IS NULL OR sender = $5){conditions}
             ORDER BY seq DESC LIMIT $4) AS part
         ORDER BY part.seq DESC LIMIT $4"
    )
}

fn files() -> String {
    FILES.map(|kind| format!("'{}'", kind.as_str())).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_part_is_looked_at_and_the_rest_goes_on_where_it_ends() {
        let spans = [Span::now(0, 10), Span::now(20, 50)];
        assert_eq!(newest(&spans, 100), (vec![Span::now(20, 50), Span::now(0, 10)], 0));
        assert_eq!(newest(&spans, 10), (vec![Span::now(40, 50)], 41));
        assert_eq!(newest(&spans, 30), (vec![Span::now(20, 50)], 11));
        assert_eq!(newest(&spans, 35), (vec![Span::now(20, 50), Span::now(5, 10)], 6));
        assert_eq!(newest(&[], 5), (vec![], 0));
    }
}
