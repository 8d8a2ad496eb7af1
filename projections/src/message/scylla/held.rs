//! All that a keyspace holds of history, for who compares it with another home: see `message/held.rs`. Rows that stand
//! for changes of a message which is not there itself are left out, as readers leave them out.

use super::{
    Fault,
    cell::{Cell, limit, part},
    read::all,
    row::Row,
    session::Session,
    statement::Read,
    write::{CHANGED, MESSAGE},
};
use crate::message::held::{Columns, Held, Unit};
use futures::TryStreamExt as _;
use scylla::deserialize::row::DeserializeRow;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Keys of one statement.
const KEYS: usize = 50;

/// Seq, position, what, when, emoji, count, by whom.
type Change = (i64, i64, Option<String>, Option<i64>, Option<String>, Option<i64>, Option<Uuid>);

/// By whom, seq, emoji, position, when.
type Reaction = (Uuid, i64, String, Option<i64>, Option<i64>);

impl Session {
    /// Of every conversation, whether or not anybody knows of it: all partitions that there are.
    pub(super) async fn units(&self) -> Result<BTreeSet<Unit>, Fault> {
        let mut units = BTreeSet::new();
        for which in [Read::MessageUnits, Read::ChangeUnits, Read::ReactionUnits] {
            let found: Vec<(Uuid, i64)> = self.all_rows(which, Vec::new()).await?;
            let unit = |(conversation, bucket): (Uuid, i64)| Unit { conversation, bucket: bucket as u64 };
            units.extend(found.into_iter().map(unit));
        }
        Ok(units)
    }

    pub(super) async fn held(&self, units: &[Unit]) -> Result<BTreeMap<Unit, Held>, Fault> {
        let held: Vec<Held> = all(units.iter().map(|unit| self.held_in(*unit)).collect()).await?;
        Ok(units.iter().copied().zip(held).collect())
    }

    async fn held_in(&self, unit: Unit) -> Result<Held, Fault> {
        let at = || vec![Cell::Uuid(unit.conversation), unit.bucket.into()];
        let (messages, changes, edits, reactions) = futures::try_join!(
            self.all_rows::<Row>(Read::HeldMessages, at()),
            self.all_rows::<Change>(Read::HeldChanges, at()),
            self.all_rows::<(i64, i64, Option<String>)>(Read::HeldEdits, at()),
            self.all_rows::<Reaction>(Read::HeldReactions, at()),
        )?;
        let mut held = Held::new(unit);
        self.hold_messages(unit, messages, &mut held).await?;
        self.hold_changes(unit, changes, edits, &mut held).await?;
        for (account, seq, emoji, position, at) in reactions {
            held.reaction(account, seq as u64, &emoji, object(json!({"position": position, "at": at})));
        }
        Ok(held)
    }

    async fn hold_messages(&self, unit: Unit, mut rows: Vec<Row>, held: &mut Held) -> Result<(), Fault> {
        rows.retain(|row| row.message_id.is_some() && row.sent_at.is_some() && row.position.is_some());
        let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.message_id).collect();
        let found = ids.chunks(KEYS).map(|ids| self.found_by_id(unit, ids)).collect();
        let by_id: HashMap<Uuid, i64> = all(found).await?.into_iter().flatten().collect();
        if !rows.is_empty() && self.is_found(unit, MESSAGE, unit.bucket).await? {
            held.part(MESSAGE, unit.bucket);
        }
        for row in rows {
            let by_id = row.message_id.and_then(|id| by_id.get(&id)).copied();
            held.message(row.seq as u64, message(row, by_id));
        }
        Ok(())
    }

    async fn found_by_id(&self, unit: Unit, ids: &[Uuid]) -> Result<Vec<(Uuid, i64)>, Fault> {
        let cells: [Cell<'_>; 2] = [Cell::Uuid(unit.conversation), Cell::Uuids(ids.to_vec())];
        self.rows(Read::SeqsOf, &cells).await
    }

    async fn hold_changes(
        &self,
        unit: Unit,
        changes: Vec<Change>,
        edits: Vec<(i64, i64, Option<String>)>,
        held: &mut Held,
    ) -> Result<(), Fault> {
        let mut parts: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for (_, position, ..) in &changes {
            parts.entry(part(*position as u64)).or_default().push(*position);
        }
        let mut noted = HashMap::new();
        for (part, positions) in parts {
            let found = positions.chunks(KEYS).map(|positions| self.noted(unit, part, positions)).collect();
            noted.extend(all(found).await?.into_iter().flatten());
            if self.is_found(unit, CHANGED, part).await? {
                held.part(CHANGED, part);
            }
        }
        let mut bodies: HashMap<i64, Option<String>> = edits.into_iter().map(|(_, at, body)| (at, body)).collect();
        for (seq, position, what, at, emoji, count, account) in changes {
            let (body, noted) = (bodies.remove(&position).flatten(), noted.get(&position));
            let columns = json!({
                "what": what, "at": at, "body": body, "emoji": emoji, "count": count, "account_id": account, "noted": noted
            });
            held.change(seq as u64, position as u64, object(columns));
        }
        Ok(())
    }

    async fn noted(&self, unit: Unit, part: u64, positions: &[i64]) -> Result<Vec<(i64, i64)>, Fault> {
        let cells: [Cell<'_>; 3] = [Cell::Uuid(unit.conversation), part.into(), Cell::Numbers(positions.to_vec())];
        self.rows(Read::Noted, &cells).await
    }

    async fn is_found(&self, unit: Unit, table: &'static str, part: u64) -> Result<bool, Fault> {
        let cells: [Cell<'_>; 5] = [Cell::Uuid(unit.conversation), table.into(), part.into(), part.into(), limit(1)];
        let rows: Vec<(i64,)> = self.rows(Read::PartsUp, &cells).await?;
        Ok(!rows.is_empty())
    }

    /// Page by page: there may be many.
    pub(super) async fn all_rows<R>(&self, which: Read, cells: Vec<Cell<'static>>) -> Result<Vec<R>, Fault>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + 'static,
    {
        let rows = self.driver.execute_iter(self.statements.read(which).clone(), cells).await?;
        Ok(rows.rows_stream::<R>()?.try_collect().await?)
    }
}

fn message(row: Row, by_id: Option<i64>) -> Columns {
    object(json!({
        "message_id": row.message_id, "sender": row.sender, "body": row.body, "edited_body": row.edited_body,
        "sent_at": row.sent_at, "edited_at": row.edited_at, "recalled_at": row.recalled_at,
        "recalled_by": row.recalled_by, "pinned_at": row.pinned_at, "expires_at": row.expires_at, "reactions": row.reactions.unwrap_or_default(),
        "position": row.position, "changed": row.changed.or(row.position), "by_id": by_id, "details": row.details,
        "kind": row.kind, "has_link": row.has_link.filter(|has| *has)
    }))
}

fn object(value: Value) -> Columns {
    let Value::Object(columns) = value else { unreachable!("it is written as one") };
    columns
}
