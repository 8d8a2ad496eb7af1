//! People: what is shown of them, what they change of themselves, and their settings.

use super::{nullable, optional_object};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

request! {
    EmailChange {
        email: String,
        /// Sent to the new address to `change_email`.
        code: String,
        /// Sent to the old address to `change_email`, where there is one.
        #[serde(default)] old_code: Option<String>,
        /// Where there is none.
        #[serde(default)] password: Option<String>,
    }
}
request! {
    PhoneChange {
        phone: String,
        /// Sent to the new number to `change_phone`.
        code: String,
        /// Sent to the old number to `change_phone`, where there is one.
        #[serde(default)] old_code: Option<String>,
        /// Where there is none.
        #[serde(default)] password: Option<String>,
    }
}
request! {
    AccountClose { password: String }
}
request! {
    Lookup {
        /// At most 100.
        ids: Vec<Uuid>,
    }
}
answer! {
    /// A person. A field that was erased is null, and so is one that is not told or not shown to the caller.
    Account {
        id: Uuid,
        username: Option<String>,
        nickname: Option<String>,
        /// A file.
        avatar: Option<Uuid>,
        #[serde(default)] signature: Option<String>,
        #[serde(default)] gender: Option<String>,
        #[serde(default)] region: Option<String>,
        /// `2000-12-31`
        #[serde(default)] birthday: Option<String>,
        #[serde(default)] custom: Option<BTreeMap<String, String>>,
        /// To oneself only, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")] email: Option<String>,
        /// To oneself only, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")] phone: Option<String>,
        /// There is nobody any more: all else is null.
        #[serde(default)] closed: bool,
    }
}

impl Account {
    /// Somebody of whom nothing more is known.
    pub fn named(id: Uuid, username: Option<String>, nickname: Option<String>) -> Self {
        Self {
            id,
            username,
            nickname,
            avatar: None,
            signature: None,
            gender: None,
            region: None,
            birthday: None,
            custom: None,
            email: None,
            phone: None,
            closed: false,
        }
    }
}

answer! {
    /// An account that closes then, unless its owner signs in before.
    AccountClosing { closes_at: String }
}

patch! {
    /// What is not there stays as it is, what is null goes.
    AccountChange {
        /// 1-64 characters; null: the user name.
        nickname: String,
        /// A file.
        avatar: Uuid,
        /// At most 200 characters.
        signature: String,
        /// 1-32 characters.
        gender: String,
        /// 1-64 characters.
        region: String,
        /// A day in the past: `2000-12-31`.
        birthday: String,
        /// The whole object: at most 16 texts of at most 256 characters, their names of 1-32.
        custom: BTreeMap<String, String>,
    }
}

/// A request of which every field may be left out.
macro_rules! patched {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
}

macro_rules! answered {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
}

answered! {
    /// What the caller allows others, and how they want things.
    Settings {
        find_by: FindBy,
        add_by: AddBy,
        /// From whom friend requests are taken: `all`, `friends_of_friends`, `nobody`
        requests_from: String,
        /// Who may write, where the installation lets strangers write at all: `friends`, `all`
        messages_from: String,
        /// Who may add the person to a group without asking them: `friends`, `all`, `nobody`
        groups_from: String,
        show_online: bool,
        /// Whether others are shown how far the person has read, and the person how far others have.
        read_receipts: bool,
        /// Of mails and texts to the person: `en`, `zh`
        locale: String,
        visible: Visible,
    }
}
answered! {
    /// By what others find the account with `GET /accounts?query=`.
    FindBy { username: bool, email: bool, phone: bool }
}
answered! {
    /// Who may ask to be friends: `search`, anybody; `group`, who is in a group together with the person.
    AddBy { search: bool, group: bool }
}
answered! {
    /// To whom each field is shown: `all`, `friends`, `nobody`
    Visible { birthday: String, gender: String, region: String }
}
patched! {
    /// What is not there stays as it is.
    SettingsChange {
        #[serde(default, deserialize_with = "optional_object")] find_by: Option<FindByChange>,
        #[serde(default, deserialize_with = "optional_object")] add_by: Option<AddByChange>,
        #[serde(default)] requests_from: Option<String>,
        #[serde(default)] messages_from: Option<String>,
        #[serde(default)] groups_from: Option<String>,
        #[serde(default)] show_online: Option<bool>,
        #[serde(default)] read_receipts: Option<bool>,
        #[serde(default)] locale: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] visible: Option<VisibleChange>,
    }
}
patched! {
    FindByChange {
        #[serde(default)] username: Option<bool>,
        #[serde(default)] email: Option<bool>,
        #[serde(default)] phone: Option<bool>,
    }
}
patched! {
    AddByChange { #[serde(default)] search: Option<bool>, #[serde(default)] group: Option<bool> }
}
patched! {
    VisibleChange {
        #[serde(default)] birthday: Option<String>,
        #[serde(default)] gender: Option<String>,
        #[serde(default)] region: Option<String>,
    }
}
