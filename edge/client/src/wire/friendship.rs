//! Friends, and requests to be.

use super::{Account, nullable};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    FriendRequestNew {
        to: Uuid,
        /// 0-200 characters.
        #[serde(default)] message: Option<String>,
        /// How the caller came by them: `search`, `group`, `qr`, `card`, `link`, `other`
        #[serde(default)] source: Option<String>,
    }
}
answer! {
    FriendRequest {
        id: Uuid,
        from: Uuid,
        to: Uuid,
        message: Option<String>,
        /// `search`, `group`, `qr`, `card`, `link`, `other`, where it was said.
        #[serde(default)] source: Option<String>,
        /// `pending`, `accepted`, `rejected`, `cancelled`, `expired`
        status: String,
        created_at: String,
        expires_at: String,
        /// Once accepted.
        conversation_id: Option<Uuid>,
    }
}
answer! {
    Friend {
        account: Account,
        /// What the caller calls them.
        #[serde(default)] remark: Option<String>,
        #[serde(default)] folder: Option<String>,
        #[serde(default)] starred: bool,
        since: String,
        conversation_id: Uuid,
    }
}
patch! {
    /// What is not there stays as it is, what is null goes.
    FriendChange {
        /// 1-64 characters.
        remark: String,
        /// 1-64 characters.
        folder: String,
        /// Null: false.
        starred: bool,
    }
}
answer! {
    /// A folder of friends.
    FriendFolder {
        name: String,
        /// How many friends are in it.
        count: u64,
    }
}
request! {
    FriendFolderOrder {
        /// 1-64 characters each, no two the same, at most 100.
        names: Vec<String>,
    }
}
answer! {
    /// Somebody whom the caller blocks.
    Block { account: Account, since: String }
}
