//! What may be asked of an account. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::{HandleId, Sealed};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    StartRegistration {
        username: Sealed,
        nickname: Sealed,
        password_hash: String,
        handles: Vec<HandleId>,
    },
    /// Every handle of the registration has been claimed.
    CompleteRegistration,
    /// A handle could not be claimed.
    AbandonRegistration,
    /// Its time is over, whoever was to complete it.
    ExpireRegistration,
}
