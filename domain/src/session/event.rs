//! What may have happened to a session. A storage contract: see `domain/tests/golden/session/`.

use crate::{AccountId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Opened {
        account_id: AccountId,
        device: Option<Device>,
        /// Hash of the refresh token of generation 1.
        refresh_hash: String,
        /// When the refresh token stops working.
        expires_at: Timestamp,
        /// Where from. Version 1 did not say.
        address: Option<Sealed>,
    },
    /// The refresh token was exchanged for the next one.
    Refreshed {
        account_id: AccountId,
        generation: u32,
        refresh_hash: String,
        expires_at: Timestamp,
        /// As in `Opened`.
        address: Option<Sealed>,
    },
    Revoked {
        account_id: AccountId,
        reason: Reason,
    },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Device {
    pub name: Option<Sealed>,
    pub platform: Option<String>,
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    LoggedOut,
    /// A refresh token was used a second time: one of its two holders is a thief.
    RefreshTokenReused,
    /// Its owner ended it from another session.
    Ended,
    PasswordChanged,
    /// A newer session took its place.
    Replaced,
    /// The account was suspended.
    Suspended,
    /// Its owner wants the account closed.
    Closing,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::Ended => "ended",
            Self::PasswordChanged => "password_changed",
            Self::Replaced => "replaced",
            Self::Suspended => "suspended",
            Self::Closing => "closing",
        }
    }
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Refreshed { .. } => "refreshed",
            Self::Revoked { .. } => "revoked",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Opened { .. } | Self::Refreshed { .. } => 2,
            Self::Revoked { .. } => 1,
        }
    }
}
