//! Values of statements, and where rows lie.

use natter_domain::{AccountId, ConversationId, MessageId, Timestamp};
use scylla::{
    cluster::metadata::ColumnType,
    serialize::{
        SerializationError,
        value::SerializeValue,
        writers::{CellWriter, WrittenCellProof},
    },
    value::Unset,
};
use std::borrow::Cow;
use uuid::Uuid;

/// Messages of one partition.
const BUCKET: u64 = 4096;
/// Lane positions of one partition of `changed`.
const PART: u64 = 1 << 20;

/// One value of a statement; its row is a list of them.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Cell<'a> {
    Uuid(Uuid),
    Number(i64),
    Flag(bool),
    Text(Cow<'a, str>),
    Numbers(Vec<i64>),
    Uuids(Vec<Uuid>),
    /// Of rows, behind LIMIT.
    Limit(i32),
    /// Deletes what is there.
    Null,
    /// Leaves what is there, and no tombstone.
    Unset,
}

impl Cell<'_> {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Numbers(numbers) => numbers.len() * 12,
            Self::Uuids(uuids) => uuids.len() * 20,
            _ => 16,
        }
    }
}

impl SerializeValue for Cell<'_> {
    fn serialize<'b>(
        &self,
        typ: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match self {
            Self::Uuid(uuid) => uuid.serialize(typ, writer),
            Self::Number(number) => number.serialize(typ, writer),
            Self::Flag(flag) => flag.serialize(typ, writer),
            Self::Text(text) => text.as_ref().serialize(typ, writer),
            Self::Numbers(numbers) => numbers.serialize(typ, writer),
            Self::Uuids(uuids) => uuids.serialize(typ, writer),
            Self::Limit(limit) => limit.serialize(typ, writer),
            Self::Null => None::<i64>.serialize(typ, writer),
            Self::Unset => Unset.serialize(typ, writer),
        }
    }
}

impl From<ConversationId> for Cell<'_> {
    fn from(id: ConversationId) -> Self {
        Self::Uuid(id.0)
    }
}

impl From<MessageId> for Cell<'_> {
    fn from(id: MessageId) -> Self {
        Self::Uuid(id.0)
    }
}

impl From<AccountId> for Cell<'_> {
    fn from(id: AccountId) -> Self {
        Self::Uuid(id.0)
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Number(time.as_millis())
    }
}

impl From<u64> for Cell<'_> {
    fn from(unsigned: u64) -> Self {
        Self::Number(number(unsigned))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

/// At most so many rows.
pub(super) fn limit<'a>(rows: usize) -> Cell<'a> {
    Cell::Limit(i32::try_from(rows).unwrap_or(i32::MAX))
}

/// CQL has no unsigned numbers; no seq and no position comes near.
pub(super) fn number(unsigned: u64) -> i64 {
    i64::try_from(unsigned).unwrap_or(i64::MAX)
}

pub(super) fn bucket(seq: u64) -> u64 {
    seq / BUCKET
}

pub(crate) fn part(position: u64) -> u64 {
    position / PART
}

/// The seqs of a bucket, both included.
pub(crate) fn seqs(bucket: u64) -> (u64, u64) {
    let first = bucket.saturating_mul(BUCKET);
    (first, first.saturating_add(BUCKET - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seq_lies_in_the_bucket_that_holds_it() {
        for seq in [0, 1, 4095, 4096, 8191, 8192, u64::MAX] {
            let (first, last) = seqs(bucket(seq));
            assert!(first <= seq && seq <= last, "{seq} in {first}..={last}");
        }
        assert_eq!([4095, 4096, 8192].map(bucket), [0, 1, 2]);
        assert_eq!([(1 << 20) - 1, 1 << 20].map(part), [0, 1]);
    }
}
