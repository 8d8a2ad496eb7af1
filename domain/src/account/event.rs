//! What may have happened to an account. A storage contract: see `domain/tests/golden/account/`.

use crate::{HandleId, Sealed};
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
    },
    /// All handles are claimed: the account exists from here on.
    Registered {},
    /// A handle was taken by somebody else: this account never comes to be.
    RegistrationAbandoned {},
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::RegistrationStarted { .. } => "registration_started",
            Self::Registered {} => "registered",
            Self::RegistrationAbandoned {} => "registration_abandoned",
        }
    }
}
