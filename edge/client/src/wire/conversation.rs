//! Conversations and who is in them.

use super::{Account, Draft, Message, View, nullable};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    /// What is given depends on the kind: `with` of a direct one, `name` and `members` of a group, `name` of a channel. With oneself
    /// it is `self`.
    ConversationNew {
        /// `direct`, `group`, `channel` or `self`.
        kind: String,
        #[serde(default)] with: Option<Uuid>,
        /// 1-100 characters.
        #[serde(default)] name: Option<String>,
        /// At most 1,000 ids; oneself and repeats are ignored. Who does not let themselves be added is invited.
        #[serde(default)] members: Option<Vec<Uuid>>,
    }
}
request! {
    /// What is to be so of a group; what is left out stays as it is.
    ConversationChange {
        /// 1-100 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")] name: Option<String>,
        /// A file; null: none.
        #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
        avatar: Option<Option<Uuid>>,
        /// 1-1,000 characters; null: none.
        #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
        description: Option<Option<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")] settings: Option<GroupSettingsChange>,
    }
}
request! {
    #[derive(Default)]
    GroupSettingsChange {
        /// `open`: whoever knows it joins; `approval`: they ask, an admin answers; `invitation`: by a member, an invitation or a link;
        /// `closed`: by an admin only.
        #[serde(default, skip_serializing_if = "Option::is_none")] join_policy: Option<String>,
        /// Newcomers see what was said before them.
        #[serde(default, skip_serializing_if = "Option::is_none")] shares_history: Option<bool>,
        /// Only admins write.
        #[serde(default, skip_serializing_if = "Option::is_none")] muted: Option<bool>,
        /// Seconds between two messages of a member, 0-86,400; 0: none.
        #[serde(default, skip_serializing_if = "Option::is_none")] slow_mode: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] permissions: Option<PermissionsChange>,
    }
}
request! {
    /// The least role for each: `member`, `admin`, `owner`.
    PermissionsChange {
        #[serde(default, skip_serializing_if = "Option::is_none")] invite: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] post: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] pin: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] mention_all: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")] edit_card: Option<String>,
    }
}
request! {
    AnnouncementNew {
        /// 1-4,000 characters.
        text: String,
    }
}
request! {
    AnnouncementRead {
        /// The announcement's.
        seq: u64,
    }
}
request! {
    /// What is to be so of a member; what is left out stays as it is.
    MemberChange {
        /// `admin`, `member`; `owner` hands the group over.
        #[serde(default, skip_serializing_if = "Option::is_none")] role: Option<String>,
        /// What they are called in the group, 1-64 characters; null: as everywhere.
        #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
        nickname: Option<Option<String>>,
        /// They write nothing until then; null: they may.
        #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
        muted_until: Option<Option<String>>,
    }
}
request! {
    JoinNew {
        /// For those who answer, where somebody has to: 0-200 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")] message: Option<String>,
    }
}
request! {
    LinkNew {
        /// Seconds that it is good, 60-31,536,000; left out: for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")] expires_in: Option<u64>,
        /// People that may come by it, 1-100,000; left out: any number.
        #[serde(default, skip_serializing_if = "Option::is_none")] max_uses: Option<u32>,
    }
}
request! {
    MembersNew {
        /// At most 1,000; oneself, repeats and who is in already are ignored.
        account_ids: Vec<Uuid>,
    }
}
answer! {
    /// A conversation as everybody in it sees it.
    Conversation {
        id: Uuid,
        /// `direct`, `group`, `channel`, `self`
        kind: String,
        /// `open`, `closed`: nothing is sent there; `dissolved`
        state: String,
        name: Option<String>,
        avatar: Option<Uuid>,
        /// A group's.
        #[serde(default, skip_serializing_if = "Option::is_none")] description: Option<String>,
        /// A group's.
        #[serde(default, skip_serializing_if = "Option::is_none")] announcement: Option<Announcement>,
        /// A group's.
        #[serde(default, skip_serializing_if = "Option::is_none")] settings: Option<GroupSettings>,
        /// A dissolved one's: until when it can be read.
        #[serde(default, skip_serializing_if = "Option::is_none")] ends_at: Option<String>,
        /// A channel's: who subscribe to it.
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
        /// A channel's: whether the caller subscribes to it.
        #[serde(default, skip_serializing_if = "Option::is_none")] subscribed: Option<bool>,
        /// A group's, while the caller is in, and a channel's: `owner`, `admin`, `member`
        #[serde(default, skip_serializing_if = "Option::is_none")] role: Option<String>,
        /// Whether the caller has read the group's announcement, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")] announcement_read: Option<bool>,
        read_seq: u64,
        /// Direct: how far the other one has read; null where either does not show it.
        #[serde(default)] peer_read_seq: Option<u64>,
        /// Direct: up to where messages have come to the other one.
        #[serde(default)] peer_delivered_seq: Option<u64>,
        /// Messages of others after `read_seq`.
        unread: u64,
        /// Those of them that mention the caller.
        #[serde(default)] mentions: u64,
        last_message: Option<Message>,
        joined_seq: u64,
        left_seq: Option<u64>,
        /// Up to there the caller has deleted it for themselves: to be forgotten.
        cleared_seq: u64,
        #[serde(flatten)] view: View,
        #[serde(flatten)] draft: Draft,
    }
}
answer! {
    /// Somebody who is in a conversation.
    Member {
        account_id: Uuid,
        /// `owner`, `admin`, `member`
        role: String,
        nickname: Option<String>,
        joined_at: String,
        muted_until: Option<String>,
    }
}
answer! {
    /// What admins say to all.
    Announcement {
        text: String,
        /// The number of the system message that told it.
        seq: u64,
        at: String,
        by: Uuid,
    }
}
answer! {
    /// How a group is set up: see the request for what each means.
    GroupSettings {
        join_policy: String,
        shares_history: bool,
        muted: bool,
        slow_mode: u32,
        permissions: Permissions,
    }
}
answer! {
    /// The least role for each.
    Permissions {
        invite: String,
        post: String,
        pin: String,
        mention_all: String,
        edit_card: String,
    }
}
answer! {
    /// What came of wanting in: `joined`, or `requested`, which an admin answers.
    Came {
        state: String,
        conversation_id: Uuid,
    }
}
answer! {
    /// A group as somebody sees it who is not in.
    ConversationOutside {
        id: Uuid,
        name: Option<String>,
        avatar: Option<Uuid>,
        member_count: u64,
    }
}
answer! {
    /// A group that the caller is invited to.
    Invitation {
        conversation: ConversationOutside,
        by: Uuid,
        invited_at: String,
        expires_at: String,
    }
}
answer! {
    /// Somebody whom the group has invited.
    Invited {
        account_id: Uuid,
        by: Uuid,
        invited_at: String,
        expires_at: String,
    }
}
answer! {
    /// Somebody who asks to come.
    JoinRequest {
        account_id: Uuid,
        message: Option<String>,
        asked_at: String,
        expires_at: String,
    }
}
answer! {
    Ban {
        account_id: Uuid,
        by: Uuid,
        banned_at: String,
    }
}
answer! {
    /// A way to a group. Whoever has `token` comes by it.
    Link {
        id: Uuid,
        /// Null where it cannot be read any more.
        token: Option<String>,
        /// What to show as a QR code: `natter:join:<token>`.
        code: Option<String>,
        by: Uuid,
        expires_at: Option<String>,
        max_uses: Option<u32>,
        uses: u32,
    }
}
answer! {
    /// What is behind a link.
    LinkBehind {
        conversation: ConversationOutside,
        /// The caller is in.
        is_member: bool,
    }
}
answer! {
    /// One line of a group's log.
    GroupEvent {
        id: Uuid,
        at: String,
        /// The event's name: `member_left`, `renamed`, ...
        action: String,
        by: Option<Uuid>,
        account_ids: Vec<Uuid>,
        detail: Option<serde_json::Value>,
        /// The name, description or announcement that it is about.
        text: Option<String>,
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
