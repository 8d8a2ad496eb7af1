//! Erasure: the last that can happen to an account. Whoever was registered is forgotten here; that the key of what they
//! had told is destroyed follows from the event.
//!
//! - ACC-22: who was registered, closed since or not, is erased once, whoever asks; every session ends with it.
//!   Address and number are given back, for they may be somebody else's tomorrow, and identities elsewhere. The user name is
//!   not: whoever knew somebody by it must not meet another one.
//! - ACC-23: an erased account is nobody's: nothing else happens to it any more, but that what was being claimed for it is
//!   given back in its time (`claiming.rs`).

use super::{Event, Person, Refusal, State};
use crate::{session::Reason, value};

/// `by`: the operator who asks; `None`: it follows from what the log says.
pub(super) fn erase(state: &State, by: Option<&str>) -> Result<Vec<Event>, Refusal> {
    let person = match state {
        State::Erased { .. } => return Ok(vec![]),
        State::Registered(person) => Some(person),
        // Its sessions have ended, its handles were given back.
        State::Closed { .. } => None,
        State::Unknown | State::Registering { .. } | State::Abandoned => return Err(Refusal::NotFound),
    };
    if !by.is_none_or(value::is_operator) {
        return Err(Refusal::Nameless);
    }
    let ended = person.map_or(vec![], |person| person.standing.all_but(None));
    let released = person.map_or(vec![], Person::handles);
    let ends = (!ended.is_empty()).then_some(Event::SessionsEnded { ended, reason: Reason::Ended });
    Ok(ends.into_iter().chain([Event::Erased { by: by.map(str::to_owned), released }]).collect())
}
