//! `/accounts`, `/settings`, `/sync`: who is signed in, and whom they find.

use super::{Answer, Page, Signed, query::Query};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    pub async fn me(&self) -> Result<wire::Account, Error> {
        self.read("/accounts/me".to_owned()).await
    }

    pub async fn change_account(&self, change: &wire::AccountChange) -> Result<Answer<wire::Account>, Error> {
        self.write("PATCH", "/accounts/me", Some(change)).await
    }

    /// Asks for the account to be closed; every session ends, this one too.
    pub async fn close_account(&self, password: &str) -> Result<Answer<wire::AccountClosing>, Error> {
        let close = wire::AccountClose { password: password.to_owned() };
        self.write("DELETE", "/accounts/me", Some(&close)).await
    }

    pub async fn settings(&self) -> Result<wire::Settings, Error> {
        self.read("/settings".to_owned()).await
    }

    pub async fn change_settings(&self, change: &wire::SettingsChange) -> Result<Answer<wire::Settings>, Error> {
        self.write("PATCH", "/settings", Some(change)).await
    }

    /// Those who want to be found so: by the beginning of their user name.
    pub async fn find_accounts(&self, query: &str, page: &Page) -> Result<wire::PageOf<wire::Account>, Error> {
        self.read(page.query().with("query", Some(query)).on("/accounts")).await
    }

    /// The public part of anybody's account.
    pub async fn account_of(&self, account: Uuid) -> Result<wire::Account, Error> {
        self.read(format!("/accounts/{account}")).await
    }

    /// Those of the accounts that exist, at most a hundred in one call.
    pub async fn accounts_of(&self, ids: &[Uuid]) -> Result<Vec<wire::Account>, Error> {
        let found: Answer<wire::Items<_>> =
            self.write("POST", "/accounts/lookup", Some(&wire::Lookup { ids: ids.to_vec() })).await?;
        Ok(found.value.items)
    }

    /// Who of these people is online, at most a hundred in one call.
    pub async fn presence_of(&self, ids: &[Uuid]) -> Result<Vec<wire::Presence>, Error> {
        let found: Answer<wire::Items<_>> =
            self.write("POST", "/presence/lookup", Some(&wire::Lookup { ids: ids.to_vec() })).await?;
        Ok(found.value.items)
    }

    /// What changed since the cursor; without one: everything. While there is `more`, to be called again at once.
    pub async fn sync(&self, cursor: Option<&str>) -> Result<wire::Sync, Error> {
        self.read(Query::default().with("cursor", cursor).on("/sync")).await
    }
}
