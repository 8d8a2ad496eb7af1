//! What may have happened to a handle. A storage contract: see `domain/tests/golden/handle/`.

use crate::AccountId;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Claimed {
        by: AccountId,
    },
    /// Anybody may claim it again.
    Released {
        by: AccountId,
    },
}

impl crate::Event for Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "claimed",
            Self::Released { .. } => "released",
        }
    }
}
