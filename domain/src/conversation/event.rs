//! What may have happened in a conversation. A storage contract: see `domain/tests/golden/conversation/`.

use super::{Bucket, Change, Details, Role, Standing};
use crate::{AccountId, MessageId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Started {
        kind: Kind,
        /// Everybody who is in from the start, each with `joined_seq` 0.
        members: Vec<AccountId>,
        /// A group's. Version 1 knew direct conversations only, which have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// A group's: who began it, one of the members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<AccountId>,
    },
    MessageSent {
        message_id: MessageId,
        /// 1, 2, 3... in this conversation, without gaps.
        seq: u64,
        sender: AccountId,
        /// The body as clients gave it, as JSON, sealed.
        body: Sealed,
        body_kind: BodyKind,
        /// Bytes of the body's texts before sealing.
        size: u32,
        /// Version 1 had none.
        #[serde(default, skip_serializing_if = "Details::is_plain")]
        details: Box<Details>,
    },
    MembersJoined {
        /// Of the system message that this is. They see it: their `joined_seq` is one less.
        seq: u64,
        /// Nobody twice, nobody who was in.
        account_ids: Vec<AccountId>,
        /// Who let them in; themselves: they came.
        by: AccountId,
        /// Version 1 knew of no other than the first.
        #[serde(default, skip_serializing_if = "Way::is_added")]
        way: Way,
        /// The `joined_seq` of each, in their order, where it is another than that.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        begins: Vec<u64>,
    },
    MemberLeft {
        /// Of the system message that this is: the last one that they see.
        seq: u64,
        account_id: AccountId,
        /// Themselves: they left. Somebody else: they were removed.
        by: AccountId,
        /// Which of their stays has ended.
        joined_seq: u64,
    },
    Renamed {
        name: Sealed,
        by: AccountId,
        /// The newest message's number at that moment; its own, where it is one.
        last_seq: u64,
        /// Version 1 was none.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_message: bool,
    },
    Changed {
        change: Change,
        by: AccountId,
        /// The newest message's number at that moment; its own, where it is one: [`Change::is_told`].
        last_seq: u64,
    },
    Announced {
        /// Of the system message that this is.
        seq: u64,
        /// `None`: what was said is taken back.
        text: Option<Sealed>,
        by: AccountId,
    },
    OwnerChanged {
        /// Of the system message that this is.
        seq: u64,
        account_id: AccountId,
        /// Who owned it until now, and is an admin from now on.
        by: AccountId,
    },
    RoleChanged {
        /// Of the system message that this is.
        seq: u64,
        account_id: AccountId,
        /// Admin or member.
        role: Role,
        by: AccountId,
    },
    NicknameChanged {
        account_id: AccountId,
        /// Under the key of whose it is.
        nickname: Option<Sealed>,
        /// Among which it is looked for. Version 1 had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bucket: Option<Bucket>,
        by: AccountId,
        last_seq: u64,
    },
    MemberMuted {
        account_id: AccountId,
        /// `None`: they may write again.
        until: Option<Timestamp>,
        by: AccountId,
        last_seq: u64,
    },
    /// In slow mode: who has just written waits.
    Paused {
        account_id: AccountId,
        at: Timestamp,
        until: Timestamp,
    },
    Banned {
        account_id: AccountId,
        by: AccountId,
    },
    Unbanned {
        account_id: AccountId,
        by: AccountId,
    },
    MembersInvited {
        account_ids: Vec<AccountId>,
        /// Those of them who are not to know.
        untold: Vec<AccountId>,
        /// Who joined at once by the same command: its first event answers for all of it.
        joined: Vec<AccountId>,
        by: AccountId,
        at: Timestamp,
        expires_at: Timestamp,
    },
    InvitationEnded {
        account_id: AccountId,
        /// Themselves: they do not come. Somebody else: it was taken back.
        by: AccountId,
        /// Whether they knew of it.
        is_told: bool,
    },
    JoinRequested {
        account_id: AccountId,
        /// Under their own key.
        message: Option<Sealed>,
        at: Timestamp,
        expires_at: Timestamp,
    },
    JoinDeclined {
        account_id: AccountId,
        /// Themselves: they thought better of it.
        by: AccountId,
    },
    LinkMade {
        /// Follows from the secret.
        link_id: Uuid,
        secret: Sealed,
        by: AccountId,
        at: Timestamp,
        /// `None`: it does not.
        expires_at: Option<Timestamp>,
        /// People that may come by it; `None`: any number.
        uses: Option<u32>,
    },
    LinkRevoked {
        link_id: Uuid,
        by: AccountId,
    },
    Dissolved {
        /// Of the system message that this is, the last one.
        seq: u64,
        by: AccountId,
        /// Until when it can be read.
        ends_at: Timestamp,
    },
    /// It cannot be read any more.
    Ended {},
    /// The other one of a direct conversation has read a message that ends a while after that.
    CountdownBegan {
        message_id: MessageId,
        seq: u64,
        sender: AccountId,
        sent_at: Timestamp,
        expires_at: Timestamp,
    },
    /// A direct conversation's.
    StandingChanged {
        #[serde(flatten)]
        standing: Standing,
        /// Those of its two who are shown another state than before. Who was blocked is not.
        shown_to: Vec<AccountId>,
        /// As in `Renamed`.
        last_seq: u64,
    },
}

/// How somebody came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By a member.
    #[default]
    Added,
    Invited,
    /// They asked, and were let in.
    Asked,
    Open,
    Link(Uuid),
}

impl Way {
    fn is_added(&self) -> bool {
        *self == Self::Added
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Direct,
    Group,
    /// Of one person with themselves. Its word in events is `own`, what clients call it is `self`.
    Own,
    /// Anybody's: nobody has to be let in, and nobody is counted as a member. Whoever wants to be told of what is said there
    /// has a [`subscription`](crate::subscription).
    Channel,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Own => "self",
            Self::Channel => "channel",
        }
    }

    /// The number of the system message that the beginning is; 0: it is none.
    pub const fn first_seq(self) -> u64 {
        match self {
            Self::Direct | Self::Own => 0,
            Self::Group | Self::Channel => 1,
        }
    }
}

/// What kind of thing a message is, beside its sealed body, for who must not open it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    Text,
    Image,
    Voice,
    Video,
    File,
    Location,
    Contact,
    Link,
    Sticker,
    /// Messages from elsewhere, in one.
    Merged,
    Custom,
    /// Encrypted by clients for each other.
    Opaque,
}

impl BodyKind {
    pub const ALL: [Self; 12] = [
        Self::Text,
        Self::Image,
        Self::Voice,
        Self::Video,
        Self::File,
        Self::Location,
        Self::Contact,
        Self::Link,
        Self::Sticker,
        Self::Merged,
        Self::Custom,
        Self::Opaque,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
            Self::Location => "location",
            Self::Contact => "contact",
            Self::Link => "link",
            Self::Sticker => "sticker",
            Self::Merged => "merged",
            Self::Custom => "custom",
            Self::Opaque => "opaque",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Event {
    /// A member adds others, who see what comes from then on.
    pub fn added(seq: u64, account_ids: Vec<AccountId>, by: AccountId) -> Self {
        Self::MembersJoined { seq, account_ids, by, way: Way::Added, begins: Vec::new() }
    }

    /// Two people begin to talk.
    pub fn started_direct(members: [AccountId; 2]) -> Self {
        Self::Started { kind: Kind::Direct, members: members.to_vec(), name: None, owner: None }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::MessageSent { .. } => "message_sent",
            Self::MembersJoined { .. } => "members_joined",
            Self::MemberLeft { .. } => "member_left",
            Self::Renamed { .. } => "renamed",
            Self::Changed { .. } => "changed",
            Self::Announced { .. } => "announced",
            Self::OwnerChanged { .. } => "owner_changed",
            Self::RoleChanged { .. } => "role_changed",
            Self::NicknameChanged { .. } => "nickname_changed",
            Self::MemberMuted { .. } => "member_muted",
            Self::Paused { .. } => "paused",
            Self::Banned { .. } => "banned",
            Self::Unbanned { .. } => "unbanned",
            Self::MembersInvited { .. } => "members_invited",
            Self::InvitationEnded { .. } => "invitation_ended",
            Self::JoinRequested { .. } => "join_requested",
            Self::JoinDeclined { .. } => "join_declined",
            Self::LinkMade { .. } => "link_made",
            Self::LinkRevoked { .. } => "link_revoked",
            Self::Dissolved { .. } => "dissolved",
            Self::Ended { .. } => "ended",
            Self::CountdownBegan { .. } => "countdown_began",
            Self::StandingChanged { .. } => "standing_changed",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Started { .. }
            | Self::MessageSent { .. }
            | Self::MembersJoined { .. }
            | Self::Renamed { .. }
            | Self::NicknameChanged { .. } => 2,
            _ => 1,
        }
    }
}
