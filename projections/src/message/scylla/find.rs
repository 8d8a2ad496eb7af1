//! Looking for messages by their columns: a cluster has no index of them, so the narrow columns of a bounded part of the
//! conversation are read, newest first, and the messages that fit by their numbers.

use super::{
    Fault,
    cell::Cell,
    read::buckets,
    row::{Kept, Row},
    runs::runs,
    session::Session,
    statement::Read,
    walk::Walk,
    write::MESSAGE,
};
use crate::message::{
    Order, Span,
    filter::{Filter, Found},
};
use futures::TryStreamExt as _;
use natter_domain::{AccountId, ConversationId};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Rows that one call looks at, what lies between near spans too.
const LOOKED_AT: usize = 20_000;

/// Seq, sender, kind, link, recall, position.
type Narrow = (i64, Option<Uuid>, Option<String>, Option<bool>, Option<i64>, Option<i64>);

impl Session {
    pub(super) async fn find(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        filter: &Filter,
        limit: u32,
    ) -> Result<Found, Fault> {
        if !spans.is_empty() && spans.iter().all(|span| span.until == span.after + 1) {
            return self.find_at(conversation, spans, filter, limit).await;
        }
        let (mut seqs, mut looked_at, mut looked_to) = (BTreeSet::new(), 0, 0);
        'runs: for run in runs(spans, LOOKED_AT as u64).into_iter().rev() {
            let Some(range) = buckets(run.whole) else { continue };
            let mut walk = Walk::new(self, conversation, MESSAGE, range, Order::NewestFirst);
            while let Some(bucket) = walk.next().await? {
                let cells: Vec<Cell<'_>> =
                    vec![conversation.into(), bucket.into(), run.whole.after.into(), run.whole.until.into()];
                let rows = self.driver.execute_iter(self.statements.read(Read::Narrow).clone(), cells).await?;
                let mut rows = rows.rows_stream::<Narrow>()?;
                while let Some(row) = rows.try_next().await? {
                    (looked_at, looked_to) = (looked_at + 1, row.0 as u64);
                    if run.contains(row.0 as u64) && fits(filter, &row) {
                        seqs.insert(row.0 as u64);
                    }
                    if seqs.len() == limit as usize || looked_at == LOOKED_AT {
                        break 'runs;
                    }
                }
            }
            looked_to = 0;
        }
        let mut messages = self.by_seqs(conversation, seqs).await?;
        messages.reverse();
        Ok(Found { messages, looked_to })
    }
}

impl Session {
    /// Whose numbers are known.
    async fn find_at(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        filter: &Filter,
        limit: u32,
    ) -> Result<Found, Fault> {
        let rows = self.rows_at(conversation, spans.iter().map(|span| span.until).collect()).await?;
        let fits =
            |row: &Row| filter.fits(row.sender.map(AccountId), row.kind.as_deref(), row.has_link.unwrap_or(false));
        let found = rows.into_iter().filter(fits).filter_map(Kept::of).map(|kept| kept.message);
        let mut messages: Vec<_> = found.filter(|message| message.recalled_at.is_none()).collect();
        messages.sort_unstable_by_key(|message| std::cmp::Reverse(message.seq));
        let is_more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        let looked_to = messages.last().filter(|_| is_more).map_or(0, |last| last.seq);
        Ok(Found { messages, looked_to })
    }
}

fn fits(filter: &Filter, (_, sender, kind, has_link, recalled_at, position): &Narrow) -> bool {
    let is_there = position.is_some() && recalled_at.is_none();
    is_there && filter.fits(sender.map(AccountId), kind.as_deref(), has_link.unwrap_or(false))
}
