//! Who somebody is elsewhere: the table `account_identity`, for its owner.

use super::Query;
use crate::Error;
use natter_client::wire;
use natter_domain::{
    AccountId, HandleId, Sealed, Timestamp,
    account::{About, Identity},
};
use natter_streams::statement;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

/// In the order of the log.
#[derive(Default)]
pub(super) struct Changes(Vec<(Uuid, Change)>);

enum Change {
    Linked(Identity, Timestamp),
    Unlinked(HandleId),
    /// Nobody has any of them any more.
    Gone,
}

impl Changes {
    pub fn linked(&mut self, account: Uuid, identity: Identity, at: Timestamp) {
        self.0.push((account, Change::Linked(identity, at)));
    }

    pub fn unlinked(&mut self, account: Uuid, handle: HandleId) {
        self.0.push((account, Change::Unlinked(handle)));
    }

    pub fn gone(&mut self, account: Uuid) {
        self.0.push((account, Change::Gone));
    }

    /// One by one: they are few.
    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for (account, change) in &self.0 {
            let query = match change {
                Change::Linked(identity, at) => sqlx::query(
                    "INSERT INTO account_identity (account_id, handle, about, linked_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (account_id, handle) DO UPDATE SET about = $3, linked_at = $4",
                )
                .bind(account)
                .bind(identity.handle.0)
                .bind(identity.about.to_string())
                .bind(OffsetDateTime::from(*at)),
                Change::Unlinked(handle) => {
                    let sql = "DELETE FROM account_identity WHERE account_id = $1 AND handle = $2";
                    sqlx::query(sql).bind(account).bind(handle.0)
                }
                Change::Gone => sqlx::query("DELETE FROM account_identity WHERE account_id = $1").bind(account),
            };
            query.execute(&mut *connection).await.map_err(Error::database("write who somebody is elsewhere"))?;
        }
        Ok(())
    }
}

impl Query<'_> {
    /// One's own, the oldest first.
    pub async fn identities(&self, account: AccountId) -> Result<Vec<wire::Identity>, Error> {
        let rows: Vec<(Uuid, String, OffsetDateTime)> = sqlx::query_as(
            "SELECT handle, about, linked_at FROM account_identity JOIN account USING (account_id)
             WHERE account_id = $1 AND registered_at IS NOT NULL ORDER BY linked_at, handle",
        )
        .bind(account.0)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read who somebody is elsewhere"))?;
        let keys: Vec<_> = rows.iter().filter_map(|row| Some((account.0, Sealed::key_of(&row.1)?))).collect();
        let opener = self.0.keys.opener(keys).await?;
        let shown = |(id, about, linked_at): (Uuid, String, OffsetDateTime)| {
            let opened = Sealed::parse(&about).and_then(|sealed| opener.open(account.0, &sealed));
            let about = opened.and_then(|plain| serde_json::from_slice::<About>(&plain).ok()).unwrap_or_default();
            let linked_at = Timestamp::from(linked_at).to_string();
            wire::Identity { id, provider: None, issuer: about.issuer, name: about.name, linked_at }
        };
        Ok(rows.into_iter().map(shown).collect())
    }
}
