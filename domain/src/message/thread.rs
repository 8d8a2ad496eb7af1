//! Replies under a message have a thread, which is remembered with the message that it began with: who follows it, and how
//! far each has read. The replies themselves are messages of the conversation like all others.

use super::{Event, Place, Refusal, State};
use crate::{AccountId, conversation};
use serde::{Deserialize, Serialize};

/// What one person has said of the thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reader {
    /// `None`: they have not said. Who takes part follows then.
    pub follows: Option<bool>,
    /// Of the conversation's numbers; 0: nothing.
    pub read_seq: u64,
}

/// MSG-10.
pub(super) fn follow(state: &State, message: Place, account_id: AccountId, follows: bool) -> Vec<Event> {
    if state.reader(account_id).follows == Some(follows) {
        return vec![];
    }
    vec![match follows {
        true => Event::Followed { message, account_id },
        false => Event::Unfollowed { message, account_id },
    }]
}

/// MSG-11.
pub(super) fn read(
    state: &State,
    host: &conversation::State,
    message: Place,
    account_id: AccountId,
    seq: u64,
) -> Result<Vec<Event>, Refusal> {
    if seq > host.last_seq {
        return Err(Refusal::BeyondTheEnd);
    }
    if seq <= state.reader(account_id).read_seq.max(message.seq) {
        return Ok(vec![]);
    }
    Ok(vec![Event::ThreadRead { message, account_id, seq }])
}
