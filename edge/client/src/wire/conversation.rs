//! Conversations and who is in them.

use super::{Account, Message};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    /// With whom depends on the kind: `with` of a direct one, `name` and `members` of a group.
    ConversationNew {
        /// `direct` or `group`.
        kind: String,
        #[serde(default)] with: Option<Uuid>,
        /// 1-100 characters.
        #[serde(default)] name: Option<String>,
        /// Friends of the caller, at most 1,000 ids; oneself and repeats are ignored.
        #[serde(default)] members: Option<Vec<Uuid>>,
    }
}
request! {
    ConversationChange {
        /// 1-100 characters.
        name: String,
    }
}
request! {
    MembersNew {
        /// Friends of the caller, at most 1,000; oneself, repeats and who is in already are ignored.
        account_ids: Vec<Uuid>,
    }
}
answer! {
    /// A conversation as everybody in it sees it.
    Conversation {
        id: Uuid,
        /// `direct`, `group`
        kind: String,
        /// `open`
        state: String,
        name: Option<String>,
        avatar: Option<Uuid>,
        member_count: u64,
        /// Direct: both.
        account_ids: Vec<Uuid>,
        last_seq: u64,
    }
}
answer! {
    /// A conversation as the caller sees it.
    OwnConversation {
        #[serde(flatten)] conversation: Conversation,
        /// Direct: the other one.
        peer: Option<Account>,
        read_seq: u64,
        /// Messages of others after `read_seq`.
        unread: u64,
        last_message: Option<Message>,
        joined_seq: u64,
        left_seq: Option<u64>,
    }
}
answer! {
    /// Somebody who is in a conversation.
    Member {
        account_id: Uuid,
        /// `owner`, `member`
        role: String,
        nickname: Option<String>,
        joined_at: String,
        muted_until: Option<String>,
    }
}
answer! {
    /// What came of adding people.
    MembersAdded {
        /// Those who were not in before.
        joined: Vec<Uuid>,
        /// Those who were asked first.
        invited: Vec<Uuid>,
    }
}
