//! Events of what is pending to the table `pending`: a row for each message that ever waited. An event carries what it leads
//! to, so the last one of a batch counts.

use crate::{Error, erasure};
use natter_domain::{
    Timestamp, limit,
    pending::{Content, Event, Place},
};
use natter_streams::Record;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes(HashMap<Uuid, Row>);

struct Row {
    message: Place,
    state: &'static str,
    content: Option<Content>,
    /// `None`: as it was.
    send_at: Option<Timestamp>,
    rule: Option<String>,
    code: Option<String>,
    until: Option<Timestamp>,
    /// Of the first event in the batch; what stands counts.
    created_at: Timestamp,
    lane: i16,
    position: i64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let event: Event = record.decode()?;
        let message = *event.message();
        let row = self.0.entry(message.id()).or_insert_with(|| Row::begun(message, record));
        row.position = record.position as i64;
        row.content = event.content().cloned();
        row.state = state(&event);
        match event {
            Event::Scheduled { send_at, .. } | Event::Changed { send_at, .. } => row.send_at = Some(send_at),
            Event::Held { rule, .. } => row.rule = Some(rule),
            Event::Failed { send_at, code, until, .. } => {
                (row.send_at, row.code, row.until) = (send_at, Some(code), until);
            }
            Event::Cancelled { .. } | Event::Released { .. } | Event::Sent { .. } => {}
        }
        Ok(())
    }

    /// Of who was erased nothing is kept.
    pub(crate) async fn write(mut self, erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
        if !self.0.is_empty() || !erased.is_empty() {
            erasure::wait(self.0.values().map(|row| row.message.author.0), erased, connection).await?;
        }
        forget(erased, connection).await?;
        let over = self.over();
        self.0.retain(|_, row| !erased.contains(&row.message.author.0));
        if self.0.is_empty() {
            return Ok(());
        }
        self.put(connection).await?;
        tidy(&over, connection).await
    }

    /// Whose messages are over now.
    fn over(&self) -> Vec<Uuid> {
        let over = self.0.values().filter(|row| row.content.is_none());
        over.map(|row| row.message.author.0).collect::<BTreeSet<_>>().into_iter().collect()
    }

    async fn put(self, connection: &mut PgConnection) -> Result<(), Error> {
        let (ids, rows): (Vec<Uuid>, Vec<Row>) = self.0.into_iter().unzip();
        let json = |row: &Row| row.content.as_ref().map(serde_json::to_string).transpose();
        let contents: Vec<Option<String>> = rows.iter().map(json).collect::<Result<_, _>>().map_err(Error::Frame)?;
        let moment = |of: fn(&Row) -> Option<Timestamp>| -> Vec<Option<OffsetDateTime>> {
            rows.iter().map(|row| of(row).map(OffsetDateTime::from)).collect()
        };
        sqlx::query(WRITE)
            .bind(ids)
            .bind(rows.iter().map(|row| row.message.conversation_id.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.message.message_id.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.message.author.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.state).collect::<Vec<_>>())
            .bind(contents)
            .bind(moment(|row| row.send_at))
            .bind(rows.iter().map(|row| row.rule.as_deref()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.code.as_deref()).collect::<Vec<_>>())
            .bind(moment(|row| row.until))
            .bind(rows.iter().map(|row| OffsetDateTime::from(row.created_at)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.lane).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
            .execute(connection)
            .await
            .map(drop)
            .map_err(Error::database("write what is pending"))
    }
}

const WRITE: &str = "
    INSERT INTO pending (pending_id, conversation_id, message_id, account_id, state, content, send_at, rule, code, until,
                         created_at, lane, changed)
    SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
                         $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::smallint[], $13::bigint[])
      AS row(pending_id, conversation_id, message_id, account_id, state, content, send_at, rule, code, until, created_at,
             lane, changed)
    WHERE NOT EXISTS (SELECT FROM account WHERE account.account_id = row.account_id AND account.erased_at IS NOT NULL)
    ON CONFLICT (pending_id) DO UPDATE
    SET state = excluded.state, content = excluded.content, send_at = coalesce(excluded.send_at, pending.send_at),
        rule = coalesce(excluded.rule, pending.rule), code = coalesce(excluded.code, pending.code),
        until = coalesce(excluded.until, pending.until), changed = excluded.changed";

async fn forget(erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
    if erased.is_empty() {
        return Ok(());
    }
    let forgotten =
        sqlx::query("DELETE FROM pending WHERE account_id = ANY($1)").bind(erased).execute(connection).await;
    forgotten.map(drop).map_err(Error::database("forget what the erased had waiting"))
}

/// Of each of these the latest that are over stay: so many are told to who was away.
async fn tidy(authors: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
    if authors.is_empty() {
        return Ok(());
    }
    let tidied = sqlx::query(
        "DELETE FROM pending WHERE pending_id IN (
             SELECT old.pending_id FROM UNNEST($1::uuid[]) AS author(account_id), LATERAL (
                 SELECT pending_id FROM pending
                 WHERE pending.account_id = author.account_id AND state IN ('sent', 'cancelled')
                 ORDER BY coalesce(send_at, created_at) DESC, pending_id OFFSET $2) AS old)",
    )
    .bind(authors)
    .bind(limit::PENDING_OVER_TOLD as i64)
    .execute(connection)
    .await;
    tidied.map(drop).map_err(Error::database("remove what is long over"))
}

impl Row {
    fn begun(message: Place, record: &Record) -> Self {
        Self {
            message,
            state: "waiting",
            content: None,
            send_at: None,
            rule: None,
            code: None,
            until: None,
            created_at: record.time,
            lane: record.lane.number(),
            position: record.position as i64,
        }
    }
}

/// As it is stored, and shown.
pub(crate) const fn state(event: &Event) -> &'static str {
    match event {
        Event::Scheduled { .. } | Event::Changed { .. } => "waiting",
        Event::Held { .. } => "held",
        Event::Released { .. } => "released",
        Event::Sent { .. } => "sent",
        Event::Failed { .. } => "failed",
        Event::Cancelled { .. } => "cancelled",
    }
}
