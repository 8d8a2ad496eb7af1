//! Settings, as their owner sees them.

use super::{Query, card};
use crate::{Error, sync::Since};
use natter_client::wire;
use natter_domain::{
    AccountId,
    account::{Audience, GroupsFrom, Locale, MessagesFrom, RequestsFrom, Settings},
};
use natter_streams::statement;

/// The words of the contract.
const fn audience(of: Audience) -> &'static str {
    match of {
        Audience::All => "all",
        Audience::Friends => "friends",
        Audience::Nobody => "nobody",
    }
}

/// As clients get them.
pub fn shown(settings: &Settings) -> wire::Settings {
    let Settings { find_by, add_by, requests_from, show_online, locale, visible, .. } = *settings;
    let requests_from = match requests_from {
        RequestsFrom::All => "all",
        RequestsFrom::FriendsOfFriends => "friends_of_friends",
        RequestsFrom::Nobody => "nobody",
    };
    let messages_from = match settings.messages_from {
        MessagesFrom::Friends => "friends",
        MessagesFrom::All => "all",
    };
    let groups_from = match settings.groups_from {
        GroupsFrom::Friends => "friends",
        GroupsFrom::All => "all",
        GroupsFrom::Nobody => "nobody",
    };
    let locale = match locale {
        Locale::En => "en",
        Locale::Zh => "zh",
    };
    wire::Settings {
        find_by: wire::FindBy { username: find_by.username, email: find_by.email, phone: find_by.phone },
        add_by: wire::AddBy { search: add_by.search, group: add_by.group },
        requests_from: requests_from.to_owned(),
        messages_from: messages_from.to_owned(),
        groups_from: groups_from.to_owned(),
        show_online: show_online.0,
        read_receipts: settings.read_receipts.0,
        locale: locale.to_owned(),
        visible: wire::Visible {
            birthday: audience(visible.birthday).to_owned(),
            gender: audience(visible.gender).to_owned(),
            region: audience(visible.region).to_owned(),
        },
    }
}

impl Query<'_> {
    pub async fn settings(&self, account: AccountId) -> Result<Option<wire::Settings>, Error> {
        let row: Option<Option<String>> =
            sqlx::query_scalar("SELECT settings FROM account WHERE account_id = $1 AND registered_at IS NOT NULL")
                .bind(account.0)
                .fetch_optional(statement::bounded(&self.0.pool()))
                .await
                .map_err(Error::database("read settings"))?;
        row.map(|json| card::settings(json.as_deref()).map(|settings| shown(&settings))).transpose()
    }

    /// The viewer's own, if they changed. Who was told nothing is told those by default too.
    pub(crate) async fn settings_changed(&self, since: Since<'_>) -> Result<Option<wire::Settings>, Error> {
        let row: Option<Option<String>> = sqlx::query_scalar(
            "SELECT settings FROM account
             WHERE account_id = $1 AND registered_at IS NOT NULL AND settings_changed > ($2::bigint[])[lane + 1]",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .fetch_optional(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what changed of settings"))?;
        row.map(|json| card::settings(json.as_deref()).map(|settings| shown(&settings))).transpose()
    }
}
