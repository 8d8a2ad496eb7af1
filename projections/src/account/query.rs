//! Cards of accounts.

use crate::{Error, Shared, sync::Since};
use natter_client::wire;
use natter_domain::{AccountId, Sealed};
use natter_streams::{keyring::Keyring, statement};
use std::collections::HashMap;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

type Row = (Uuid, String, String);

impl Query<'_> {
    /// The public part of an account; `None` unless it is registered.
    pub async fn card(&self, account: AccountId) -> Result<Option<wire::Account>, Error> {
        Ok(cards(self.0, &[account]).await?.remove(&account))
    }

    /// Those of them that there are, in the order asked for.
    pub async fn cards(&self, accounts: &[AccountId]) -> Result<Vec<wire::Account>, Error> {
        let mut found = cards(self.0, accounts).await?;
        Ok(accounts.iter().filter_map(|account| found.remove(account)).collect())
    }

    /// The viewer's own, if it changed.
    pub(crate) async fn changed(&self, since: Since<'_>) -> Result<Option<wire::Account>, Error> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT account_id, username, nickname FROM account
             WHERE account_id = $1 AND registered_at IS NOT NULL AND changed > ($2::bigint[])[lane + 1]",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what changed of an account"))?;
        Ok(row.map(|row| card(&self.0.keyring, row)))
    }
}

pub(crate) async fn cards(shared: &Shared, accounts: &[AccountId]) -> Result<HashMap<AccountId, wire::Account>, Error> {
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT account_id, username, nickname FROM account WHERE account_id = ANY($1) AND registered_at IS NOT NULL",
    )
    .bind(ids)
    .fetch_all(statement::bounded(&shared.pool()))
    .await
    .map_err(Error::database("read accounts"))?;
    Ok(rows.into_iter().map(|row| (AccountId(row.0), card(&shared.keyring, row))).collect())
}

fn card(keyring: &Keyring, (id, username, nickname): Row) -> wire::Account {
    let open = |text: String| Sealed::parse(&text).and_then(|sealed| keyring.open_text(id, &sealed));
    wire::Account { id, username: open(username), nickname: open(nickname), avatar: None }
}

/// Stands for a person whose lane is read less far than the lane that names them: better than leaving out a friend.
pub(crate) fn unknown(account: AccountId) -> wire::Account {
    wire::Account { id: account.0, username: None, nickname: None, avatar: None }
}
