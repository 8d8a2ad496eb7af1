//! Session events to the table `session`.

use crate::Error;
use natter_domain::{
    AccountId, Sealed, Timestamp,
    session::{Device, Event, Reason},
};
use natter_streams::Record;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    opened: Vec<Opened>,
    /// The last exchange counts.
    refreshed: HashMap<Uuid, Refreshed>,
    revoked: HashMap<Uuid, (Timestamp, Reason)>,
}

struct Opened {
    session: Uuid,
    account: AccountId,
    device: Option<Device>,
    at: Timestamp,
    expires_at: Timestamp,
    address: Option<Sealed>,
}

struct Refreshed {
    at: Timestamp,
    expires_at: Timestamp,
    address: Option<Sealed>,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let session = record.aggregate_id;
        match record.decode()? {
            Event::Opened { account_id, device, expires_at, address, .. } => {
                let at = record.time;
                self.opened.push(Opened { session, account: account_id, device, at, expires_at, address });
            }
            Event::Refreshed { expires_at, address, .. } => {
                self.refreshed.insert(session, Refreshed { at: record.time, expires_at, address });
            }
            Event::Revoked { reason, .. } => {
                self.revoked.insert(session, (record.time, reason));
            }
        }
        Ok(())
    }

    /// `erased`: accounts that the same batch erased.
    pub(crate) async fn write(self, erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
        self.write_opened(connection).await?;
        self.write_refreshed(connection).await?;
        self.write_revoked(connection).await?;
        self.forget(erased, connection).await
    }

    /// Nothing personal stays of the sessions of an erased account, whichever came first: what happened to one of them, or
    /// the erasure.
    async fn forget(&self, erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
        let opened = self.opened.iter().map(|opened| opened.session);
        let touched: Vec<Uuid> = opened.chain(self.refreshed.keys().copied()).collect();
        if touched.is_empty() && erased.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE session SET device_name = NULL, platform = NULL, address = NULL FROM account
             WHERE account.account_id = session.account_id AND erased_at IS NOT NULL
               AND (session.account_id = ANY($1) OR session_id = ANY($2))",
        )
        .bind(erased)
        .bind(touched)
        .execute(connection)
        .await
        .map_err(Error::database("forget the sessions of erased accounts"))?;
        Ok(())
    }

    async fn write_opened(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.opened.is_empty() {
            return Ok(());
        }
        let device = |field: fn(&Device) -> Option<String>| -> Vec<Option<String>> {
            self.opened.iter().map(|opened| opened.device.as_ref().and_then(field)).collect()
        };
        sqlx::query(
            "INSERT INTO session (session_id, account_id, device_name, platform, opened_at, expires_at, address)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                 $7::text[])
             ON CONFLICT DO NOTHING",
        )
        .bind(self.opened.iter().map(|opened| opened.session).collect::<Vec<_>>())
        .bind(self.opened.iter().map(|opened| opened.account.0).collect::<Vec<_>>())
        .bind(device(|device| device.name.as_ref().map(ToString::to_string)))
        .bind(device(|device| device.platform.clone()))
        .bind(self.opened.iter().map(|opened| opened.at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.opened.iter().map(|opened| opened.expires_at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.opened.iter().map(|opened| opened.address.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write opened sessions"))?;
        Ok(())
    }

    async fn write_refreshed(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.refreshed.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE session SET expires_at = change.expires_at, last_used_at = change.at, address = change.address
             FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[])
                 AS change(session_id, expires_at, at, address)
             WHERE session.session_id = change.session_id",
        )
        .bind(self.refreshed.keys().copied().collect::<Vec<_>>())
        .bind(self.refreshed.values().map(|refreshed| refreshed.expires_at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.refreshed.values().map(|refreshed| refreshed.at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.refreshed.values().map(|it| it.address.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write refreshed sessions"))?;
        Ok(())
    }

    async fn write_revoked(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.revoked.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE session SET ended_at = change.ended_at, ended_reason = change.reason
             FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[]) AS change(session_id, ended_at, reason)
             WHERE session.session_id = change.session_id",
        )
        .bind(self.revoked.keys().copied().collect::<Vec<_>>())
        .bind(self.revoked.values().map(|&(at, _)| at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.revoked.values().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write revoked sessions"))?;
        Ok(())
    }
}
