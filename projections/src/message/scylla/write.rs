//! Changes as statements, grouped by partition: what goes to one goes in unlogged batches, which are one write there.
//! Batches over several partitions would cost their coordinator more than they save.

use super::{
    Fault,
    cell::{Cell, bucket, part},
    session::Session,
    statement::Write,
};
use crate::message::{
    Change, What,
    postgres::{counted as counted_to, whose, written},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use natter_domain::{ConversationId, MessageId, conversation::BodyKind};
use scylla::statement::batch::{Batch, BatchType};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Of one batch. Cassandra refuses batches from 50 KiB on, unless they stay within one partition; ScyllaDB warns.
const STATEMENTS: usize = 64;
const BYTES: usize = 32 * 1024;

/// Where rows lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Partition {
    Bucket(Uuid, u64),
    Id(Uuid, Uuid),
    Changed(Uuid, u64),
    Parts(Uuid),
}

/// A partition that must be found again: the conversation, the table, the number.
pub(super) type Part = (ConversationId, &'static str, u64);

struct Statement<'a> {
    which: Write,
    cells: Vec<Cell<'a>>,
}

impl Statement<'_> {
    fn size(&self) -> usize {
        self.cells.iter().map(Cell::size).sum()
    }
}

/// All that changes write.
#[derive(Default)]
pub(super) struct Writes<'a> {
    partitions: BTreeMap<Partition, Vec<Statement<'a>>>,
    parts: BTreeSet<Part>,
}

macro_rules! cells {
    ($($value:expr),+ $(,)?) => { vec![$(Cell::from($value)),+] };
}

impl<'a> Writes<'a> {
    pub(super) fn of(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut writes = Self::default();
        for change in changes {
            writes.add(change);
        }
        writes
    }

    /// The partitions that are written to.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.parts.iter().copied()
    }

    /// Also makes partitions known, but for those that are.
    pub(super) fn make_known(&mut self, unknown: &[Part], position: u64) {
        for &(conversation, table, part) in unknown {
            let cells = cells![conversation, table, part, position];
            self.push(Partition::Parts(conversation.0), Write::Part, cells);
        }
    }

    fn push(&mut self, partition: Partition, which: Write, cells: Vec<Cell<'a>>) {
        self.partitions.entry(partition).or_default().push(Statement { which, cells });
    }

    fn in_bucket(&mut self, change: &Change, which: Write, cells: Vec<Cell<'a>>) {
        self.push(Partition::Bucket(change.conversation_id.0, bucket(change.seq)), which, cells);
    }

    fn add(&mut self, change: &'a Change) {
        let Change { position, at, .. } = *change;
        self.parts.insert((change.conversation_id, MESSAGE, bucket(change.seq)));
        if let What::Sent { message_id, .. } = &change.what {
            self.sent(change, *message_id);
            return;
        }
        self.traces(change);
        let row = |set: Vec<Cell<'a>>| [cells![position], set, cells![position], at_row(change)].concat();
        match &change.what {
            What::Sent { .. } => {}
            What::Edited { body, has_link } => {
                let body = Cell::Text(body.to_string().into());
                self.in_bucket(change, Write::Edited, row(vec![body.clone(), at.into(), Cell::Flag(*has_link)]));
                let edit = [at_row(change), vec![position.into(), body, at.into(), position.into()]].concat();
                self.in_bucket(change, Write::Edit, edit);
            }
            What::Recalled { by } => {
                self.in_bucket(change, Write::Recalled, row(vec![at.into(), by.map_or(Cell::Unset, Cell::from)]));
                // The change that it is stays, and has this position.
                let before = || [cells![position.saturating_sub(1)], at_row(change)].concat();
                for forget in [Write::ForgetEdits, Write::ForgetChanges, Write::ForgetReactions] {
                    self.in_bucket(change, forget, before());
                }
            }
            What::Reacted { account, emoji, count } => {
                self.in_bucket(change, Write::Counted, row(counted(emoji, *count)));
                let put = cells![*account, emoji.as_str(), position, at, position];
                self.in_bucket(change, Write::Reaction, [at_row(change), put].concat());
            }
            What::Unreacted { account, emoji, count } => {
                self.in_bucket(change, Write::Counted, row(counted(emoji, *count)));
                let gone = [cells![position], at_row(change), cells![*account, emoji.as_str()]].concat();
                self.in_bucket(change, Write::NoReaction, gone);
            }
            What::Pinned => self.in_bucket(change, Write::Pinned, row(cells![at])),
            What::Unpinned => self.in_bucket(change, Write::Pinned, row(vec![Cell::Null])),
            What::Counting { expires_at } => self.in_bucket(change, Write::Counting, row(cells![*expires_at])),
        }
    }

    fn sent(&mut self, change: &'a Change, message_id: MessageId) {
        let What::Sent { sender, body, kind, details, .. } = &change.what else { return };
        let (conversation, position) = (change.conversation_id, change.position);
        let sender = sender.map_or(Cell::Unset, Cell::from);
        let body = Cell::Text(body.to_string().into());
        let born = vec![message_id.into(), sender, body, change.at.into(), position.into(), position.into()];
        let with = vec![
            kind.filter(|kind| *kind != BodyKind::Text).map_or(Cell::Unset, |kind| kind.as_str().into()),
            written(details).map_or(Cell::Unset, |json| Cell::Text(json.into())),
            if details.has_link { Cell::Flag(true) } else { Cell::Unset },
            position.into(),
        ];
        self.in_bucket(change, Write::Sent, [at_row(change), born, with].concat());
        let by_id = cells![conversation, message_id, change.seq, position];
        self.push(Partition::Id(conversation.0, message_id.0), Write::ById, by_id);
    }

    /// What tells later that there was a change, and which.
    fn traces(&mut self, change: &'a Change) {
        let (conversation, position, part) = (change.conversation_id, change.position, part(change.position));
        self.parts.insert((conversation, CHANGED, part));
        let (what, emoji, count) = described(&change.what);
        let by = whose(&change.what).map_or(Cell::Unset, Cell::from);
        let told = vec![position.into(), what.into(), change.at.into(), emoji, count, by, position.into()];
        self.in_bucket(change, Write::Change, [at_row(change), told].concat());
        let changed = cells![conversation, part, position, change.seq, position];
        self.push(Partition::Changed(conversation.0, part), Write::Changed, changed);
    }

    /// Writes all of it, several partitions at once. After an error anything may be written or not.
    pub(super) async fn run(self, session: &Session, at_once: usize) -> Result<(), Fault> {
        let writes: Vec<_> =
            self.partitions.into_values().flat_map(chunks).map(|chunk| write(session, chunk)).collect();
        stream::iter(writes).buffer_unordered(at_once).try_collect().await
    }
}

/// The names of tables in `conversation_part`.
pub(super) const MESSAGE: &str = "message";
pub(super) const CHANGED: &str = "changed";

fn at_row<'a>(change: &Change) -> Vec<Cell<'a>> {
    cells![change.conversation_id, bucket(change.seq), change.seq]
}

/// None is a deleted entry, so that the map does not grow by what is gone.
fn counted(emoji: &str, count: u64) -> Vec<Cell<'_>> {
    vec![emoji.into(), if count == 0 { Cell::Null } else { count.into() }]
}

fn described(what: &What) -> (&'static str, Cell<'_>, Cell<'_>) {
    match what {
        What::Sent { .. } => ("sent", Cell::Unset, Cell::Unset),
        What::Edited { .. } => ("edited", Cell::Unset, Cell::Unset),
        What::Recalled { .. } => ("recalled", Cell::Unset, Cell::Unset),
        What::Reacted { emoji, count, .. } => ("reacted", emoji.as_str().into(), (*count).into()),
        What::Unreacted { emoji, count, .. } => ("unreacted", emoji.as_str().into(), (*count).into()),
        What::Pinned => ("pinned", Cell::Unset, Cell::Unset),
        What::Unpinned => ("unpinned", Cell::Unset, Cell::Unset),
        What::Counting { .. } => ("counting", Cell::Unset, counted_to(what).map_or(Cell::Unset, Cell::from)),
    }
}

/// As many as a batch may hold; one that is too large by itself goes alone.
fn chunks(statements: Vec<Statement<'_>>) -> Vec<Vec<Statement<'_>>> {
    let (mut chunks, mut size) = (Vec::<Vec<_>>::new(), 0);
    for statement in statements {
        size += statement.size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < STATEMENTS && size <= BYTES => chunk.push(statement),
            _ => {
                size = statement.size();
                chunks.push(vec![statement]);
            }
        }
    }
    chunks
}

async fn write(session: &Session, chunk: Vec<Statement<'_>>) -> Result<(), Fault> {
    let Session { driver, statements } = session;
    if let [Statement { which, cells }] = chunk.as_slice() {
        driver.execute_unpaged(statements.write(*which), cells.as_slice()).await?;
        return Ok(());
    }
    // Logged unless told otherwise.
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    batch.set_execution_profile_handle(Some(statements.writing.clone()));
    let mut rows = Vec::with_capacity(chunk.len());
    for Statement { which, cells } in chunk {
        batch.append_statement(statements.write(which).clone());
        rows.push(cells);
    }
    driver.batch(&batch, rows).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(bytes: usize) -> Statement<'static> {
        Statement { which: Write::Part, cells: vec![Cell::Text("a".repeat(bytes).into())] }
    }

    fn sizes(statements: Vec<Statement<'static>>) -> Vec<usize> {
        chunks(statements).iter().map(Vec::len).collect()
    }

    #[test]
    fn batches_are_bounded_in_count_and_in_bytes() {
        assert_eq!(sizes((0..150).map(|_| statement(1)).collect()), [64, 64, 22]);
        assert_eq!(sizes((0..5).map(|_| statement(BYTES / 2)).collect()), [2, 2, 1]);
        assert_eq!(sizes(vec![statement(1), statement(BYTES * 2), statement(1)]), [1, 1, 1]);
        assert_eq!(sizes(vec![]), [0; 0]);
    }
}
