//! Channels: what anybody may read, and those may say something to whom its owner gives that (CNV-19).

use super::{Event, Kind, Refusal, State};
use crate::{AccountId, Context, Sealed};

pub(super) fn start(state: &State, context: &Context, name: &Sealed) -> Result<Vec<Event>, Refusal> {
    let owner = context.actor.ok_or(Refusal::NotFound)?;
    if state.kind.is_some() {
        return if is_the_same(state, owner, name) { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) };
    }
    let (members, name) = (Vec::new(), Some(name.clone()));
    Ok(vec![Event::Started { kind: Kind::Channel, members, name, owner: Some(owner) }])
}

fn is_the_same(state: &State, owner: AccountId, name: &Sealed) -> bool {
    state.is_channel() && state.card.owner == Some(owner) && state.card.name.as_ref() == Some(name)
}
