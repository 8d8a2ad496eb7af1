//! Account events to the table `account`.

use crate::Error;
use natter_domain::{Sealed, Timestamp, account::Event};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    started: Vec<Started>,
    registered: Vec<Registered>,
    abandoned: Vec<Uuid>,
}

struct Started {
    account: Uuid,
    username: Sealed,
    nickname: Sealed,
    lane: Lane,
    position: u64,
}

struct Registered {
    account: Uuid,
    at: Timestamp,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let (account, lane, position) = (record.aggregate_id, record.lane, record.position);
        match record.decode()? {
            Event::RegistrationStarted { username, nickname, .. } => {
                self.started.push(Started { account, username, nickname, lane, position });
            }
            Event::Registered {} => self.registered.push(Registered { account, at: record.time, position }),
            Event::RegistrationAbandoned { .. } => self.abandoned.push(account),
        }
        Ok(())
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_started(connection).await?;
        self.write_registered(connection).await?;
        self.write_abandoned(connection).await
    }

    async fn write_started(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.started.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO account (account_id, username, nickname, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::bigint[])
             ON CONFLICT DO NOTHING",
        )
        .bind(self.started.iter().map(|row| row.account).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.username.to_string()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.nickname.to_string()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.lane.number()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write started registrations"))?;
        Ok(())
    }

    async fn write_registered(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.registered.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE account SET registered_at = change.time, changed = change.position
             FROM UNNEST($1::uuid[], $2::timestamptz[], $3::bigint[]) AS change(account_id, time, position)
             WHERE account.account_id = change.account_id",
        )
        .bind(self.registered.iter().map(|row| row.account).collect::<Vec<_>>())
        .bind(self.registered.iter().map(|row| row.at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.registered.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write registered accounts"))?;
        Ok(())
    }

    /// Nobody came to be: nothing personal stays.
    async fn write_abandoned(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.abandoned.is_empty() {
            return Ok(());
        }
        sqlx::query("DELETE FROM account WHERE account_id = ANY($1)")
            .bind(&self.abandoned)
            .execute(connection)
            .await
            .map_err(Error::database("remove abandoned registrations"))?;
        Ok(())
    }
}
