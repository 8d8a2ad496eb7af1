//! Why a conversation says no.

use crate::{AccountId, Code, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    NotFound,
    #[error("you are not in this conversation any more")]
    NotAMember,
    #[error("a direct conversation has two members")]
    WithOneself,
    #[error("the conversation was started with other members")]
    StartedOtherwise,
    #[error("only a group has members who come and go, and a card")]
    NotAGroup,
    #[error("there is no such account")]
    UnknownAccount { account: AccountId },
    #[error("the group is full")]
    GroupFull,
    #[error("your role does not allow this")]
    NotAllowed,
    #[error("the owner stays while others are in")]
    OwnerMustStay,
    #[error("nobody of this id is or was in the conversation")]
    NobodyOfThisId,
    #[error("you are muted")]
    Muted { until: Option<Timestamp> },
    #[error("you have just written, and the group is in slow mode")]
    TooSoon { until: Timestamp },
    #[error("the conversation is closed")]
    Closed,
    #[error("you are banned from this group")]
    Banned,
    #[error("they are banned from this group")]
    TheyAreBanned,
    #[error("the link is not good any more")]
    Gone,
    #[error("it is too late to answer this")]
    RequestClosed,
    #[error("somebody who was in has just left: ask again")]
    NotAsked,
    #[error("until when must lie in the future")]
    Past,
    #[error("it is too early for this")]
    NotDue,
    #[error("a group has at most 100 admins")]
    TooManyAdmins,
    #[error("a group has at most 50 links")]
    TooManyLinks,
    #[error("too many people are invited already")]
    TooManyInvited,
    #[error("too many people ask to come already")]
    TooManyAsking,
    #[error("too many people are banned already")]
    TooManyBanned,
    #[error("there is no such message here")]
    NothingToAnswer,
    #[error("there is no message that the thread could begin with")]
    NoThread,
    #[error("what it answers was recalled")]
    AnswersRecalled,
    #[error("only between two people a message ends after it was read")]
    NotDirect,
    #[error("too many messages that end once they are read were not read yet")]
    TooManyUnread,
    #[error("{account} is not in the conversation")]
    MentionsNobody { account: AccountId },
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound | Self::NobodyOfThisId => Code::NotFound,
            Self::NotAMember => Code::NotAMember,
            Self::WithOneself => Code::SelfNotAllowed,
            Self::StartedOtherwise
            | Self::TooManyAdmins
            | Self::TooManyLinks
            | Self::TooManyInvited
            | Self::TooManyAsking
            | Self::TooManyBanned
            | Self::TooManyUnread => Code::Conflict,
            Self::NotAGroup | Self::NotDirect => Code::Forbidden,
            Self::UnknownAccount { .. }
            | Self::Past
            | Self::NothingToAnswer
            | Self::NoThread
            | Self::MentionsNobody { .. } => Code::InvalidInput,
            Self::AnswersRecalled => Code::Recalled,
            Self::GroupFull => Code::GroupFull,
            Self::NotAllowed => Code::NotAllowed,
            Self::OwnerMustStay => Code::OwnerMustStay,
            Self::Muted { .. } => Code::Muted,
            Self::TooSoon { .. } => Code::SlowMode,
            Self::Closed => Code::ConversationClosed,
            Self::Banned | Self::TheyAreBanned => Code::Banned,
            Self::Gone => Code::Gone,
            Self::RequestClosed => Code::RequestClosed,
            // To be asked again later.
            Self::NotDue | Self::NotAsked => Code::Unavailable,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Muted { until } => *until,
            Self::TooSoon { until } => Some(*until),
            _ => None,
        }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::NothingToAnswer => Some("/reply_to".to_owned()),
            Self::MentionsNobody { .. } => Some("/mentions".to_owned()),
            Self::NoThread => Some("/thread".to_owned()),
            _ => None,
        }
    }
}
