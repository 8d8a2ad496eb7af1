//! What the server says without being asked.

use super::{Conversation, ConversationOutside, FriendRequest, InboxChanged, Message, Presence, Scheduled};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// It was read, and ends by itself then.
    #[serde(rename = "message.countdown")]
    MessageCountdown { conversation_id: Uuid, message_id: Uuid, seq: u64, expires_at: String, position: String },
    /// How a message stands with the caller, told to their devices.
    #[serde(rename = "message.marked")]
    MessageMarked { conversation_id: Uuid, message_id: Uuid, seq: u64, starred: bool, listened: bool, position: String },
    /// The caller has deleted it for themselves.
    #[serde(rename = "message.deleted")]
    MessageDeleted { conversation_id: Uuid, message_id: Uuid, seq: u64, position: String },
    #[serde(rename = "thread.changed")]
    ThreadChanged {
        conversation_id: Uuid,
        /// What the thread begins with.
        message_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read_seq: Option<u64>,
        position: String,
    },
    /// Of the caller's own.
    #[serde(rename = "message.scheduled")]
    MessageScheduled {
        #[serde(flatten)]
        scheduled: Scheduled,
        position: String,
    },
    #[serde(rename = "conversation.started")]
    ConversationStarted { conversation: Conversation, position: String },
    #[serde(rename = "conversation.updated")]
    ConversationUpdated { conversation: Conversation, position: String },
    #[serde(rename = "member.joined")]
    MemberJoined { conversation_id: Uuid, account_ids: Vec<Uuid>, by: Uuid, position: String },
    #[serde(rename = "member.left")]
    MemberLeft { conversation_id: Uuid, account_ids: Vec<Uuid>, by: Uuid, position: String },
    #[serde(rename = "member.changed")]
    MemberChanged {
        conversation_id: Uuid,
        account_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Null: they may write again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<Option<String>>,
        /// Null: as everywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nickname: Option<Option<String>>,
        position: String,
    },
    #[serde(rename = "member.invited")]
    MemberInvited { conversation: ConversationOutside, by: Uuid, expires_at: String, position: String },
    #[serde(rename = "member.uninvited")]
    MemberUninvited { conversation_id: Uuid, account_id: Uuid, by: Uuid, position: String },
    #[serde(rename = "member.requested")]
    MemberRequested { conversation_id: Uuid, account_id: Uuid, position: String },
    #[serde(rename = "member.declined")]
    MemberDeclined { conversation_id: Uuid, account_id: Uuid, by: Uuid, position: String },
    #[serde(rename = "conversation.dissolved")]
    ConversationDissolved { conversation_id: Uuid, position: String },
    #[serde(rename = "conversation.read")]
    ConversationRead { conversation_id: Uuid, account_id: Uuid, seq: u64, position: String },
    #[serde(rename = "message.delivered")]
    MessageDelivered { conversation_id: Uuid, account_id: Uuid, seq: u64, position: String },
    #[serde(rename = "inbox.changed")]
    InboxChanged {
        conversation_id: Uuid,
        #[serde(flatten)]
        changed: InboxChanged,
        position: String,
    },
    #[serde(rename = "friend.requested")]
    FriendRequested { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.accepted")]
    FriendAccepted { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.rejected")]
    FriendRejected { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.cancelled")]
    FriendCancelled { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.expired")]
    FriendExpired { request: FriendRequest, by: Uuid, position: String },
    #[serde(rename = "friend.removed")]
    FriendRemoved { account_ids: Vec<Uuid>, by: Uuid, position: String },
    /// Somebody types: kept nowhere, so it has no position.
    #[serde(rename = "typing")]
    Typing { conversation_id: Uuid, account_id: Uuid },
    /// Likewise: what somebody who is subscribed to is from now on.
    #[serde(rename = "presence")]
    Presence(Presence),
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
