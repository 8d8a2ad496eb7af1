//! The JSON of the public contract, `edge/PROTOCOL.md`: what clients send and get. Requests refuse unknown fields,
//! answers may grow. Times are RFC 3339 texts, UTC with milliseconds.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};

macro_rules! request {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
}

macro_rules! answer {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
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

// Below the macros that they are written with.
mod account;
mod body;
mod conversation;
mod frame;
mod friendship;
mod inbox;
mod message;
mod oidc;
mod pending;
mod presence;
mod preview;
mod problem;
mod push;
mod qr;
mod second;
mod session;
mod sync;

pub use account::{
    Account, AccountChange, AccountClose, AccountClosing, AddBy, AddByChange, EmailChange, FindBy, FindByChange,
    Lookup, PhoneChange, Settings, SettingsChange, Visible, VisibleChange,
};
pub use body::{Body, Format, MergedItem};
pub use conversation::{
    Announcement, AnnouncementNew, AnnouncementRead, Ban, Came, Conversation, ConversationChange, ConversationNew,
    ConversationOutside, GroupEvent, GroupSettings, GroupSettingsChange, Invitation, Invited, JoinNew, JoinRequest,
    Link, LinkBehind, LinkNew, Member, MemberChange, MembersAdded, MembersNew, OwnConversation, Permissions,
    PermissionsChange,
};
pub use frame::{AuthFrame, AuthOk, FrameError, PingFrame, Reply};
pub use friendship::{Block, Friend, FriendChange, FriendFolder, FriendFolderOrder, FriendRequest, FriendRequestNew};
pub use inbox::{
    DeliveredFrame, DeliveredOk, Draft, InboxChanged, Read, ReadFrame, ReadOk, ReadUpTo, Reader, UnreadCounted,
    UnreadExplained, UnreadSpan, UnreadSum, UnreadTotals, View, ViewChange,
};
pub use message::{
    DeletedMessage, EditFrame, Forward, ForwardMerged, ForwardOne, ListFrame, Message, MessageEdit, MessageFrame,
    MessageHeld, MessageMarks, MessageNew, MessageReaction, MessageReactor, MessageSent, MessageVersion, PositionOk,
    Quote, ReactFrame, SelfDestruct, SendFrame, SentOk, ThreadRoot, ThreadState, ThreadSummary,
};
pub use oidc::{Identity, OidcFinish, OidcLink, OidcPassword, OidcProvider, OidcStart, OidcStarted};
pub use pending::{Scheduled, ScheduledChange, ScheduledNew};
pub use presence::{Presence, PresenceFrame, PresenceSetFrame, TypingFrame};
pub use preview::{LinkPreview, LinkPreviewNew, Translated, TranslationNew};
pub use problem::{FieldError, Problem};
pub use push::{Notice, Push};
pub use qr::{QrBy, QrNew, QrPoll, QrScanned, QrShown, QrState};
pub use second::{
    RecoveryCodes, SecondFactor, SecondFactorCode, SecondFactorNew, SecondFactorOffered, SecondFactorProof, SecondLogin,
};
pub use session::{
    CodeNew, Device, Login, PasswordChange, PasswordReset, Refresh, Refreshed, Register, Session, SessionDevice,
    SignedIn, Tokens, Verified, Verify,
};
pub use sync::{Sync, SyncFrame};

/// Reads an object and nothing else; serde by itself takes an array for a struct too, its fields by their order.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Tells `null` from a field that is not there: the outer `None`.
#[expect(clippy::option_option, reason = "a patch has three meanings")]
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(thing)| thing)
}

fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer).map(|given: Option<Object<T>>| given.map(|Object(thing)| thing))
}

answer! {
    /// A page of things; `next_cursor` is null on the last one.
    Page { items: Vec<serde_json::Value>, next_cursor: Option<String> }
}

/// A page of things; `next_cursor` is null on the last one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PageOf<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// Things that come without a cursor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Items<T> {
    pub items: Vec<T>,
}
