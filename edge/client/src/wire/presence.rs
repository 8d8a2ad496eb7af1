//! Who is online, and who types.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    /// `op`: `typing`. There is no answer.
    TypingFrame { #[serde(default)] id: Option<String>, op: String, conversation_id: Uuid }
}
request! {
    /// `op`: `presence.subscribe` or `presence.unsubscribe`.
    PresenceFrame { id: String, op: String, account_ids: Vec<Uuid> }
}
request! {
    /// `op`: `presence.set`; `state`: `online` or `away`.
    PresenceSetFrame { id: String, op: String, state: String }
}
answer! {
    /// Somebody, as far as the caller is shown. Who hides it, and who is not there, is offline.
    Presence {
        account_id: Uuid,
        /// Some device is connected.
        online: bool,
        /// `online`, `away` (every device says so) or `offline`.
        state: String,
        /// Classes of those that are connected: `desktop`, `mobile`, `web`, `other`.
        devices: Vec<String>,
        /// Null while they are online, and where nothing is known or shown.
        last_seen_at: Option<String>,
    }
}
