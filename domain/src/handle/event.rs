//! What may have happened to a handle. A storage contract: see `domain/tests/golden/handle/`.

use crate::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Claimed {
        by: AccountId,
        /// Of the claim. Version 1 had none: every release is about it.
        #[serde(default)]
        until: Timestamp,
    },
    /// Anybody may claim it again.
    Released { by: AccountId },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "claimed",
            Self::Released { .. } => "released",
        }
    }

    fn version(&self) -> u32 {
        match self {
            Self::Claimed { .. } => 2,
            Self::Released { .. } => 1,
        }
    }
}
