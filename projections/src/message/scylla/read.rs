//! Reading: pages, counts, single messages, what changed.

use super::{
    Fault,
    cell::{Cell, bucket, limit, part},
    row::{Kept, Row},
    runs::{Run, by_conversation, runs, runs_of},
    session::Session,
    statement::Read,
    walk::Walk,
    write::{CHANGED, MESSAGE},
};
use crate::message::{Message, Order, Span, Tally};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use natter_domain::{AccountId, ConversationId, MessageId};
use scylla::deserialize::row::DeserializeRow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Statements that one read has under way.
const AT_ONCE: usize = 32;
/// Seqs in one statement.
const SEQS: usize = 100;
/// Entries of `changed` that are looked at together.
const ENTRIES: usize = 200;

impl Session {
    /// The rows of a statement whose answer is bounded.
    pub(super) async fn rows<R>(&self, which: Read, cells: &[Cell<'_>]) -> Result<Vec<R>, Fault>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let found = self.driver.execute_unpaged(self.statements.read(which), cells).await?.into_rows_result()?;
        Ok(found.rows::<R>()?.collect::<Result<_, _>>()?)
    }

    pub(super) async fn page(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        order: Order,
        limit: u32,
    ) -> Result<Vec<Message>, Fault> {
        let mut messages = Vec::new();
        let mut runs = runs(spans, limit.into());
        if order == Order::NewestFirst {
            runs.reverse();
        }
        for run in runs {
            let wanted = limit as usize - messages.len();
            if wanted == 0 {
                break;
            }
            let mut kept = self.span(conversation, run.whole, order, wanted + run.holes as usize).await?;
            kept.retain(|kept| run.contains(kept.message.seq));
            kept.truncate(wanted);
            messages.extend(self.as_of(kept, run.whole.as_of).await?);
        }
        Ok(messages)
    }

    async fn span(
        &self,
        conversation: ConversationId,
        span: Span,
        order: Order,
        wanted: usize,
    ) -> Result<Vec<Kept>, Fault> {
        let mut found = Vec::new();
        let Some(range) = buckets(span) else { return Ok(found) };
        let mut walk = Walk::new(self, conversation, MESSAGE, range, order);
        while found.len() < wanted
            && let Some(bucket) = walk.next().await?
        {
            self.fill(conversation, bucket, span, order, wanted, &mut found).await?;
        }
        Ok(found)
    }

    /// Reads on where rows turned out to be no messages yet.
    async fn fill(
        &self,
        conversation: ConversationId,
        bucket: u64,
        mut span: Span,
        order: Order,
        wanted: usize,
        found: &mut Vec<Kept>,
    ) -> Result<(), Fault> {
        let which = if order == Order::NewestFirst { Read::NewestFirst } else { Read::OldestFirst };
        loop {
            let lacking = wanted - found.len();
            let cells: [Cell<'_>; 5] =
                [conversation.into(), bucket.into(), span.after.into(), span.until.into(), limit(lacking)];
            let rows: Vec<Row> = self.rows(which, &cells).await?;
            let end = rows.last().filter(|_| rows.len() == lacking).map(|row| row.seq as u64);
            found.extend(rows.into_iter().filter_map(Kept::of));
            let Some(end) = end.filter(|_| found.len() < wanted) else { return Ok(()) };
            match order {
                Order::NewestFirst => span.until = end.saturating_sub(1),
                Order::OldestFirst => span.after = end,
            }
        }
    }

    pub(super) async fn last(
        &self,
        spans: &[(ConversationId, Span)],
    ) -> Result<HashMap<ConversationId, Message>, Fault> {
        let of = by_conversation(spans);
        let last = of.iter().map(|(id, spans)| self.page(ConversationId(*id), spans, Order::NewestFirst, 1)).collect();
        let pages: Vec<Vec<Message>> = all(last).await?;
        Ok(pages.into_iter().flatten().map(|message| (message.conversation_id, message)).collect())
    }

    pub(super) async fn unread(
        &self,
        viewer: AccountId,
        spans: &[(ConversationId, Span)],
    ) -> Result<HashMap<ConversationId, u64>, Fault> {
        let runs = runs_of(spans);
        let counts = runs.iter().map(|(conversation, run)| self.count(viewer, *conversation, run)).collect();
        let counts: Vec<Tally> = all(counts).await?;
        let mut unread = HashMap::new();
        for ((conversation, _), count) in runs.iter().zip(counts) {
            *unread.entry(*conversation).or_default() += count.unread();
        }
        Ok(unread)
    }

    pub(super) async fn tally(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        spans: &[Span],
    ) -> Result<Tally, Fault> {
        let runs = runs(spans, u64::MAX);
        let counts = runs.iter().map(|run| self.count(viewer, conversation, run)).collect();
        let counts: Vec<Tally> = all(counts).await?;
        Ok(counts.into_iter().fold(Tally::default(), |sum, count| Tally {
            messages: sum.messages + count.messages,
            own: sum.own + count.own,
            system: sum.system + count.system,
            recalled: sum.recalled + count.recalled,
        }))
    }

    async fn count(&self, viewer: AccountId, conversation: ConversationId, run: &Run) -> Result<Tally, Fault> {
        let (mut count, span) = (Tally::default(), run.whole);
        let Some(range) = buckets(span) else { return Ok(count) };
        let mut walk = Walk::new(self, conversation, MESSAGE, range, Order::NewestFirst);
        while let Some(bucket) = walk.next().await? {
            let cells: Vec<Cell<'_>> = vec![conversation.into(), bucket.into(), span.after.into(), span.until.into()];
            let rows = self.driver.execute_iter(self.statements.read(Read::Senders).clone(), cells).await?;
            let mut senders = rows.rows_stream::<(i64, Option<Uuid>, Option<i64>, Option<i64>)>()?;
            while let Some((seq, sender, recalled_at, position)) = senders.try_next().await? {
                // A row that has changes only is no message yet.
                if position.is_none() || !run.contains(seq as u64) {
                    continue;
                }
                count.messages += 1;
                match sender {
                    None => count.system += 1,
                    Some(sender) if sender == viewer.0 => count.own += 1,
                    Some(_) => count.recalled += u64::from(recalled_at.is_some()),
                }
            }
        }
        Ok(count)
    }

    pub(super) async fn by_ids(&self, conversation: ConversationId, ids: &[MessageId]) -> Result<Vec<Message>, Fault> {
        let seqs: Vec<Option<u64>> = all(ids.iter().map(|id| self.seq_of(conversation, *id)).collect()).await?;
        self.by_seqs(conversation, seqs.into_iter().flatten().collect()).await
    }

    async fn seq_of(&self, conversation: ConversationId, id: MessageId) -> Result<Option<u64>, Fault> {
        let cells: [Cell<'_>; 2] = [conversation.into(), id.into()];
        let rows: Vec<(Option<i64>,)> = self.rows(Read::SeqOf, &cells).await?;
        Ok(rows.into_iter().find_map(|(seq,)| Some(seq? as u64)))
    }

    /// Those that exist, by rising seq.
    pub(super) async fn by_seqs(
        &self,
        conversation: ConversationId,
        wanted: BTreeSet<u64>,
    ) -> Result<Vec<Message>, Fault> {
        let rows = self.rows_at(conversation, wanted).await?;
        let mut messages: Vec<_> = rows.into_iter().filter_map(Kept::of).map(|kept| kept.message).collect();
        messages.sort_unstable_by_key(|message| message.seq);
        Ok(messages)
    }

    /// In any order.
    pub(super) async fn rows_at(&self, conversation: ConversationId, wanted: BTreeSet<u64>) -> Result<Vec<Row>, Fault> {
        let mut of: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for seq in wanted {
            of.entry(bucket(seq)).or_default().push(seq as i64);
        }
        let mut chunks = Vec::new();
        for (bucket, seqs) in &of {
            chunks.extend(seqs.chunks(SEQS).map(|seqs| self.at_seqs(conversation, *bucket, seqs)));
        }
        Ok(all(chunks).await?.into_iter().flatten().collect())
    }

    pub(super) async fn at_seqs(
        &self,
        conversation: ConversationId,
        bucket: u64,
        seqs: &[i64],
    ) -> Result<Vec<Row>, Fault> {
        let cells: [Cell<'_>; 3] = [conversation.into(), bucket.into(), Cell::Numbers(seqs.to_vec())];
        self.rows(Read::Seqs, &cells).await
    }

    /// An entry counts where it is the newest one of its message: each message comes once, where it stands now.
    pub(super) async fn changed(
        &self,
        conversation: ConversationId,
        after: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<Message>, Fault> {
        let (mut found, wanted) = (Vec::new(), limit as usize);
        if after >= until {
            return Ok(found);
        }
        let range = (part(after.saturating_add(1)), part(until));
        let mut walk = Walk::new(self, conversation, CHANGED, range, Order::OldestFirst);
        while found.len() < wanted
            && let Some(part) = walk.next().await?
        {
            let mut passed = after;
            while found.len() < wanted {
                let entries = self.entries(conversation, part, passed, until).await?;
                let newest = self.newest(conversation, &entries).await?;
                found.extend(newest.into_iter().filter(|message| message.position < message.changed));
                let Some(&(position, _)) = entries.last().filter(|_| entries.len() == ENTRIES) else { break };
                passed = position;
            }
        }
        found.truncate(wanted);
        Ok(found)
    }

    /// Positions and seqs.
    async fn entries(
        &self,
        conversation: ConversationId,
        part: u64,
        after: u64,
        until: u64,
    ) -> Result<Vec<(u64, u64)>, Fault> {
        let cells: [Cell<'_>; 5] = [conversation.into(), part.into(), after.into(), until.into(), limit(ENTRIES)];
        let rows: Vec<(i64, i64)> = self.rows(Read::ChangedSeqs, &cells).await?;
        Ok(rows.into_iter().map(|(position, seq)| (position as u64, seq as u64)).collect())
    }

    /// The messages whose newest change is among the entries, by rising change.
    async fn newest(&self, conversation: ConversationId, entries: &[(u64, u64)]) -> Result<Vec<Message>, Fault> {
        let at: HashMap<u64, u64> = entries.iter().map(|&(position, seq)| (seq, position)).collect();
        let mut messages = self.by_seqs(conversation, at.keys().copied().collect()).await?;
        messages.retain(|message| at.get(&message.seq) == Some(&message.changed));
        messages.sort_unstable_by_key(|message| message.changed);
        Ok(messages)
    }

    pub(super) async fn recalled(&self, conversation: ConversationId, wanted: &[u64]) -> Result<HashSet<u64>, Fault> {
        let mut of: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for seq in wanted {
            of.entry(bucket(*seq)).or_default().push(*seq as i64);
        }
        let in_bucket = |(bucket, seqs): (u64, Vec<i64>)| async move {
            let cells: [Cell<'_>; 3] = [conversation.into(), bucket.into(), Cell::Numbers(seqs)];
            self.rows::<(i64, Option<i64>)>(Read::Recalled, &cells).await
        };
        let rows = all(of.into_iter().map(in_bucket).collect()).await?;
        let recalled = rows.into_iter().flatten().filter(|(_, at)| at.is_some());
        Ok(recalled.map(|(seq, _)| seq as u64).collect())
    }

    pub(super) async fn mine(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        wanted: &[u64],
    ) -> Result<HashMap<u64, Vec<String>>, Fault> {
        let mut of: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for seq in wanted.iter().copied().collect::<BTreeSet<u64>>() {
            of.entry(bucket(seq)).or_default().push(seq as i64);
        }
        let mut chunks = Vec::new();
        for (bucket, seqs) in &of {
            chunks.extend(seqs.chunks(SEQS).map(|seqs| self.mine_in(viewer, conversation, *bucket, seqs)));
        }
        let rows: Vec<Vec<(i64, String)>> = all(chunks).await?;
        let mut mine: HashMap<u64, Vec<String>> = HashMap::new();
        for (seq, emoji) in rows.into_iter().flatten() {
            mine.entry(seq as u64).or_default().push(emoji);
        }
        mine.values_mut().for_each(|emojis| emojis.sort_unstable());
        Ok(mine)
    }

    async fn mine_in(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        bucket: u64,
        seqs: &[i64],
    ) -> Result<Vec<(i64, String)>, Fault> {
        let cells: [Cell<'_>; 4] = [conversation.into(), bucket.into(), Cell::Numbers(seqs.to_vec()), viewer.into()];
        self.rows(Read::Mine, &cells).await
    }
}

/// Several reads at once, their answers in order.
pub(super) async fn all<T>(reads: Vec<impl Future<Output = Result<T, Fault>>>) -> Result<Vec<T>, Fault> {
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// The buckets of a span; `None`: it is empty.
pub(super) fn buckets(span: Span) -> Option<(u64, u64)> {
    (span.after < span.until).then(|| (bucket(span.after.saturating_add(1)), bucket(span.until)))
}
