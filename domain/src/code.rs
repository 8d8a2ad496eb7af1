//! The stable codes that programs switch on. This is the one list; what status each has is the edge's table.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// A public error code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($name),+ }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    Malformed = "malformed",
    Unauthenticated = "unauthenticated",
    TokenExpired = "token_expired",
    WrongCredentials = "wrong_credentials",
    Forbidden = "forbidden",
    NotFriends = "not_friends",
    RequestsNotTaken = "requests_not_taken",
    ConversationClosed = "conversation_closed",
    NotAMember = "not_a_member",
    NotAllowed = "not_allowed",
    NotYourMessage = "not_your_message",
    Muted = "muted",
    Banned = "banned",
    AccountSuspended = "account_suspended",
    SecondFactorRequired = "second_factor_required",
    NotFound = "not_found",
    Gone = "gone",
    MethodNotAllowed = "method_not_allowed",
    Conflict = "conflict",
    NameTaken = "name_taken",
    EmailTaken = "email_taken",
    PhoneTaken = "phone_taken",
    AlreadyFriends = "already_friends",
    RequestRepeated = "request_repeated",
    RequestClosed = "request_closed",
    GroupFull = "group_full",
    TooManyGroups = "too_many_groups",
    OwnerMustStay = "owner_must_stay",
    TooLate = "too_late",
    Recalled = "recalled",
    TooManyReactions = "too_many_reactions",
    PayloadTooLarge = "payload_too_large",
    UnsupportedMediaType = "unsupported_media_type",
    InvalidInput = "invalid_input",
    CodeWrong = "code_wrong",
    SelfNotAllowed = "self_not_allowed",
    ContentRefused = "content_refused",
    SlowMode = "slow_mode",
    RateLimited = "rate_limited",
    Internal = "internal",
    Unavailable = "unavailable",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
