//! What changed since.

use super::{Account, Friend, FriendRequest, Message, OwnConversation, Settings};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
