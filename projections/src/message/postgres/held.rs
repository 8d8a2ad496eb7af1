//! All that a schema of PostgreSQL holds of history, for who compares it with another home: see `message/held.rs`.

use crate::{
    Error,
    message::{
        held::{Columns, Held, Unit},
        scylla::{part, seqs},
    },
};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const BUCKET: i64 = 4096;

/// Of every conversation, whether or not anybody knows of it.
pub(crate) async fn units(connection: &mut PgConnection, schema: &str) -> Result<BTreeSet<Unit>, Error> {
    let tables = ["message", "message_change", "reaction"];
    let parts = tables.map(|table| format!("SELECT conversation_id, seq / {BUCKET} AS bucket FROM {schema}.{table}"));
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(&parts.join(" UNION "))
        .fetch_all(connection)
        .await
        .map_err(Error::database("list the conversations of a generation"))?;
    Ok(rows.into_iter().map(|(conversation, bucket)| Unit { conversation, bucket: bucket as u64 }).collect())
}

pub(crate) async fn held(
    connection: &mut PgConnection,
    schema: &str,
    units: &[Unit],
) -> Result<BTreeMap<Unit, Held>, Error> {
    let mut all: BTreeMap<Unit, Held> = units.iter().map(|unit| (*unit, Held::new(*unit))).collect();
    for row in rows(connection, &messages(schema), units).await? {
        let (held, seq) = place(&mut all, &row);
        held.message(seq, columns(&row));
        held.part("message", row.get::<i64, _>("bucket") as u64);
    }
    for row in rows(connection, &changes(schema), units).await? {
        let (held, seq) = place(&mut all, &row);
        let position = row.get::<i64, _>("position") as u64;
        held.change(seq, position, columns(&row));
        held.part("changed", part(position));
    }
    for row in rows(connection, &reactions(schema), units).await? {
        let (held, seq) = place(&mut all, &row);
        held.reaction(row.get("account_id"), seq, row.get("emoji"), columns(&row));
    }
    Ok(all)
}

/// With the columns that a cluster has: moments in milliseconds, as they come from the log.
fn messages(schema: &str) -> String {
    let moment = |column: &str| format!("'{column}', (extract(epoch FROM {column}) * 1000)::bigint");
    let moments = ["sent_at", "edited_at", "recalled_at", "pinned_at", "expires_at"].map(moment).join(", ");
    format!(
        "SELECT message.conversation_id, bucket, seq, jsonb_build_object(
             'message_id', message_id, 'sender', sender, 'body', body, 'edited_body', edited_body, {moments},
             'recalled_by', recalled_by, 'reactions', coalesce(reactions, '{{}}'), 'kind', kind, 'details', details, 'has_link', has_link, 'position', position, 'changed', coalesce(changed, position),
             'by_id', seq) AS columns FROM {}",
        within(schema, "message")
    )
}

fn changes(schema: &str) -> String {
    format!(
        "SELECT message_change.conversation_id, bucket, seq, position, jsonb_build_object(
             'what', what, 'at', (extract(epoch FROM at) * 1000)::bigint, 'body', body, 'emoji', emoji, 'count', count,
             'account_id', account_id, 'noted', seq) AS columns FROM {}",
        within(schema, "message_change")
    )
}

fn reactions(schema: &str) -> String {
    format!(
        "SELECT reaction.conversation_id, bucket, seq, account_id, emoji, jsonb_build_object(
             'position', position, 'at', (extract(epoch FROM at) * 1000)::bigint) AS columns FROM {}",
        within(schema, "reaction")
    )
}

fn within(schema: &str, table: &str) -> String {
    format!(
        "UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS unit(conversation_id, bucket, first, last)
         JOIN {schema}.{table} ON {table}.conversation_id = unit.conversation_id AND seq BETWEEN first AND last"
    )
}

async fn rows(connection: &mut PgConnection, sql: &str, units: &[Unit]) -> Result<Vec<PgRow>, Error> {
    let column = |of: fn(&Unit) -> u64| units.iter().map(|unit| super::number(of(unit))).collect::<Vec<_>>();
    sqlx::query(sql)
        .bind(units.iter().map(|unit| unit.conversation).collect::<Vec<_>>())
        .bind(column(|unit| unit.bucket))
        .bind(column(|unit| seqs(unit.bucket).0))
        .bind(column(|unit| seqs(unit.bucket).1))
        .fetch_all(connection)
        .await
        .map_err(Error::database("read the messages of a generation"))
}

fn place<'a>(all: &'a mut BTreeMap<Unit, Held>, row: &PgRow) -> (&'a mut Held, u64) {
    let unit = Unit { conversation: row.get("conversation_id"), bucket: row.get::<i64, _>("bucket") as u64 };
    (all.entry(unit).or_insert_with(|| Held::new(unit)), row.get::<i64, _>("seq") as u64)
}

fn columns(row: &PgRow) -> Columns {
    row.get::<Json<Columns>, _>("columns").0
}
