//! Profiles and settings to the rows of accounts. Of several changes in a batch each account's last one is written: an
//! event says all of what it is about.

use crate::Error;
use natter_domain::{
    Sealed,
    account::{Profile, Settings},
};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// By account.
#[derive(Default)]
pub(super) struct Altered(BTreeMap<Uuid, Row>);

#[derive(Default)]
struct Row {
    profile: Option<(Sealed, Profile)>,
    /// With the position of their event.
    settings: Option<(Settings, u64)>,
    /// The order of the folders of friends, with the position of its event. Nobody else is shown it.
    friend_folders: Option<(Sealed, u64)>,
    /// Of what others may be shown.
    position: Option<u64>,
}

impl Altered {
    pub(super) fn profile(&mut self, account: Uuid, position: u64, nickname: Sealed, profile: Profile) {
        let row = self.0.entry(account).or_default();
        (row.profile, row.position) = (Some((nickname, profile)), Some(position));
    }

    pub(super) fn settings(&mut self, account: Uuid, position: u64, settings: Settings) {
        let row = self.0.entry(account).or_default();
        (row.settings, row.position) = (Some((settings, position)), Some(position));
    }

    pub(super) fn friend_folders(&mut self, account: Uuid, position: u64, names: Sealed) {
        self.0.entry(account).or_default().friend_folders = Some((names, position));
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        self.write_positions(connection).await?;
        self.write_profiles(connection).await?;
        self.write_settings(connection).await?;
        self.write_friend_folders(connection).await
    }

    async fn write_positions(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows = self.0.iter().filter_map(|(account, row)| Some((*account, row.position? as i64)));
        let (accounts, positions): (Vec<Uuid>, Vec<i64>) = rows.unzip();
        if accounts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE account SET changed = change.position FROM UNNEST($1::uuid[], $2::bigint[]) AS change(account_id, position)
             WHERE account.account_id = change.account_id",
        )
        .bind(accounts)
        .bind(positions)
        .execute(connection)
        .await
        .map_err(Error::database("write which accounts changed"))?;
        Ok(())
    }

    async fn write_profiles(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<(Uuid, &Sealed, &Profile)> = self
            .0
            .iter()
            .filter_map(|(account, row)| row.profile.as_ref().map(|(nickname, profile)| (*account, nickname, profile)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sealed = |field: fn(&Profile) -> &Option<Sealed>| -> Vec<Option<String>> {
            rows.iter().map(|(.., profile)| field(profile).as_ref().map(ToString::to_string)).collect()
        };
        sqlx::query(
            "UPDATE account SET nickname = change.nickname, avatar = change.avatar, signature = change.signature,
                 gender = change.gender, region = change.region, birthday = change.birthday, custom = change.custom
             FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                  AS change(account_id, nickname, avatar, signature, gender, region, birthday, custom)
             WHERE account.account_id = change.account_id",
        )
        .bind(rows.iter().map(|(account, ..)| *account).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, nickname, _)| nickname.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(.., profile)| profile.avatar).collect::<Vec<_>>())
        .bind(sealed(|profile| &profile.signature))
        .bind(sealed(|profile| &profile.gender))
        .bind(sealed(|profile| &profile.region))
        .bind(sealed(|profile| &profile.birthday))
        .bind(sealed(|profile| &profile.custom))
        .execute(connection)
        .await
        .map_err(Error::database("write profiles"))?;
        Ok(())
    }

    async fn write_settings(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<(Uuid, Settings, u64)> = self
            .0
            .iter()
            .filter_map(|(account, row)| row.settings.map(|(settings, position)| (*account, settings, position)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let json = |settings: &Settings| serde_json::to_string(settings).map_err(Error::Settings);
        let written: Vec<String> = rows.iter().map(|(_, settings, _)| json(settings)).collect::<Result<_, _>>()?;
        sqlx::query(
            "UPDATE account SET settings = change.settings, settings_changed = change.position,
                 read_receipts = change.read_receipts
             FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::boolean[])
                  AS change(account_id, settings, position, read_receipts)
             WHERE account.account_id = change.account_id",
        )
        .bind(rows.iter().map(|(account, ..)| *account).collect::<Vec<_>>())
        .bind(written)
        .bind(rows.iter().map(|(.., position)| *position as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, settings, _)| settings.read_receipts.0).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write settings"))?;
        Ok(())
    }

    async fn write_friend_folders(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<(Uuid, &(Sealed, u64))> =
            self.0.iter().filter_map(|(account, row)| Some((*account, row.friend_folders.as_ref()?))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE account SET friend_folders = change.names, friend_folders_changed = change.position
             FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS change(account_id, names, position)
             WHERE account.account_id = change.account_id",
        )
        .bind(rows.iter().map(|(account, _)| *account).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, (names, _))| names.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, (_, position))| *position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(Error::database("write the order of folders"))?;
        Ok(())
    }
}
