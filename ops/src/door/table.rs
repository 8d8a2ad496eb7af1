//! The list as it stands in PostgreSQL, and what became of it. A change and its trace are one transaction.

use anyhow::{Context, Result};
use natter_domain::Timestamp;
use natter_edge::door::{IpNet, Lists, Verdict, lists::Entry};
use sqlx::{PgPool, Postgres, Transaction};

pub struct Table(PgPool);

/// A line that is to be on the list.
pub struct Change<'a> {
    pub network: IpNet,
    pub verdict: Verdict,
    pub until: Option<Timestamp>,
    pub reason: &'a str,
    pub by: &'a str,
}

/// In rows, and for people.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

impl Table {
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Those whose time is not over. What cannot be read is told and left out: the others hold.
    pub async fn read(&self) -> Result<Lists> {
        let sql = "SELECT network::text, verdict, (extract(epoch FROM until) * 1000)::bigint FROM door_list
            WHERE until IS NULL OR until > now()";
        let rows: Vec<(String, String, Option<i64>)> =
            sqlx::query_as(sql).fetch_all(&self.0).await.context("read the list")?;
        let entry = |(network, verdict, until): (String, String, Option<i64>)| {
            let verdict = if verdict == "allow" { Verdict::Allow } else { Verdict::Deny };
            let network = network.parse().inspect_err(|_| tracing::error!(network, "no network on the door's list"));
            Some(Entry { network: network.ok()?, verdict, until: until.map(Timestamp::from_millis) })
        };
        Ok(Lists::new(rows.into_iter().filter_map(entry)))
    }

    pub async fn put(&self, change: &Change<'_>) -> Result<()> {
        let mut transaction = self.0.begin().await.context("change the list")?;
        let sql = "INSERT INTO door_list (network, verdict, until, reason, actor)
            VALUES ($1::cidr, $2, to_timestamp($3::double precision / 1000), $4, $5)
            ON CONFLICT (network) DO UPDATE SET verdict = $2, until = excluded.until, reason = $4, actor = $5, at = now()";
        let put = sqlx::query(sql)
            .bind(change.network.to_string())
            .bind(word(change.verdict))
            .bind(change.until.map(Timestamp::as_millis))
            .bind(change.reason)
            .bind(change.by);
        put.execute(&mut *transaction).await.context("change the list")?;
        trace(&mut transaction, word(change.verdict), change).await?;
        transaction.commit().await.context("change the list")
    }

    /// `false`: it is not there.
    pub async fn forget(&self, network: IpNet, reason: &str, by: &str) -> Result<bool> {
        let mut transaction = self.0.begin().await.context("change the list")?;
        let gone = sqlx::query("DELETE FROM door_list WHERE network = $1::cidr").bind(network.to_string());
        if gone.execute(&mut *transaction).await.context("change the list")?.rows_affected() == 0 {
            return Ok(false);
        }
        // Which verdict it was says the row before it.
        let change = Change { network, verdict: Verdict::Allow, until: None, reason, by };
        trace(&mut transaction, "forget", &change).await?;
        transaction.commit().await.context("change the list")?;
        Ok(true)
    }

    /// `<when> deny 192.0.2.0/24 until <time> by <actor>: <reason>`, those whose time is over too.
    pub async fn list(&self) -> Result<Vec<String>> {
        self.lines("verdict", "CASE WHEN until <= now() THEN ' (over)' ELSE '' END", "door_list ORDER BY network").await
    }

    pub async fn changes(&self) -> Result<Vec<String>> {
        self.lines("change", "''", "door_changes ORDER BY number").await
    }

    async fn lines(&self, what: &str, mark: &str, from: &str) -> Result<Vec<String>> {
        let time = |column: &str| format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
        let (at, until) = (time("at"), time("until"));
        let sql = format!(
            "SELECT {at} || ' ' || {what} || ' ' || network::text || coalesce(' until ' || {until}, '') || {mark}
                || ' by ' || actor || CASE WHEN reason = '' THEN '' ELSE ': ' || reason END
            FROM {from}"
        );
        sqlx::query_scalar(&sql).fetch_all(&self.0).await.context("read the list")
    }
}

async fn trace(transaction: &mut Transaction<'_, Postgres>, word: &str, change: &Change<'_>) -> Result<()> {
    let sql = "INSERT INTO door_changes (actor, change, network, until, reason)
        VALUES ($1, $2, $3::cidr, to_timestamp($4::double precision / 1000), $5)";
    let trace = sqlx::query(sql)
        .bind(change.by)
        .bind(word)
        .bind(change.network.to_string())
        .bind(change.until.map(Timestamp::as_millis))
        .bind(change.reason);
    trace.execute(&mut **transaction).await.context("write down who changed the list")?;
    Ok(())
}
