//! Why we close a connection.

/// The close codes of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// The peer broke the protocol of WebSocket itself.
    Protocol,
    Binary,
    NotUtf8,
    Flood,
    TooBig,
    Fault,
    Restart,
    Unauthenticated,
    Expired,
    Revoked,
    Silent,
    Overflow,
    /// Asks on and on, whatever is told.
    Limited,
    Crowded,
    Denied,
}

impl Close {
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::Flood | Self::Denied => 1008,
            Self::TooBig => 1009,
            Self::Fault => 1011,
            Self::Restart => 1012,
            Self::Unauthenticated | Self::Expired => 4401,
            Self::Revoked => 4403,
            Self::Silent => 4408,
            Self::Overflow | Self::Limited | Self::Crowded => 4429,
        }
    }

    pub const fn reason(self) -> &'static str {
        match self {
            Self::Protocol => "not the WebSocket protocol",
            Self::Binary => "text frames only",
            Self::NotUtf8 => "not UTF-8",
            Self::Flood => "too many bad frames",
            Self::TooBig => "the frame is too big",
            Self::Fault => "something went wrong here",
            Self::Restart => "restart, reconnect with jitter",
            Self::Unauthenticated => "not authenticated",
            Self::Expired => "the access token has expired",
            Self::Revoked => "the session has ended",
            Self::Silent => "no heartbeat",
            Self::Overflow => "answers are not read",
            Self::Limited => "too many requests",
            Self::Crowded => "too many connections",
            Self::Denied => "nobody is let in from there",
        }
    }
}
