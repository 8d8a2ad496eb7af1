//! The conversation of a person with themselves: notes, and what goes from one device to another.

use super::{Event, Kind, Refusal, State};
use crate::{AccountId, Context, ConversationId, id::derived};

/// An account has one, for ever, and it is found without asking.
pub fn own_id(account: AccountId) -> ConversationId {
    ConversationId(derived("natter own conversation", &[account.0.as_bytes()]))
}

/// CNV-16.
pub(super) fn start(state: &State, context: &Context) -> Result<Vec<Event>, Refusal> {
    let owner = context.actor.ok_or(Refusal::NotFound)?;
    match state.kind {
        None => Ok(vec![Event::Started { kind: Kind::Own, members: vec![owner], name: None, owner: None }]),
        Some(Kind::Own) if state.members.contains_key(&owner) => Ok(vec![]),
        Some(_) => Err(Refusal::StartedOtherwise),
    }
}
