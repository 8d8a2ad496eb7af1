//! How far somebody has read, and how conversations are shown to them.

use super::nullable;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    Read { seq: u64 }
}
answer! {
    ReadUpTo { seq: u64 }
}
request! {
    /// `op`: `conversation.read`. With a `command_id` it is written at once and by itself.
    ReadFrame { id: String, op: String, conversation_id: Uuid, seq: u64, #[serde(default)] command_id: Option<Uuid> }
}
answer! {
    /// `ok` of `conversation.read`.
    ReadOk {
        /// Where the cursor now is.
        seq: u64,
        position: String,
    }
}
request! {
    /// `op`: `message.delivered`. With a `command_id` it is written at once and by itself.
    DeliveredFrame { id: String, op: String, conversation_id: Uuid, seq: u64, #[serde(default)] command_id: Option<Uuid> }
}
answer! {
    /// `ok` of `message.delivered`.
    DeliveredOk {}
}
answer! {
    /// Somebody who has read a message.
    Reader {
        account_id: Uuid,
        /// How far they have read.
        read_seq: u64,
    }
}
answer! {
    /// What waits in all of the caller's conversations that are neither hidden nor archived.
    UnreadTotals {
        unread: u64,
        mentions: u64,
        /// With something unread, or marked so.
        conversations: u64,
        /// Of those that are quiet now; the others count above.
        quiet: UnreadSum,
    }
}
answer! {
    UnreadSum { unread: u64, mentions: u64, conversations: u64 }
}
answer! {
    /// How the number of unread messages came about.
    UnreadExplained {
        unread: u64,
        mentions: u64,
        read_seq: u64,
        last_seq: u64,
        cleared_seq: u64,
        /// Does not count in `unread`.
        marked_unread: bool,
        /// What the caller may see behind the cursor.
        spans: Vec<UnreadSpan>,
        counted: UnreadCounted,
        /// The conversation's events up to here are counted.
        position: String,
    }
}
answer! {
    /// The messages behind `after_seq`, up to `until_seq`.
    UnreadSpan { after_seq: u64, until_seq: u64 }
}
answer! {
    /// Messages of the spans, each in one of the others beside `messages`, or unread.
    UnreadCounted {
        messages: u64,
        /// The caller's.
        own: u64,
        system: u64,
        /// Of others, taken back.
        recalled: u64,
        /// Of others, deleted by the caller for themselves one by one.
        deleted: u64,
    }
}
patch! {
    /// How a conversation is shown to the caller. What is left out stays, null takes it away.
    ViewChange {
        pinned: bool,
        /// A time to come; for ever: one that is far away.
        quiet_until: String,
        archived: bool,
        /// Left out of the list until there is a newer message.
        hidden: bool,
        /// 1-64 characters.
        folder: String,
        /// At most 16,384 bytes; an empty one is none.
        draft: String,
        marked_unread: bool,
    }
}

/// How a conversation is shown to the caller.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct View {
    pub pinned: bool,
    /// One that has passed is none.
    pub quiet_until: Option<String>,
    pub archived: bool,
    /// Only while there is no newer message.
    pub hidden: bool,
    pub folder: Option<String>,
    pub marked_unread: bool,
}

/// What the caller has written and not sent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Draft {
    pub draft: Option<String>,
    /// When it was written.
    pub draft_at: Option<String>,
}

/// What `inbox.changed` tells: one of these.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InboxChanged {
    View(View),
    Cleared { cleared_seq: u64 },
    Announcement { announcement_read_seq: u64 },
    // The last one: its fields may be absent for who reads it.
    Draft(Draft),
}
