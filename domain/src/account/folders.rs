//! In which order somebody's folders of friends stand. Which friends are in one is said where the friends are.
//!
//! - ACC-29: the order is said whole; what is so already is silent.

use super::{Event, Refusal, State};
use crate::Sealed;

pub(super) fn order(state: &State, names: &Sealed) -> Result<Vec<Event>, Refusal> {
    let State::Registered(person) = state else { return Err(Refusal::NotFound) };
    if person.friend_folders.as_ref() == Some(names) {
        return Ok(vec![]);
    }
    Ok(vec![Event::FriendFoldersOrdered { names: names.clone() }])
}
