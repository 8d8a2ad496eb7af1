//! What a person allows others, and how they want things. Settings are whole in every event: who reads one needs no other.
//!
//! - ACC-8: settings are changed one by one; what is so already is silent.

use super::{Event, Refusal, State};
use serde::{Deserialize, Serialize};

/// The defaults are those of somebody who wants to be found and does not want to be known by strangers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    pub find_by: FindBy,
    pub add_by: AddBy,
    pub requests_from: RequestsFrom,
    pub show_online: ShowOnline,
    pub locale: Locale,
    pub visible: Visible,
    /// Version 1 had neither of these two.
    #[serde(default)]
    pub messages_from: MessagesFrom,
    #[serde(default)]
    pub groups_from: GroupsFrom,
    /// Version 3 brought it.
    #[serde(default)]
    pub read_receipts: ReadReceipts,
}

/// By what others find the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindBy {
    pub username: bool,
    pub email: bool,
    pub phone: bool,
}

/// An e-mail address or a phone number is known to more people than a user name is.
impl Default for FindBy {
    fn default() -> Self {
        Self { username: true, email: false, phone: false }
    }
}

/// How somebody may have come by the account that they ask to be friends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddBy {
    /// By looking for it: anybody.
    pub search: bool,
    /// By a group that both are in.
    pub group: bool,
}

impl Default for AddBy {
    fn default() -> Self {
        Self { search: true, group: true }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestsFrom {
    #[default]
    All,
    FriendsOfFriends,
    Nobody,
}

/// Who may write to the person, where the installation lets strangers write at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagesFrom {
    #[default]
    Friends,
    All,
}

/// Who may add the person to a group without asking them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupsFrom {
    #[default]
    Friends,
    All,
    Nobody,
}

/// Whether others are shown that the person is online.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShowOnline(pub bool);

impl Default for ShowOnline {
    fn default() -> Self {
        Self(true)
    }
}

/// Whether others are shown how far the person has read; who does not show it is not shown it of others either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadReceipts(pub bool);

impl Default for ReadReceipts {
    fn default() -> Self {
        Self(true)
    }
}

/// Of what Natter itself writes to the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    #[default]
    En,
    Zh,
}

/// To whom a field of the profile is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    All,
    #[default]
    Friends,
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Visible {
    pub birthday: Audience,
    pub gender: Audience,
    pub region: Audience,
}

/// `None`: as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SettingsChange {
    pub find_by_username: Option<bool>,
    pub find_by_email: Option<bool>,
    pub find_by_phone: Option<bool>,
    pub add_by_search: Option<bool>,
    pub add_by_group: Option<bool>,
    pub requests_from: Option<RequestsFrom>,
    pub show_online: Option<bool>,
    pub locale: Option<Locale>,
    pub birthday: Option<Audience>,
    pub gender: Option<Audience>,
    pub region: Option<Audience>,
    pub messages_from: Option<MessagesFrom>,
    pub groups_from: Option<GroupsFrom>,
    pub read_receipts: Option<bool>,
}

impl SettingsChange {
    fn of(&self, now: &Settings) -> Settings {
        Settings {
            find_by: FindBy {
                username: self.find_by_username.unwrap_or(now.find_by.username),
                email: self.find_by_email.unwrap_or(now.find_by.email),
                phone: self.find_by_phone.unwrap_or(now.find_by.phone),
            },
            add_by: AddBy {
                search: self.add_by_search.unwrap_or(now.add_by.search),
                group: self.add_by_group.unwrap_or(now.add_by.group),
            },
            requests_from: self.requests_from.unwrap_or(now.requests_from),
            show_online: self.show_online.map_or(now.show_online, ShowOnline),
            locale: self.locale.unwrap_or(now.locale),
            visible: Visible {
                birthday: self.birthday.unwrap_or(now.visible.birthday),
                gender: self.gender.unwrap_or(now.visible.gender),
                region: self.region.unwrap_or(now.visible.region),
            },
            messages_from: self.messages_from.unwrap_or(now.messages_from),
            groups_from: self.groups_from.unwrap_or(now.groups_from),
            read_receipts: self.read_receipts.map_or(now.read_receipts, ReadReceipts),
        }
    }
}

pub(super) fn change(state: &State, change: &SettingsChange) -> Result<Vec<Event>, Refusal> {
    let State::Registered(person) = state else { return Err(Refusal::NotFound) };
    let settings = change.of(&person.settings);
    if settings == person.settings {
        return Ok(vec![]); // ACC-8
    }
    Ok(vec![Event::SettingsChanged { settings }])
}
