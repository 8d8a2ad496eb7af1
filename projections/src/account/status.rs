//! Who is muted or suspended, and whose account is closed or about to be.

use super::Query;
use crate::{Error, presence};
use natter_domain::{
    AccountId, Sealed, Timestamp,
    account::{Event, Mute},
};
use natter_streams::{Record, sealing::Opener, statement};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::HashSet;
use uuid::Uuid;

/// In the order of the log, so that the last one counts.
#[derive(Default)]
pub(super) struct Changed(Vec<(Uuid, u64, Timestamp, Event)>);

impl Changed {
    pub(super) fn note(&mut self, record: &Record, event: Event) {
        self.0.push((record.aggregate_id, record.position, record.time, event));
    }

    /// One by one: they are few.
    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for (account, position, at, event) in &self.0 {
            let (account, at) = (*account, OffsetDateTime::from(*at));
            match event {
                Event::Muted { until, reason, .. } => {
                    let sql = "UPDATE account SET muted_at = $2, muted_until = $3, muted_reason = $4, standing_at = $2
                        WHERE account_id = $1";
                    held(connection, sql, account, at, *until, reason.as_ref()).await?;
                }
                Event::Suspended { until, reason, .. } => {
                    let sql = "UPDATE account SET suspended_at = $2, suspended_until = $3, suspended_reason = $4
                        WHERE account_id = $1";
                    held(connection, sql, account, at, *until, reason.as_ref()).await?;
                }
                Event::Restored { .. } => restored(connection, account, at).await?,
                Event::ClosingRequested { closes_at, .. } | Event::ClosingPostponed { closes_at } => {
                    closes(connection, account, Some(*closes_at)).await?;
                }
                Event::ClosingCancelled {} => closes(connection, account, None).await?,
                Event::Closed {} => closed(connection, account, at, *position).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

async fn held(
    connection: &mut PgConnection,
    sql: &'static str,
    account: Uuid,
    at: OffsetDateTime,
    until: Option<Timestamp>,
    reason: Option<&Sealed>,
) -> Result<(), Error> {
    sqlx::query(sql)
        .bind(account)
        .bind(at)
        .bind(until.map(OffsetDateTime::from))
        .bind(reason.map(ToString::to_string))
        .execute(connection)
        .await
        .map_err(Error::database("write who is muted or suspended"))?;
    Ok(())
}

async fn restored(connection: &mut PgConnection, account: Uuid, at: OffsetDateTime) -> Result<(), Error> {
    sqlx::query(
        "UPDATE account SET muted_at = NULL, muted_until = NULL, muted_reason = NULL, suspended_at = NULL,
             suspended_until = NULL, suspended_reason = NULL, standing_at = $2 WHERE account_id = $1",
    )
    .bind(account)
    .bind(at)
    .execute(connection)
    .await
    .map_err(Error::database("write who is restored"))?;
    Ok(())
}

async fn closes(connection: &mut PgConnection, account: Uuid, at: Option<Timestamp>) -> Result<(), Error> {
    sqlx::query("UPDATE account SET closes_at = $2 WHERE account_id = $1")
        .bind(account)
        .bind(at.map(OffsetDateTime::from))
        .execute(connection)
        .await
        .map_err(Error::database("write whose account is about to be closed"))?;
    Ok(())
}

/// Nobody is found by it any more, and what it told is not kept.
/// Those of these people whose accounts are closed.
pub(crate) async fn closed_among(pool: &PgPool, people: &[Uuid]) -> Result<HashSet<AccountId>, Error> {
    if people.is_empty() {
        return Ok(HashSet::new());
    }
    let closed: Vec<Uuid> =
        sqlx::query_scalar("SELECT account_id FROM account WHERE account_id = ANY($1) AND closed_at IS NOT NULL")
            .bind(people)
            .fetch_all(statement::bounded(pool))
            .await
            .map_err(Error::database("read whose accounts are closed"))?;
    Ok(closed.into_iter().map(AccountId).collect())
}

async fn closed(connection: &mut PgConnection, account: Uuid, at: OffsetDateTime, position: u64) -> Result<(), Error> {
    sqlx::query(
        "UPDATE account SET closed_at = $2, changed = $3, avatar = NULL, signature = NULL, gender = NULL, region = NULL,
             birthday = NULL, custom = NULL, email = NULL, phone = NULL WHERE account_id = $1",
    )
    .bind(account)
    .bind(at)
    .bind(position as i64)
    .execute(&mut *connection)
    .await
    .map_err(Error::database("write whose account is closed"))?;
    sqlx::query("DELETE FROM account_prefix WHERE account_id = $1")
        .bind(account)
        .execute(&mut *connection)
        .await
        .map_err(Error::database("forget by what an account was found"))?;
    presence::forget(connection, &[account]).await
}

/// Whether somebody is muted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Muted {
    pub account: AccountId,
    /// `None`: not any more.
    pub mute: Option<Mute>,
}

/// What stands in an account's way, opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub registered_at: Timestamp,
    pub muted: Option<Held>,
    pub suspended: Option<Held>,
    pub closes_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub at: Timestamp,
    pub until: Option<Timestamp>,
    pub reason: Option<String>,
}

type MuteRow = (Uuid, bool, Option<OffsetDateTime>);

impl Query<'_> {
    /// Everybody who is muted.
    pub async fn muted(&self, now: Timestamp) -> Result<Vec<Muted>, Error> {
        let sql = "SELECT account_id, true, muted_until FROM account
            WHERE muted_at IS NOT NULL AND (muted_until IS NULL OR muted_until > $1)";
        self.mutes(sql, now).await
    }

    /// Those of whom it was decided then or later, one way or the other.
    pub async fn muted_since(&self, since: Timestamp) -> Result<Vec<Muted>, Error> {
        let sql = "SELECT account_id, muted_at IS NOT NULL, muted_until FROM account WHERE standing_at >= $1";
        self.mutes(sql, since).await
    }

    async fn mutes(&self, sql: &'static str, moment: Timestamp) -> Result<Vec<Muted>, Error> {
        let rows: Vec<MuteRow> = sqlx::query_as(sql)
            .bind(OffsetDateTime::from(moment))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read who is muted"))?;
        let muted = |(account, is_muted, until): MuteRow| Muted {
            account: AccountId(account),
            mute: is_muted.then(|| Mute { until: until.map(Timestamp::from) }),
        };
        Ok(rows.into_iter().map(muted).collect())
    }

    /// `None` unless it was registered.
    pub async fn standing(&self, account: AccountId) -> Result<Option<Standing>, Error> {
        let row: Option<PgRow> = sqlx::query(
            "SELECT registered_at, muted_at, muted_until, muted_reason, suspended_at, suspended_until, suspended_reason,
                 closes_at, closed_at
             FROM account WHERE account_id = $1 AND registered_at IS NOT NULL",
        )
        .bind(account.0)
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what stands in an account's way"))?;
        let Some(row) = row else { return Ok(None) };
        let key = |column: &str| Some((account.0, Sealed::key_of(row.get::<Option<&str>, _>(column)?)?));
        let keys: Vec<_> = REASONS.into_iter().filter_map(key).collect();
        let opener = self.0.keys.opener(keys).await?;
        Ok(Some(opened(&row, &opener, account)))
    }
}

/// Columns that are sealed.
const REASONS: [&str; 2] = ["muted_reason", "suspended_reason"];

fn opened(row: &PgRow, opener: &Opener, account: AccountId) -> Standing {
    let moment = |column: &str| row.get::<Option<OffsetDateTime>, _>(column).map(Timestamp::from);
    let text = |column: &str| {
        let sealed: Option<String> = row.get(column);
        opener.open_text(account.0, &Sealed::parse(&sealed?)?)
    };
    let held = |at: &str, until: &str, reason: &str| {
        moment(at).map(|at| Held { at, until: moment(until), reason: text(reason) })
    };
    Standing {
        registered_at: row.get::<OffsetDateTime, _>("registered_at").into(),
        muted: held("muted_at", "muted_until", "muted_reason"),
        suspended: held("suspended_at", "suspended_until", "suspended_reason"),
        closes_at: moment("closes_at"),
        closed_at: moment("closed_at"),
    }
}
