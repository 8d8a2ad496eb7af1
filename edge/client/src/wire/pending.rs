//! Messages that wait to be said.

use super::{Body, SelfDestruct, object, optional_object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    /// A message as in `MessageNew`, and when it is to be sent.
    ScheduledNew {
        message_id: Uuid,
        #[serde(deserialize_with = "object")] body: Body,
        #[serde(default, skip_serializing_if = "Option::is_none")] reply_to: Option<Uuid>,
        /// A message of the thread that it is to be a reply in.
        #[serde(default, skip_serializing_if = "Option::is_none")] thread: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] mentions: Vec<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")] silent: bool,
        /// It ends by itself; counted from when it is really sent.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_object")]
        self_destruct: Option<SelfDestruct>,
        /// An RFC 3339 time, a second to a year ahead.
        send_at: String,
    }
}
request! {
    /// What is left out stays.
    ScheduledChange {
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_object")]
        body: Option<Body>,
        #[serde(default, skip_serializing_if = "Option::is_none")] send_at: Option<String>,
    }
}
answer! {
    /// A message of the caller's that waits, and what became of it.
    Scheduled {
        conversation_id: Uuid,
        message_id: Uuid,
        /// Null once it is sent or cancelled.
        body: Option<Body>,
        reply_to: Option<Uuid>,
        thread: Option<Uuid>,
        #[serde(default)] mentions: Vec<String>,
        #[serde(default)] silent: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")] self_destruct: Option<SelfDestruct>,
        /// Null where it waits for no moment; not in pushes of what is over.
        send_at: Option<String>,
        /// `waiting`; `held`: somebody looks at it first; `released`: about to be sent; `sent`, `failed`, `cancelled`.
        state: String,
        /// Why it could not be sent.
        code: Option<String>,
        /// Until when it stays so, where that is known.
        until: Option<String>,
    }
}
