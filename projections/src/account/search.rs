//! Who is found by what: only who wants to be found by it. A name is looked for by the keyed hash of what was typed, and
//! nobody is found by less than three characters of it; an address or a number is looked for whole.

use super::{Query, card};
use crate::{Error, Page};
use natter_client::wire;
use natter_domain::{
    AccountId, HandleId,
    account::{Settings, Way},
};
use natter_streams::statement;
use uuid::Uuid;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Sought {
    Name {
        prefix: HandleId,
        /// Who has exactly this name: shown first.
        exact: Option<AccountId>,
    },
    /// Whose address or number it is.
    Reached { by: Way, exact: Option<AccountId> },
}

impl Sought {
    fn exact(&self) -> Option<AccountId> {
        match self {
            Self::Name { exact, .. } | Self::Reached { exact, .. } => *exact,
        }
    }

    fn is_wanted(&self, settings: &Settings) -> bool {
        match self {
            Self::Name { .. } => settings.find_by.username,
            Self::Reached { by: Way::Email, .. } => settings.find_by.email,
            Self::Reached { by: Way::Phone, .. } => settings.find_by.phone,
        }
    }
}

impl Query<'_> {
    /// Those that are found, the oldest accounts first behind the one of exactly that name.
    pub async fn find(
        &self,
        viewer: AccountId,
        sought: Sought,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Account>, Error> {
        let after =
            page.cursor.as_deref().map(|text| text.parse::<Uuid>().map_err(|_| Error::BadCursor)).transpose()?;
        // Asked also of nobody: who is not to be found takes as long as who is not there.
        let first = match after {
            None => self.wants_to_be_found(sought.exact().unwrap_or(AccountId(Uuid::nil())), sought).await?,
            Some(_) => None,
        };
        let mut ids = match sought {
            Sought::Name { prefix, exact } => self.behind(prefix, exact, after, page.rows()).await?,
            Sought::Reached { .. } => Vec::new(),
        };
        // The one of the name stands before all others, so the first page is cut one earlier.
        ids.splice(0..0, first);
        let limit = (page.rows() - 1) as usize;
        let more = ids.len() > limit;
        ids.truncate(limit);
        // Of the exact one alone the page goes on with everybody.
        let next = ids.last().map(|last| if Some(*last) == first { Uuid::nil() } else { *last });
        let next_cursor = next.filter(|_| more).map(|id| id.to_string());
        let ids: Vec<AccountId> = ids.into_iter().map(AccountId).collect();
        Ok(wire::PageOf { items: self.cards(viewer, &ids).await?, next_cursor })
    }

    async fn wants_to_be_found(&self, account: AccountId, sought: Sought) -> Result<Option<Uuid>, Error> {
        let row: Option<Option<String>> = sqlx::query_scalar(
            "SELECT settings FROM account
             WHERE account_id = $1 AND registered_at IS NOT NULL AND closed_at IS NULL",
        )
        .bind(account.0)
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read who wants to be found"))?;
        let Some(json) = row else { return Ok(None) };
        Ok(sought.is_wanted(&card::settings(json.as_deref())?).then_some(account.0))
    }

    async fn behind(
        &self,
        prefix: HandleId,
        exact: Option<AccountId>,
        after: Option<Uuid>,
        rows: i64,
    ) -> Result<Vec<Uuid>, Error> {
        sqlx::query_scalar(
            "SELECT account_id FROM account_prefix JOIN account USING (account_id)
             WHERE prefix = $1 AND account_id > $2 AND account_id IS DISTINCT FROM $3 AND registered_at IS NOT NULL
               AND closed_at IS NULL
               AND coalesce((settings::json #>> '{find_by,username}')::boolean, true)
             ORDER BY account_id LIMIT $4",
        )
        .bind(prefix.0)
        .bind(after.unwrap_or_default())
        .bind(exact.map(|account| account.0))
        .bind(rows)
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("look for accounts"))
    }
}
