//! What may be asked of a session. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use super::event::{Device, Reason};
use crate::{AccountId, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    Open {
        account_id: AccountId,
        device: Option<Device>,
        refresh_hash: String,
        expires_at: Timestamp,
        /// Where from.
        address: Option<Sealed>,
    },
    /// Exchange the token of `generation`, whose authenticity was proven by its tag, for the next one.
    /// A generation that was exchanged before is a reuse: the answer is then a `Revoked` event, not a refusal.
    Refresh {
        generation: u32,
        presented_hash: String,
        next_hash: String,
        expires_at: Timestamp,
        address: Option<Sealed>,
    },
    Revoke {
        reason: Reason,
    },
    /// By its account, which has let it in: one that has not opened yet never will.
    End {
        account_id: AccountId,
        reason: Reason,
    },
}
