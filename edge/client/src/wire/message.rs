//! Messages, and what is done to them, over both doors.

use super::object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    MessageSent { message_id: Uuid, seq: u64, sent_at: String }
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
answer! {
    /// `ok` of `message.send`.
    SentOk { message_id: Uuid, seq: u64, sent_at: String, position: String }
}
answer! {
    /// `ok` of what is done to a message.
    PositionOk { position: String }
}
