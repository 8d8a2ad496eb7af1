//! What may have happened to an account. A storage contract: see `domain/tests/golden/account/`.

use crate::{HandleId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Names are being claimed; nobody may sign in yet.
    RegistrationStarted {
        username: Sealed,
        nickname: Sealed,
        /// argon2id in PHC form.
        password_hash: String,
        handles: Vec<HandleId>,
        /// From then on it may be abandoned, whoever was to complete it. Version 1 had none: it may be at once.
        #[serde(default)]
        expires_at: Timestamp,
    },
    /// All handles are claimed: the account exists from here on.
    Registered {},
    /// A handle was taken by somebody else, or its time was over: this account never comes to be.
    RegistrationAbandoned {
        /// To be given back, those that were claimed among them. Version 1 named none.
        #[serde(default)]
        handles: Vec<HandleId>,
    },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::RegistrationStarted { .. } => "registration_started",
            Self::Registered {} => "registered",
            Self::RegistrationAbandoned { .. } => "registration_abandoned",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::RegistrationStarted { .. } | Self::RegistrationAbandoned { .. } => 2,
            Self::Registered {} => 1,
        }
    }
}
