//! Which groups somebody owns (ACC-28): a place is taken before a group begins or is handed over to them, so that no two at
//! once take the last one. A group that ends or goes to somebody else gives its place back by an event of its own.

use super::{Event, Person, Refusal};
use crate::{Context, ConversationId};

pub(super) fn take(
    person: &Person,
    context: &Context,
    conversation_id: ConversationId,
    max: usize,
) -> Result<Vec<Event>, Refusal> {
    if person.groups.contains_key(&conversation_id) {
        return Ok(vec![]);
    }
    if person.groups.len() >= max {
        return Err(Refusal::TooManyGroups);
    }
    Ok(vec![Event::GroupOwned { conversation_id, at: context.now }])
}

pub(super) fn leave(person: &Person, conversations: &[ConversationId]) -> Vec<Event> {
    let conversation_ids: Vec<_> = conversations.iter().copied().filter(|it| person.groups.contains_key(it)).collect();
    if conversation_ids.is_empty() { vec![] } else { vec![Event::GroupsLeft { conversation_ids }] }
}
