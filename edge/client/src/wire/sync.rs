//! What changed since.

use super::{
    Account, Block, DeletedMessage, Friend, FriendRequest, Message, OwnConversation, Scheduled, Settings, ThreadState,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

answer! {
    /// What changed for the caller since their cursor: whole things, as they are now.
    Sync {
        conversations: Vec<OwnConversation>,
        /// Conversations that the caller has left or was removed from; they stand in `conversations` too.
        left: Vec<Uuid>,
        /// Edited, recalled, pinned or reacted to since, or marked by the caller. For who holds them: those that are not held are
        /// fetched by range.
        messages: Vec<Message>,
        /// Which the caller has deleted for themselves since, one by one.
        #[serde(default)] deleted_messages: Vec<DeletedMessage>,
        /// Of which the caller has said since that they follow them or not, or how far they have read.
        #[serde(default)] threads: Vec<ThreadState>,
        friends: Vec<Friend>,
        removed_friends: Vec<Uuid>,
        requests: Vec<FriendRequest>,
        /// Requests to the caller that they ignore since.
        #[serde(default)] ignored_requests: Vec<Uuid>,
        blocks: Vec<Block>,
        /// Whom the caller blocks no more.
        #[serde(default)] unblocked: Vec<Uuid>,
        /// Of what the caller has waiting, what changed, and what became of it.
        #[serde(default)] scheduled: Vec<Scheduled>,
        /// In which order the caller's folders of friends stand, where that changed.
        #[serde(default)] friend_folders: Option<Vec<String>>,
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
