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
    let (sql, mut room) = (statement(filter), if is_indexed(filter) { u64::MAX } else { LOOKED_AT });
    let mut messages = Vec::new();
    for span in spans.iter().rev() {
        let wanted = limit as usize - messages.len();
        if wanted == 0 || room == 0 {
            return Ok(Found { messages, looked_to: span.until + 1 });
        }
        let after = span.after.max(span.until.saturating_sub(room));
        room -= room.min(span.until - after);
        let rows = sqlx::query(&sql)
            .bind(conversation.0)
            .bind(number(after))
            .bind(number(span.until))
            .bind(wanted as i64)
            .bind(filter.sender.map(|sender| sender.0))
            .fetch_all(statement::bounded(pool))
            .await
            .map_err(Error::database("look for messages"))?;
        let is_full = rows.len() == wanted;
        messages.extend(rows.iter().map(message));
        if is_full {
            let looked_to = messages.last().map_or(0, |last| last.seq);
            return Ok(Found { messages, looked_to });
        }
        if after > span.after {
            return Ok(Found { messages, looked_to: after + 1 });
        }
    }
    Ok(Found { messages, looked_to: 0 })
}

fn is_indexed(filter: &Filter) -> bool {
    filter.has.is_some() || matches!(filter.kind, Some(KindOf::Of(kind)) if kind != BodyKind::Text)
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
        "SELECT {COLUMNS} FROM message
         WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 AND recalled_at IS NULL
           AND ($5::uuid IS NULL OR sender = $5){conditions}
         ORDER BY seq DESC LIMIT $4"
    )
}

fn files() -> String {
    FILES.map(|kind| format!("'{}'", kind.as_str())).join(", ")
}
