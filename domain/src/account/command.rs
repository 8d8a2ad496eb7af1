//! What may be asked of an account.

use crate::{HandleId, Sealed};

#[derive(Clone, PartialEq, Debug)]
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
}
