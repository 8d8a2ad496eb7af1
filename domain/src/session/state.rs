//! What we remember of a session.

use super::{Event, Reason};
use crate::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Unknown,
    Open {
        account_id: AccountId,
        /// Of the one refresh token that works, from 1.
        generation: u32,
        refresh_hash: String,
        expires_at: Timestamp,
    },
    Revoked {
        account_id: AccountId,
        reason: Reason,
    },
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event) {
        if matches!(self, Self::Revoked { .. }) {
            return; // SES-4
        }
        *self = match event {
            Event::Opened { account_id, refresh_hash, expires_at, .. } => Self::Open {
                account_id: *account_id,
                generation: 1,
                refresh_hash: refresh_hash.clone(),
                expires_at: *expires_at,
            },
            Event::Refreshed { account_id, generation, refresh_hash, expires_at, .. } => Self::Open {
                account_id: *account_id,
                generation: *generation,
                refresh_hash: refresh_hash.clone(),
                expires_at: *expires_at,
            },
            Event::Revoked { account_id, reason } => Self::Revoked { account_id: *account_id, reason: *reason },
        };
    }
}
