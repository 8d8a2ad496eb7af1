//! Cards of accounts.

use super::card;
use crate::{Error, Shared, sync::Since};
use natter_client::wire;
use natter_domain::AccountId;
use natter_streams::statement;
use std::collections::HashMap;
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// The public part of an account; `None` unless it is registered.
    pub async fn card(&self, account: AccountId) -> Result<Option<wire::Account>, Error> {
        Ok(card::read(self.0, &[account]).await?.pop().map(|(_, _, card)| card))
    }

    /// Those of them that there are, in the order asked for.
    pub async fn cards(&self, accounts: &[AccountId]) -> Result<Vec<wire::Account>, Error> {
        let found = card::read(self.0, accounts).await?;
        let mut found: HashMap<AccountId, _> = found.into_iter().map(|(account, _, card)| (account, card)).collect();
        Ok(accounts.iter().filter_map(|account| found.remove(account)).collect())
    }

    /// The viewer's own, if it changed.
    pub(crate) async fn changed(&self, since: Since<'_>) -> Result<Option<wire::Account>, Error> {
        let row: Option<(Uuid, String, String)> = sqlx::query_as(
            "SELECT account_id, username, nickname FROM account
             WHERE account_id = $1 AND registered_at IS NOT NULL AND changed > ($2::bigint[])[lane + 1]",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what changed of an account"))?;
        Ok(row.map(|(id, username, nickname)| card::card(&self.0.keyring, id, &username, &nickname)))
    }
}
