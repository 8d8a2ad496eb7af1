//! The JSON of the public contract, `edge/PROTOCOL.md`: what clients send and get. Requests refuse unknown fields,
//! answers may grow. Times are RFC 3339 texts, UTC with milliseconds.

mod account;

pub use account::{
    AccountChange, AddBy, AddByChange, FindBy, FindByChange, Settings, SettingsChange, Visible, VisibleChange,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, marker::PhantomData};
use uuid::Uuid;

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

// Below the macros that they are written with.
mod qr;
mod second;

pub use qr::{QrBy, QrNew, QrPoll, QrScanned, QrShown, QrState};
pub use second::{
    RecoveryCodes, SecondFactor, SecondFactorCode, SecondFactorNew, SecondFactorOffered, SecondFactorProof, SecondLogin,
};

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

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(thing)| thing)
}

fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer).map(|given: Option<Object<T>>| given.map(|Object(thing)| thing))
}

request! {
    /// What a device says of itself.
    Device { #[serde(default)] name: Option<String>, #[serde(default)] platform: Option<String> }
}
request! {
    Register {
        /// 3-50 letters, digits, `_ . -`, beginning with a letter; unique by NFKC and case folding.
        username: String,
        /// 8-256 characters.
        password: String,
        /// 1-64 characters; the user name where absent.
        #[serde(default)] nickname: Option<String>,
        /// With `code`: one that was sent there to `register`.
        #[serde(default)] email: Option<String>,
        /// In place of `email`.
        #[serde(default)] phone: Option<String>,
        /// Six digits.
        #[serde(default)] code: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] device: Option<Device>,
    }
}

impl Register {
    /// By user name and password.
    pub fn new(username: &str, password: &str) -> Self {
        let (username, password) = (username.to_owned(), password.to_owned());
        Self { username, password, nickname: None, email: None, phone: None, code: None, device: None }
    }
}

request! {
    /// Asks for a code.
    CodeNew {
        /// `email` or `sms`.
        channel: String,
        /// An e-mail address, or a phone number with its country: `+49 30 1234567`.
        target: String,
        /// `register`, `login`, `reset_password`, `change_email` or `change_phone`.
        purpose: String,
    }
}
request! {
    PasswordReset {
        /// The user name, the e-mail address or the phone number.
        login: String,
        /// Six digits, sent to `reset_password`.
        code: String,
        /// 8-256 characters.
        new_password: String,
    }
}
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
    Login {
        /// The user name, the e-mail address or the phone number.
        login: String,
        /// Or `code`.
        #[serde(default)] password: Option<String>,
        /// Six digits, sent to `login`, in place of the password.
        #[serde(default)] code: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] device: Option<Device>,
    }
}
request! {
    Refresh { refresh_token: String }
}
request! {
    PasswordChange {
        old_password: String,
        /// 8-256 characters.
        new_password: String,
    }
}
request! {
    AccountClose { password: String }
}
request! {
    /// Asks whether an access token works.
    Verify { token: String }
}
request! {
    Lookup {
        /// At most 100.
        ids: Vec<Uuid>,
    }
}
request! {
    FriendRequestNew {
        to: Uuid,
        /// 0-200 characters.
        #[serde(default)] message: Option<String>,
    }
}
request! {
    /// With whom depends on the kind: `with` of a direct one, `name` and `members` of a group.
    ConversationNew {
        /// `direct` or `group`.
        kind: String,
        #[serde(default)] with: Option<Uuid>,
        /// 1-100 characters.
        #[serde(default)] name: Option<String>,
        /// Friends of the caller, at most 1,000 ids; oneself and repeats are ignored.
        #[serde(default)] members: Option<Vec<Uuid>>,
    }
}
request! {
    ConversationChange {
        /// 1-100 characters.
        name: String,
    }
}
request! {
    MembersNew {
        /// Friends of the caller, at most 1,000; oneself, repeats and who is in already are ignored.
        account_ids: Vec<Uuid>,
    }
}
request! {
    MessageNew {
        /// Chosen by the client, version 7 advised; the same id again is the same message.
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
    }
}
request! {
    MessageEdit { #[serde(deserialize_with = "object")] body: Body }
}
request! {
    Read { seq: u64 }
}

/// What a message says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// 1-16,384 bytes of UTF-8.
    Text { text: String },
    /// What happened to the conversation; only the server writes these.
    System {
        /// `group.created`, `member.joined`, `member.left`: stable, what programs switch on.
        code: String,
        /// A plain rendering without names.
        text: String,
        /// Whom it concerns.
        #[serde(default)]
        account_ids: Vec<Uuid>,
        /// Who did it.
        #[serde(default)]
        by: Option<Uuid>,
    },
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

answer! {
    Tokens {
        /// `Bearer`
        token_type: String,
        access_token: String,
        /// Seconds.
        expires_in: u64,
        refresh_token: String,
    }
}
answer! {
    SignedIn { account: Account, tokens: Tokens }
}
answer! {
    Refreshed { tokens: Tokens }
}
answer! {
    /// Whether the token works now; the other fields only where it does.
    Verified {
        active: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")] account_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] session_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] expires_at: Option<String>,
    }
}
answer! {
    /// A device that is signed in.
    Session {
        id: Uuid,
        device: SessionDevice,
        created_at: String,
        /// When its tokens were last exchanged; at first when it was opened.
        last_used_at: String,
        /// Where from, then.
        address: Option<String>,
        /// Whether it is the one that asks.
        current: bool,
    }
}
answer! {
    /// What a device said of itself.
    SessionDevice { name: Option<String>, platform: Option<String> }
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

answer! {
    FriendRequest {
        id: Uuid,
        from: Uuid,
        to: Uuid,
        message: Option<String>,
        /// `pending`, `accepted`, `rejected`, `expired`
        status: String,
        created_at: String,
        expires_at: String,
        /// Once accepted.
        conversation_id: Option<Uuid>,
    }
}
answer! {
    Friend { account: Account, since: String, conversation_id: Uuid }
}
answer! {
    /// A conversation as everybody in it sees it.
    Conversation {
        id: Uuid,
        /// `direct`, `group`
        kind: String,
        /// `open`
        state: String,
        name: Option<String>,
        avatar: Option<Uuid>,
        member_count: u64,
        /// Direct: both.
        account_ids: Vec<Uuid>,
        last_seq: u64,
    }
}
answer! {
    /// A conversation as the caller sees it.
    OwnConversation {
        #[serde(flatten)] conversation: Conversation,
        /// Direct: the other one.
        peer: Option<Account>,
        read_seq: u64,
        /// Messages of others after `read_seq`.
        unread: u64,
        last_message: Option<Message>,
        joined_seq: u64,
        left_seq: Option<u64>,
    }
}
answer! {
    Message {
        conversation_id: Uuid,
        message_id: Uuid,
        /// 1, 2, 3... in the conversation, without gaps.
        seq: u64,
        sender: Option<Uuid>,
        /// Null once recalled or erased.
        body: Option<Body>,
        sent_at: String,
        edited_at: Option<String>,
        recalled_at: Option<String>,
        /// Since when it is pinned. Not in pushes.
        #[serde(default, skip_serializing_if = "Option::is_none")] pinned_at: Option<String>,
        /// Not in pushes, and not in `last_message`.
        #[serde(default, skip_serializing_if = "Option::is_none")] reactions: Option<Vec<MessageReaction>>,
    }
}
answer! {
    /// How many have reacted so.
    MessageReaction {
        emoji: String,
        count: u64,
        /// Whether the caller is one of them.
        mine: bool,
    }
}
answer! {
    /// Somebody who is in a conversation.
    Member {
        account_id: Uuid,
        /// `owner`, `member`
        role: String,
        nickname: Option<String>,
        joined_at: String,
        muted_until: Option<String>,
    }
}
answer! {
    /// What came of adding people.
    MembersAdded {
        /// Those who were not in before.
        joined: Vec<Uuid>,
        /// Those who were asked first.
        invited: Vec<Uuid>,
    }
}
answer! {
    MessageSent { message_id: Uuid, seq: u64, sent_at: String }
}
answer! {
    ReadUpTo { seq: u64 }
}

answer! {
    /// What changed for the caller since their cursor: whole things, as they are now.
    Sync {
        conversations: Vec<OwnConversation>,
        /// Conversations that the caller has left or was removed from; they stand in `conversations` too.
        left: Vec<Uuid>,
        /// Edited, recalled, pinned or reacted to since. For who holds them: those that are not held are fetched by range.
        messages: Vec<Message>,
        friends: Vec<Friend>,
        removed_friends: Vec<Uuid>,
        requests: Vec<FriendRequest>,
        /// Nobody can be blocked yet.
        blocks: Vec<Uuid>,
        settings: Option<Settings>,
        account: Option<Account>,
        /// For the next call; belongs to the account.
        cursor: String,
        /// There are further pages: call again at once.
        more: bool,
    }
}

answer! {
    /// RFC 9457, as `application/problem+json`.
    Problem {
        r#type: String,
        title: String,
        status: u16,
        detail: String,
        /// Stable: what programs switch on.
        code: String,
        request_id: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] errors: Vec<FieldError>,
        /// Of `muted` and `account_suspended`, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")] until: Option<String>,
        /// With `second_factor_required`: what the code is shown with.
        #[serde(default, skip_serializing_if = "Option::is_none")] challenge: Option<String>,
    }
}
answer! {
    FieldError {
        /// A JSON pointer into the request.
        pointer: String,
        detail: String,
    }
}

/// What the server pushes over WebSocket because it happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Push {
    #[serde(rename = "message.sent")]
    MessageSent { message: Message, position: String },
    #[serde(rename = "message.edited")]
    MessageEdited { message: Message, position: String },
    #[serde(rename = "message.recalled")]
    MessageRecalled { message: Message, position: String },
    #[serde(rename = "message.reacted")]
    MessageReacted { conversation_id: Uuid, message_id: Uuid, account_id: Uuid, emoji: String, position: String },
    #[serde(rename = "message.unreacted")]
    MessageUnreacted { conversation_id: Uuid, message_id: Uuid, account_id: Uuid, emoji: String, position: String },
    #[serde(rename = "message.pinned")]
    MessagePinned { conversation_id: Uuid, message_id: Uuid, account_id: Uuid, position: String },
    #[serde(rename = "message.unpinned")]
    MessageUnpinned { conversation_id: Uuid, message_id: Uuid, account_id: Uuid, position: String },
    #[serde(rename = "conversation.started")]
    ConversationStarted { conversation: Conversation, position: String },
    #[serde(rename = "conversation.updated")]
    ConversationUpdated { conversation: Conversation, position: String },
    #[serde(rename = "member.joined")]
    MemberJoined { conversation_id: Uuid, account_ids: Vec<Uuid>, by: Uuid, position: String },
    #[serde(rename = "member.left")]
    MemberLeft { conversation_id: Uuid, account_ids: Vec<Uuid>, by: Uuid, position: String },
    #[serde(rename = "conversation.read")]
    ConversationRead { conversation_id: Uuid, account_id: Uuid, seq: u64, position: String },
    #[serde(rename = "friend.requested")]
    FriendRequested { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.accepted")]
    FriendAccepted { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.rejected")]
    FriendRejected { request: FriendRequest, by: Uuid, position: String },
}

/// What the server says of the connection itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Notice {
    /// Pushes flow from here on: read your state now.
    #[serde(rename = "ready")]
    Ready { account_id: Uuid, session_id: Uuid, heartbeat_ms: u64, max_frame_bytes: u64, server_time: String },
    /// Pushes may have been lost: read your state again.
    #[serde(rename = "resync")]
    Resync { reason: String },
    /// The session has ended; the connection closes.
    #[serde(rename = "session.revoked")]
    SessionRevoked { reason: String },
}

request! {
    /// `op`: `message.send`. The message's id is the key of the send: `command_id` is taken and not looked at.
    SendFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
        #[serde(default)] command_id: Option<Uuid>,
    }
}
request! {
    /// `op`: `message.edit`.
    EditFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
        #[serde(default)] command_id: Option<Uuid>,
    }
}
request! {
    /// `op`: `message.recall`, `message.pin`, `message.unpin`.
    MessageFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        message_id: Uuid,
        #[serde(default)] command_id: Option<Uuid>,
    }
}
request! {
    /// `op`: `message.react`, `message.unreact`.
    ReactFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        message_id: Uuid,
        /// 1-32 bytes of UTF-8 without control characters.
        emoji: String,
        #[serde(default)] command_id: Option<Uuid>,
    }
}
request! {
    /// `op`: `message.list`.
    ListFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        #[serde(default)] before_seq: Option<u64>,
        #[serde(default)] after_seq: Option<u64>,
        /// In the middle of the page; not together with a bound.
        #[serde(default)] around_seq: Option<u64>,
        #[serde(default)] limit: Option<u32>,
        /// The answer shows what this position told of.
        #[serde(default)] position: Option<String>,
    }
}
request! {
    /// `op`: `conversation.read`. With a `command_id` it is written at once and by itself.
    ReadFrame { id: String, op: String, conversation_id: Uuid, seq: u64, #[serde(default)] command_id: Option<Uuid> }
}
request! {
    /// `op`: `sync`.
    SyncFrame {
        id: String,
        op: String,
        #[serde(default)] cursor: Option<String>,
        /// The answer shows what this position told of.
        #[serde(default)] position: Option<String>,
    }
}
request! {
    /// `op`: `auth`. Without an `id` there is no `ok`; as the first frame, `ready` tells that it worked.
    AuthFrame { #[serde(default)] id: Option<String>, op: String, token: String }
}
request! {
    /// `op`: `ping`.
    PingFrame { #[serde(default)] id: Option<String>, op: String }
}

answer! {
    /// `ok` of `message.send`.
    SentOk { message_id: Uuid, seq: u64, sent_at: String, position: String }
}
answer! {
    /// `ok` of what is done to a message.
    PositionOk { position: String }
}
answer! {
    /// `ok` of `conversation.read`.
    ReadOk {
        /// Where the cursor now is.
        seq: u64,
        position: String,
    }
}
answer! {
    /// `ok` of `auth`.
    AuthOk { expires_at: String }
}
answer! {
    /// Why a frame was refused.
    FrameError {
        code: String,
        status: u16,
        detail: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] errors: Vec<FieldError>,
        /// Of `muted` and `account_suspended`, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")] until: Option<String>,
        /// Seconds, of `rate_limited`.
        #[serde(default, skip_serializing_if = "Option::is_none")] retry_after: Option<u64>,
    }
}

/// The answer to a frame: `ok` or `error`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply<T> {
    /// Null where the frame's could not be read.
    pub id: Option<String>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub ok: Option<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FrameError>,
}
