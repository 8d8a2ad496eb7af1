//! What a person changes of themselves, and their settings.

use super::optional_object;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Tells `null` from a field that is not there: the outer `None`.
#[expect(clippy::option_option, reason = "a patch has three meanings")]
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

macro_rules! patch {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "openapi", schema(value_type = Option<$kind>))]
                pub $field: Option<Option<$kind>>,
            )*
        }
    };
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
        show_online: bool,
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
        #[serde(default)] show_online: Option<bool>,
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
