//! Messages, and what is done to them, over both doors.

use super::{Body, object, optional_object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    MessageNew {
        /// Chosen by the client, version 7 advised; the same id again is the same message.
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
        /// The message of this conversation that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")] reply_to: Option<Uuid>,
        /// A message of the thread that it is a reply in.
        #[serde(default, skip_serializing_if = "Option::is_none")] thread: Option<Uuid>,
        /// Account ids; `all`: everybody; `admin`, `owner`: whoever is that now. At most 100.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] mentions: Vec<String>,
        /// Devices make no noise of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] silent: bool,
        /// It ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_object")]
        self_destruct: Option<SelfDestruct>,
    }
}
request! {
    /// When a message ends by itself: one of the two.
    SelfDestruct {
        /// Seconds after it was sent: 5 to 2592000.
        #[serde(default, skip_serializing_if = "Option::is_none")] after_s: Option<u64>,
        /// Seconds after the other one of a direct conversation has read it: 1 to 2592000.
        #[serde(default, skip_serializing_if = "Option::is_none")] after_read_s: Option<u64>,
    }
}
request! {
    /// What was said elsewhere is said here: either `messages`, each by itself, or `merged`, all in one.
    Forward {
        /// The conversation where it was said.
        from: Uuid,
        /// At most 30, sent in this order.
        #[serde(default, skip_serializing_if = "Option::is_none")] messages: Option<Vec<ForwardOne>>,
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_object")]
        merged: Option<ForwardMerged>,
    }
}
request! {
    ForwardOne {
        /// Of the new message, chosen by the client.
        message_id: Uuid,
        source_id: Uuid,
    }
}
request! {
    ForwardMerged {
        /// Of the new message, chosen by the client.
        message_id: Uuid,
        /// 1-100; the oldest comes first, whatever their order here.
        source_ids: Vec<Uuid>,
    }
}
request! {
    MessageEdit { #[serde(deserialize_with = "object")] body: Body }
}

answer! {
    #[derive(Default)]
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
        /// Who recalled it: the sender, or an admin.
        #[serde(default, skip_serializing_if = "Option::is_none")] recalled_by: Option<Uuid>,
        #[serde(default)] reply_to: Option<Quote>,
        /// The message that the thread begins with in which it is a reply.
        #[serde(default, skip_serializing_if = "Option::is_none")] thread: Option<ThreadRoot>,
        /// Account ids, `all`, `admin`, `owner`.
        #[serde(default)] mentions: Vec<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] silent: bool,
        /// It says what was said elsewhere.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] forwarded: bool,
        /// Since when it is pinned. Not in pushes.
        #[serde(default, skip_serializing_if = "Option::is_none")] pinned_at: Option<String>,
        /// Of the thread that begins with it, where there is one. Not in pushes, and not in `last_message`.
        #[serde(default, skip_serializing_if = "Option::is_none")] thread_summary: Option<ThreadSummary>,
        /// Only in the list of what is pinned.
        #[serde(default, skip_serializing_if = "Option::is_none")] pinned_by: Option<Uuid>,
        /// As its sender gave it. Not in `message.edited`.
        #[serde(default, skip_serializing_if = "Option::is_none")] self_destruct: Option<SelfDestruct>,
        /// When it ends by itself; left out also while it was not read yet after which it does. Not in `message.edited`.
        #[serde(default, skip_serializing_if = "Option::is_none")] expires_at: Option<String>,
        /// Not in pushes, and not in `last_message`.
        #[serde(default, skip_serializing_if = "Option::is_none")] reactions: Option<Vec<MessageReaction>>,
        /// It has the caller's star. Not in pushes, and not in `last_message`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] starred: bool,
        /// The caller has listened to it. Likewise.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] listened: bool,
    }
}
request! {
    /// How a message stands with the caller. What is left out stays.
    MessageMarks {
        #[serde(default, skip_serializing_if = "Option::is_none")] starred: Option<bool>,
        /// Only `true`, and only of a voice message of somebody else's.
        #[serde(default, skip_serializing_if = "Option::is_none")] listened: Option<bool>,
    }
}
answer! {
    /// One that the caller has deleted for themselves.
    DeletedMessage { conversation_id: Uuid, seq: u64, message_id: Uuid }
}
answer! {
    ThreadRoot { message_id: Uuid, seq: u64 }
}
answer! {
    /// A thread as the caller sees it.
    ThreadSummary {
        /// That the caller sees and that were not recalled.
        replies: u64,
        last_seq: u64,
        last_at: String,
        /// Replies of others after `read_seq`.
        unread: u64,
        followed: bool,
        read_seq: u64,
    }
}
answer! {
    /// What the caller has said of a thread, or does by taking part.
    ThreadState { conversation_id: Uuid, message_id: Uuid, followed: bool, read_seq: u64 }
}
answer! {
    /// What a message answers.
    Quote {
        message_id: Uuid,
        seq: u64,
        sender: Option<Uuid>,
        /// The beginning of what it said then, at most 100 characters; null where it says nothing in words, was recalled, or is not for
        /// the viewer. Not in `last_message`.
        excerpt: Option<String>,
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
    /// What a message said from then on.
    MessageVersion {
        /// Null where it was erased.
        body: Option<Body>,
        at: String,
    }
}
answer! {
    /// Who has put what on a message, and when.
    MessageReactor { account_id: Uuid, emoji: String, at: String }
}
answer! {
    MessageSent { message_id: Uuid, seq: u64, sent_at: String }
}
answer! {
    /// It met a rule and waits for somebody who looks at it: its author hears by `message.scheduled` what becomes of it.
    MessageHeld { message_id: Uuid, held: bool }
}
request! {
    /// `op`: `message.send`. The message's id is the key of the send: `command_id` is taken and not looked at.
    SendFrame {
        id: String,
        op: String,
        conversation_id: Uuid,
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
        #[serde(default, skip_serializing_if = "Option::is_none")] reply_to: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] thread: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] mentions: Vec<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] silent: bool,
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_object")]
        self_destruct: Option<SelfDestruct>,
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
    /// `op`: `message.recall`, `message.pin`, `message.unpin`, `message.star`, `message.unstar`, `message.listen`,
    /// `message.delete`.
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
        /// 1-32 bytes of UTF-8 that can be seen, without control characters and such that turn the direction of text.
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

impl MessageNew {
    /// Nothing but a body.
    pub fn new(message_id: Uuid, body: Body) -> Self {
        let (mentions, self_destruct) = Default::default();
        Self { message_id, body, reply_to: None, thread: None, mentions, silent: false, self_destruct }
    }
}
