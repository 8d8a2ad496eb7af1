//! Account events to the table `account`.

use crate::Error;
use natter_domain::account::Event;
use natter_streams::Record;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    started: (Vec<Uuid>, Vec<String>, Vec<String>),
    registered: (Vec<Uuid>, Vec<OffsetDateTime>),
    abandoned: Vec<Uuid>,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), Error> {
        let account = record.aggregate_id;
        match record.decode()? {
            Event::RegistrationStarted { username, nickname, .. } => {
                self.started.0.push(account);
                self.started.1.push(username.to_string());
                self.started.2.push(nickname.to_string());
            }
            Event::Registered {} => {
                self.registered.0.push(account);
                self.registered.1.push(record.time.into());
            }
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
        let (accounts, usernames, nicknames) = &self.started;
        if accounts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO account (account_id, username, nickname)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(accounts)
        .bind(usernames)
        .bind(nicknames)
        .execute(connection)
        .await
        .map_err(Error::database("write started registrations"))?;
        Ok(())
    }

    async fn write_registered(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (accounts, times) = &self.registered;
        if accounts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE account SET registered_at = change.time
             FROM UNNEST($1::uuid[], $2::timestamptz[]) AS change(account_id, time)
             WHERE account.account_id = change.account_id",
        )
        .bind(accounts)
        .bind(times)
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
