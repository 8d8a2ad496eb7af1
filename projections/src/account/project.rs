//! Account events to the table `account`.

use super::{identity, profile, status};
use crate::{Error, presence};
use natter_domain::{
    HandleId, Sealed, Timestamp,
    account::{Contact, Event, Way},
};
use natter_streams::{Lane, Record};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Changes {
    started: Vec<Started>,
    registered: Vec<Registered>,
    abandoned: Vec<Uuid>,
    /// In the order of the log, so that the last one counts.
    contacts: Vec<Contacted>,
    altered: profile::Altered,
    status: status::Changed,
    erased: Vec<Erased>,
    identities: identity::Changes,
}

struct Started {
    account: Uuid,
    username: Sealed,
    nickname: Sealed,
    prefixes: Vec<HandleId>,
    email: Option<String>,
    phone: Option<String>,
    lane: Lane,
    position: u64,
}

struct Contacted {
    account: Uuid,
    way: Way,
    value: Sealed,
    position: u64,
}

struct Erased {
    account: Uuid,
    at: Timestamp,
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
            Event::RegistrationStarted { username, nickname, prefixes, email, phone, identity, .. } => {
                if let Some(identity) = identity {
                    self.identities.linked(account, identity, record.time);
                }
                let [email, phone] =
                    [email, phone].map(|contact| contact.map(|Contact { value, .. }| value.to_string()));
                self.started.push(Started { account, username, nickname, prefixes, email, phone, lane, position });
            }
            Event::Registered {} => self.registered.push(Registered { account, at: record.time, position }),
            Event::RegistrationAbandoned { .. } => {
                self.abandoned.push(account);
                self.identities.gone(account);
            }
            Event::IdentityLinked { identity } => self.identities.linked(account, identity, record.time),
            Event::IdentityUnlinked { handle } => self.identities.unlinked(account, handle),
            Event::ProfileChanged { nickname, profile } => {
                self.altered.profile(account, position, nickname, profile);
            }
            Event::SettingsChanged { settings } => self.altered.settings(account, position, settings),
            Event::FriendFoldersOrdered { names } => self.altered.friend_folders(account, position, names),
            Event::ContactChanged { way, contact, .. } => {
                self.contacts.push(Contacted { account, way, value: contact.value, position });
            }
            event @ Event::Closed {} => {
                self.identities.gone(account);
                self.status.note(record, event);
            }
            event @ (Event::Muted { .. }
            | Event::Suspended { .. }
            | Event::Restored { .. }
            | Event::ClosingRequested { .. }
            | Event::ClosingPostponed { .. }
            | Event::ClosingCancelled {}) => self.status.note(record, event),
            Event::Erased { .. } => {
                self.identities.gone(account);
                self.erased.push(Erased { account, at: record.time, position });
            }
            // Nothing of it is shown.
            Event::SessionAdmitted { .. }
            | Event::SessionForgotten { .. }
            | Event::SessionsEnded { .. }
            | Event::PasswordChanged { .. }
            | Event::PasswordRehashed { .. }
            | Event::HandlesReleased { .. }
            | Event::ContactChangeStarted { .. }
            | Event::ContactChangeAbandoned { .. }
            | Event::SecondFactorOffered { .. }
            | Event::SecondFactorTurnedOn { .. }
            | Event::SecondFactorUsed { .. }
            | Event::RecoveryCodeUsed { .. }
            | Event::SecondFactorTurnedOff {}
            | Event::RecoveryCodesMade { .. }
            | Event::IdentityLinkStarted { .. }
            | Event::IdentityLinkAbandoned { .. }
            | Event::GroupOwned { .. }
            | Event::GroupsLeft { .. } => {}
        }
        Ok(())
    }

    /// Those that were erased.
    pub(crate) fn erased(&self) -> Vec<Uuid> {
        self.erased.iter().map(|row| row.account).collect()
    }

    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_started(connection).await?;
        self.write_prefixes(connection).await?;
        self.write_registered(connection).await?;
        self.altered.write(connection).await?;
        self.write_contacts(connection).await?;
        self.status.write(connection).await?;
        self.write_erased(connection).await?;
        self.identities.write(connection).await?;
        self.write_abandoned(connection).await
    }

    async fn write_started(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.started.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO account (account_id, username, nickname, lane, changed, email, phone)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::text[], $7::text[])
             ON CONFLICT DO NOTHING",
        )
        .bind(self.started.iter().map(|row| row.account).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.username.to_string()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.nickname.to_string()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.lane.number()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.email.clone()).collect::<Vec<_>>())
        .bind(self.started.iter().map(|row| row.phone.clone()).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write started registrations"))?;
        Ok(())
    }

    async fn write_prefixes(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows = self.started.iter().flat_map(|row| row.prefixes.iter().map(|prefix| (prefix.0, row.account)));
        let (prefixes, accounts): (Vec<Uuid>, Vec<Uuid>) = rows.unzip();
        if prefixes.is_empty() {
            return Ok(());
        }
        sqlx::query("INSERT INTO account_prefix SELECT * FROM UNNEST($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING")
            .bind(prefixes)
            .bind(accounts)
            .execute(connection)
            .await
            .map_err(Error::database("write by what accounts are found"))?;
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

    /// One by one: they are few. A change of the profile that is later in the batch has been written before.
    async fn write_contacts(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for row in &self.contacts {
            let sql = match row.way {
                Way::Email => "UPDATE account SET email = $2, changed = GREATEST(changed, $3) WHERE account_id = $1",
                Way::Phone => "UPDATE account SET phone = $2, changed = GREATEST(changed, $3) WHERE account_id = $1",
            };
            sqlx::query(sql)
                .bind(row.account)
                .bind(row.value.to_string())
                .bind(row.position as i64)
                .execute(&mut *connection)
                .await
                .map_err(Error::database("write changed addresses and numbers"))?;
        }
        Ok(())
    }

    /// Nobody came to be: nothing personal stays.
    async fn write_abandoned(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.abandoned.is_empty() {
            return Ok(());
        }
        for table in ["account", "account_prefix"] {
            sqlx::query(&format!("DELETE FROM {table} WHERE account_id = ANY($1)"))
                .bind(&self.abandoned)
                .execute(&mut *connection)
                .await
                .map_err(Error::database("remove abandoned registrations"))?;
        }
        Ok(())
    }

    /// Last: whatever else the batch says of them goes too.
    async fn write_erased(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.erased.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE account SET username = NULL, nickname = NULL, avatar = NULL, signature = NULL, gender = NULL,
                 region = NULL, birthday = NULL, custom = NULL, email = NULL, phone = NULL, settings = NULL,
                 friend_folders = NULL,
                 muted_reason = NULL, suspended_reason = NULL, closes_at = NULL,
                 closed_at = coalesce(closed_at, change.time), erased_at = change.time,
                 changed = change.position
             FROM UNNEST($1::uuid[], $2::timestamptz[], $3::bigint[]) AS change(account_id, time, position)
             WHERE account.account_id = change.account_id",
        )
        .bind(self.erased())
        .bind(self.erased.iter().map(|row| row.at.into()).collect::<Vec<OffsetDateTime>>())
        .bind(self.erased.iter().map(|row| row.position as i64).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .map_err(Error::database("write erased accounts"))?;
        sqlx::query("DELETE FROM account_prefix WHERE account_id = ANY($1)")
            .bind(self.erased())
            .execute(&mut *connection)
            .await
            .map_err(Error::database("remove by what erased accounts were found"))?;
        presence::forget(connection, &self.erased()).await
    }
}
