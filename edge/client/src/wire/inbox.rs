//! How far somebody has read.

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
