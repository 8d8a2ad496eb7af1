//! What becomes of a friend: what is noted of them, and the end.

use super::{Event, Note, Refusal, State};
use crate::{AccountId, Context, Sealed, account::Change};
use serde::{Deserialize, Serialize};

/// `T`: a text, or its sealed form.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FriendChange<T> {
    pub remark: Change<T>,
    pub folder: Change<T>,
    /// `None`: as it is.
    pub starred: Option<bool>,
}

/// Nothing: all of it stays.
impl<T> Default for FriendChange<T> {
    fn default() -> Self {
        Self { remark: Change::Keep, folder: Change::Keep, starred: None }
    }
}

/// FRD-12. Who was a friend once stays gone without a word.
pub(super) fn remove(state: &State, context: &Context, other: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = context.actor.ok_or(Refusal::NotFound)?;
    let Some(conversation_id) = state.conversation_id.filter(|_| state.friends) else {
        return if state.have_been_friends() { Ok(vec![]) } else { Err(Refusal::NotFound) };
    };
    let standing = state.standing.closed(); // FRD-17
    Ok(vec![Event::Removed { by, other, conversation_id, standing }])
}

/// FRD-13.
pub(super) fn change(
    state: &State,
    context: &Context,
    friend: AccountId,
    change: &FriendChange<Sealed>,
) -> Result<Vec<Event>, Refusal> {
    let account = context.actor.filter(|_| state.friends).ok_or(Refusal::NotFound)?;
    let now = state.notes.get(&account).cloned().unwrap_or_default();
    let next = Note {
        remark: change.remark.of(&now.remark),
        folder: change.folder.of(&now.folder),
        starred: change.starred.unwrap_or(now.starred),
    };
    if next == now {
        return Ok(vec![]);
    }
    let Note { remark, folder, starred } = next;
    Ok(vec![Event::FriendChanged { account, friend, remark, folder, starred }])
}
