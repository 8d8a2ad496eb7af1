//! A walk over the rows of one generation, for comparison: sums first, by what routes them to their lane, then the rows of
//! what differs. A store that is not PostgreSQL brings a walk of its own, over the same text of rows.

use super::Table;
use crate::Error;
use futures::TryStreamExt;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How many rows, and the sum of their hashes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    pub rows: u64,
    pub checksum: u64,
}

impl Sum {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.checksum = self.checksum.wrapping_add(other.checksum);
    }
}

/// What a table is made of, as the first generation's is.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) table: Table,
    key: Vec<String>,
    columns: Vec<String>,
}

impl Shape {
    pub(super) async fn read(connection: &mut PgConnection, table: Table) -> Result<Self, Error> {
        let names = |sql: &'static str| sqlx::query_scalar(sql).bind(format!("public.{}", table.name));
        let failed = || Error::database("read the shape of a table");
        let columns = names(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
             ORDER BY attname",
        );
        let columns = columns.fetch_all(&mut *connection).await.map_err(failed())?;
        let key = names(
            "SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid
             WHERE indrelid = $1::regclass AND indisprimary AND attnum = ANY(indkey[0:indnkeyatts - 1])
             ORDER BY array_position(indkey, attnum)",
        );
        let key = key.fetch_all(connection).await.map_err(failed())?;
        Ok(Self { table, key, columns })
    }
}

/// The rows of a table by what routes them, summed up one after the other.
pub(super) async fn sums(
    connection: &mut PgConnection,
    schema: &str,
    shape: &Shape,
    mut each: impl FnMut(Uuid, Sum),
) -> Result<(), Error> {
    let (route, name, columns) = (shape.table.route, shape.table.name, shape.columns.join(", "));
    let sql = format!(
        "SELECT {route} AS route, count(*) AS rows,
                (sum(hashtextextended(ROW({columns})::text, 0)) % 9223372036854775783)::bigint AS checksum
         FROM {schema}.{name} GROUP BY {route}"
    );
    let mut rows = sqlx::query(&sql).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(Error::database("sum up the rows of a generation"))? {
        let sum = Sum { rows: row.get::<i64, _>("rows") as u64, checksum: row.get::<i64, _>("checksum") as u64 };
        each(row.get("route"), sum);
    }
    Ok(())
}

/// A row's columns, by name.
pub(super) type Columns = serde_json::Map<String, serde_json::Value>;

/// The rows of some routes, by their key in words.
pub(super) async fn rows(
    connection: &mut PgConnection,
    schema: &str,
    shape: &Shape,
    routes: &[Uuid],
) -> Result<BTreeMap<String, (Uuid, Columns)>, Error> {
    let (route, name) = (shape.table.route, shape.table.name);
    let key = shape.key.iter().map(|column| format!("'{column}=' || {column}::text")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {route} AS route, concat_ws(', ', {key}) AS key, to_jsonb(held) AS columns FROM {schema}.{name} AS held
         WHERE {route} = ANY($1)"
    );
    let found = sqlx::query(&sql)
        .bind(routes)
        .fetch_all(connection)
        .await
        .map_err(Error::database("read rows of a generation"))?;
    let row = |row: &sqlx::postgres::PgRow| {
        let columns = row.get::<sqlx::types::Json<Columns>, _>("columns").0;
        (row.get("key"), (row.get("route"), columns))
    };
    Ok(found.iter().map(row).collect())
}
