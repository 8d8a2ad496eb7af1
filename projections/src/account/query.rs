//! Cards of accounts.

use super::card::{self, Viewer};
use crate::{Error, Shared, sync::Since};
use natter_client::wire;
use natter_domain::AccountId;
use natter_streams::statement;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

impl Query<'_> {
    /// One's own account, all of it.
    pub async fn own(&self, account: AccountId) -> Result<Option<wire::Account>, Error> {
        self.card(account, account).await
    }

    /// What the viewer may see of an account; `None` unless it is registered.
    pub async fn card(&self, viewer: AccountId, account: AccountId) -> Result<Option<wire::Account>, Error> {
        Ok(self.cards(viewer, &[account]).await?.pop())
    }

    /// Those of them that there are, each once, in the order asked for.
    pub async fn cards(&self, viewer: AccountId, accounts: &[AccountId]) -> Result<Vec<wire::Account>, Error> {
        let friends = self.friends_among(viewer, accounts).await?;
        let found = card::read(self.0, accounts).await?;
        let seen_as = |account: AccountId| match () {
            () if account == viewer => Viewer::Oneself,
            () if friends.contains(&account) => Viewer::Friend,
            () => Viewer::Stranger,
        };
        let mut found: HashMap<AccountId, _> =
            found.into_iter().map(|(account, _, card)| (account, card.to(seen_as(account)))).collect();
        Ok(accounts.iter().filter_map(|account| found.remove(account)).collect())
    }

    /// Asked before the cards: a friendship that begins in between shows less, not more.
    async fn friends_among(&self, viewer: AccountId, accounts: &[AccountId]) -> Result<HashSet<AccountId>, Error> {
        let others: Vec<Uuid> = accounts.iter().filter(|it| **it != viewer).map(|account| account.0).collect();
        if others.is_empty() {
            return Ok(HashSet::new());
        }
        let friends: Vec<Uuid> = sqlx::query_scalar(
            "SELECT friend_id FROM friendship WHERE account_id = $1 AND friend_id = ANY($2) AND NOT ended",
        )
        .bind(viewer.0)
        .bind(others)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read who is a friend"))?;
        Ok(friends.into_iter().map(AccountId).collect())
    }

    /// The viewer's own, if it changed.
    pub(crate) async fn changed(&self, since: Since<'_>) -> Result<Option<wire::Account>, Error> {
        let changed: Option<Uuid> = sqlx::query_scalar(
            "SELECT account_id FROM account
             WHERE account_id = $1 AND registered_at IS NOT NULL AND changed > ($2::bigint[])[lane + 1]",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what changed of an account"))?;
        match changed {
            Some(id) => self.own(AccountId(id)).await,
            None => Ok(None),
        }
    }
}
