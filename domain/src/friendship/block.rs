//! Who does not want to hear of whom, and strangers who want to talk.

use super::{Event, Refusal, State};
use crate::{AccountId, Context, ConversationId};

/// FRD-14. Who was blocked is not told: a request that is taken back looks like any other.
pub(super) fn block(state: &State, context: &Context, other: AccountId, is_known: bool) -> Result<Vec<Event>, Refusal> {
    let by = of_another(context, other)?;
    if state.blocks(by) {
        return Ok(vec![]);
    }
    if !is_known {
        return Err(Refusal::NotFound);
    }
    let pending = |from| state.last_request(from).filter(|(_, request)| request.is_pending(context.now));
    let mine = pending(by).map(|(request_id, _)| Event::Cancelled { request_id, from: by, to: other });
    let theirs = pending(other).filter(|(_, request)| !request.ignored);
    let theirs = theirs.map(|(request_id, _)| Event::Ignored { request_id, from: other, to: by });
    let (conversation_id, standing) = (state.conversation_id, state.standing.barred(by)); // FRD-17
    let blocked = Event::Blocked { by, other, conversation_id, standing };
    Ok(mine.into_iter().chain(theirs).chain([blocked]).collect())
}

pub(super) fn unblock(state: &State, context: &Context, other: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = context.actor.ok_or(Refusal::NotFound)?;
    if !state.blocks(by) {
        return Ok(vec![]);
    }
    let (conversation_id, standing) = (state.conversation_id, state.standing.unbarred(by)); // FRD-17
    Ok(vec![Event::Unblocked { by, other, conversation_id, standing }])
}

/// FRD-16. In the same words whether they are blocked or not taken.
pub(super) fn open(
    state: &State,
    context: &Context,
    other: AccountId,
    is_taken: bool,
    conversation_id: ConversationId,
) -> Result<Vec<Event>, Refusal> {
    let by = of_another(context, other)?;
    if state.standing.is_open {
        return Ok(vec![]);
    }
    if !is_taken || state.is_barred() {
        return Err(Refusal::NotFriends);
    }
    let conversation_id = state.conversation_id.unwrap_or(conversation_id); // FRD-7
    Ok(vec![Event::Opened { by, other, conversation_id, standing: state.standing.opened() }])
}

fn of_another(context: &Context, other: AccountId) -> Result<AccountId, Refusal> {
    let by = context.actor.ok_or(Refusal::NotFound)?;
    if by == other { Err(Refusal::SelfNotAllowed) } else { Ok(by) }
}
