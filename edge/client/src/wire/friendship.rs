//! Friends, and requests to be.

use super::Account;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    FriendRequestNew {
        to: Uuid,
        /// 0-200 characters.
        #[serde(default)] message: Option<String>,
    }
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
