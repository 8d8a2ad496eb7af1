//! What an inbox answers.

use super::{Advance, Command, Cursor, Event, State};
use crate::{Code, Context, ConversationId, limit};
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("a cursor lies beyond the newest message")]
    BeyondTheEnd,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::BeyondTheEnd => Code::InvalidInput,
        }
    }
}

pub fn decide(state: &State, _: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Advance { cursors } => advance(state, cursors),
    }
}

fn advance(state: &State, cursors: &[Advance]) -> Result<Vec<Event>, Refusal> {
    if cursors.iter().any(|cursor| cursor.seq > cursor.last_seq) {
        return Err(Refusal::BeyondTheEnd); // INB-2
    }
    let moved: Vec<Cursor> = highest(cursors.iter().filter(|cursor| moves(state, cursor))).into_values().collect();
    Ok(moved.chunks(limit::CURSORS_PER_EVENT).map(|part| Event::CursorsAdvanced { cursors: part.to_vec() }).collect()) // INB-5
}

/// INB-1 and INB-3.
fn moves(state: &State, cursor: &Advance) -> bool {
    let current = state.cursors.get(&cursor.conversation_id).copied().unwrap_or(0);
    cursor.seq > current.max(cursor.joined_seq)
}

/// One cursor per conversation (INB-4), in the order of their ids.
fn highest<'a>(cursors: impl Iterator<Item = &'a Advance>) -> BTreeMap<ConversationId, Cursor> {
    let mut highest = BTreeMap::<ConversationId, Cursor>::new();
    for &Advance { conversation_id, seq, peer, .. } in cursors {
        if highest.get(&conversation_id).is_none_or(|known| known.seq < seq) {
            highest.insert(conversation_id, Cursor { conversation_id, seq, peer });
        }
    }
    highest
}
