//! What may be asked of a handle. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// `until`: a claim decided later is void, for its account may be abandoned by then. It names the claim too: one that
    /// was begun later has a later one.
    Claim { by: AccountId, until: Timestamp },
    /// The account that claimed it, or wanted to, never came to be, has another one now, or was closed.
    /// `until`: of claims with a later one it says nothing, they were begun after it.
    Release { by: AccountId, until: Timestamp },
}
