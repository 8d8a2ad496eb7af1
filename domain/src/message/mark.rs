//! What people note on a message for themselves: that it has their star, that they have listened to it. Nobody else is told.

use super::{Event, Place, Refusal, State};
use crate::{AccountId, Timestamp, conversation::BodyKind};
use serde::{Deserialize, Serialize};

/// One person's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Marks {
    /// Since when; `None`: it has no star.
    pub starred_at: Option<Timestamp>,
    /// For good.
    pub listened: bool,
}

/// What is to become of them.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub starred: Option<bool>,
    pub listened: bool,
    pub body_kind: BodyKind,
    pub is_gone: bool,
}

/// MSG-14.
pub(super) fn mark(
    state: &State,
    message: Place,
    account_id: AccountId,
    now: Timestamp,
    wanted: Wanted,
) -> Result<Vec<Event>, Refusal> {
    if wanted.is_gone {
        return Err(Refusal::NotFound);
    }
    let before = state.marks(account_id);
    let starred_at = match wanted.starred {
        Some(true) => before.starred_at.or(Some(now)),
        Some(false) => None,
        None => before.starred_at,
    };
    let after = Marks { starred_at, listened: before.listened || wanted.listened };
    if after == before {
        return Ok(vec![]);
    }
    if state.recalled {
        return Err(Refusal::Recalled);
    }
    if after.listened && !before.listened {
        can_be_listened_to(message, account_id, wanted.body_kind)?;
    }
    Ok(vec![Event::Marked { message, account_id, starred_at, listened: after.listened }])
}

fn can_be_listened_to(message: Place, account_id: AccountId, body_kind: BodyKind) -> Result<(), Refusal> {
    if body_kind != BodyKind::Voice {
        return Err(Refusal::NoVoice);
    }
    if message.sender == Some(account_id) { Err(Refusal::OwnVoice) } else { Ok(()) }
}
