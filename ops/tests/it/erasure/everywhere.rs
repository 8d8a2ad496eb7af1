//! All that is stored, as text: every column of every table of every schema, every message of every stream and bucket
//! with its headers, every row of the cluster, every line that a node has written.

use natter_streams::subject;
use natter_testkit::{Cql, Node, Stack};
use sqlx::{PgPool, Row};

/// Places, each with what it holds.
pub struct Everywhere(Vec<(String, String)>);

impl Everywhere {
    pub async fn look(stack: &Stack, nodes: &[&Node], cluster: Option<&Cql>) -> Self {
        let mut places = Vec::new();
        for (number, pool) in stack.pools().iter().enumerate() {
            for (table, rows) in tables(pool).await {
                places.push((format!("{table} of server {number}"), rows));
            }
        }
        let streams = stack.kept_by_streams().await;
        places.extend(streams.into_iter().map(|(name, kept)| (format!("stream {name}"), kept)));
        for (number, node) in nodes.iter().enumerate() {
            places.push((format!("what node {number} has written"), node.output()));
        }
        if let Some(cluster) = cluster {
            let live = "SELECT generation FROM projection_generation WHERE projection = 'history' AND state = 'live'";
            let live: i32 = sqlx::query_scalar(live).fetch_one(stack.pool()).await.expect("history is live somewhere");
            for table in ["message", "message_change", "message_reaction"] {
                let rows = cluster.execute(&format!("SELECT * FROM {}_{live}.{table}", cluster.keyspace)).await;
                let rows = rows.unwrap_or_else(|error| panic!("read {table}: {error}"));
                places.push((format!("{table} of the cluster"), String::from_utf8_lossy(&rows).into_owned()));
            }
        }
        Self(places)
    }

    /// What is known to be there is found there.
    pub async fn holds_control(&self, stack: &Stack) {
        let log = stack.log().await;
        let sent = log.iter().filter(|event| event.event_type == "message_sent");
        let mut parts = sent.flat_map(|event| event.payload.split('"'));
        let body = parts.find(|part| part.starts_with('m') && part.contains('.')).expect("a sealed body");
        let places = found(self, body);
        assert!(self.0.iter().any(|(place, _)| place.ends_with(subject::CODES)), "buckets are looked at");
        for place in ["events of server 0", "stream "] {
            assert!(places.iter().any(|it| it.contains(place)), "the body is in {place}: {places:?}");
        }
        if self.0.iter().any(|(place, _)| place.contains("of the cluster")) {
            assert!(places.iter().any(|it| it.contains("of the cluster")), "{places:?}");
        }
    }
}

/// Where that is, in any case of letters.
pub fn found(everywhere: &Everywhere, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let holds = |held: &str| held.to_lowercase().contains(&text);
    everywhere.0.iter().filter(|(_, held)| holds(held)).map(|(place, _)| place.clone()).collect()
}

async fn tables(pool: &PgPool) -> Vec<(String, String)> {
    let names = "SELECT table_schema, table_name FROM information_schema.tables
                 WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let names = sqlx::query(names).fetch_all(pool).await.expect("list the tables");
    assert!(names.len() > 20, "{} tables", names.len());
    let mut tables = Vec::new();
    for name in names {
        let (schema, table): (String, String) = (name.get(0), name.get(1));
        let rows = format!(r#"SELECT coalesce(string_agg(row::text, E'\n'), '') FROM "{schema}"."{table}" AS row"#);
        let rows: String = sqlx::query_scalar(&rows).fetch_one(pool).await.expect("read a table");
        tables.push((format!("{schema}.{table}"), rows));
    }
    tables
}
