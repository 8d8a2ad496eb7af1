//! What an inbox answers.

use super::{Advance, Command, Cursor, Delivery, Event, Outside, State, view};
use crate::{Code, Context, ConversationId, MessageId, limit};
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    NotFound,
    #[error("you are not in this conversation any more")]
    NotAMember,
    #[error("only a group has an announcement")]
    NotAGroup,
    #[error("only of a direct conversation others are told what has come")]
    NotDirect,
    #[error("a cursor lies beyond the newest message")]
    BeyondTheEnd,
    #[error("must lie in the future")]
    QuietInThePast,
    #[error("at most 100 conversations are pinned")]
    TooManyPinned,
    #[error("there are at most 100 folders")]
    TooManyFolders,
    #[error("there are at most 1000 drafts")]
    TooManyDrafts,
    #[error("there is no such message")]
    NoMessage,
    #[error("of one conversation 1000 messages are deleted one by one at most")]
    TooManyDeleted,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound | Self::NoMessage => Code::NotFound,
            Self::NotAMember => Code::NotAMember,
            Self::NotAGroup | Self::NotDirect => Code::Forbidden,
            Self::BeyondTheEnd | Self::QuietInThePast => Code::InvalidInput,
            Self::TooManyPinned | Self::TooManyFolders | Self::TooManyDrafts | Self::TooManyDeleted => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Advance { cursors } => advance(state, cursors),
        Command::Deliver { deliveries } => deliver(state, deliveries),
        Command::Change { conversation_id, newest, change } => {
            view::change(state, context, *conversation_id, *newest, change)
        }
        Command::Clear { conversation_id, newest, ends_some } => {
            Ok(view::clear(state, *conversation_id, *newest, *ends_some))
        }
        Command::Delete { conversation_id, message_id, seq, outside } => {
            is_inside(*outside)?;
            delete(state, *conversation_id, *message_id, *seq)
        }
        Command::TakeBack { conversation_id, change } => view::take_back(state, *conversation_id, change),
        Command::ReadAnnouncement { conversation_id, seq, last_seq, outside } => {
            is_inside(*outside)?;
            read_announcement(state, *conversation_id, *seq, *last_seq)
        }
    }
}

/// INB-13.
fn is_inside(outside: Option<Outside>) -> Result<(), Refusal> {
    match outside {
        None => Ok(()),
        Some(Outside::NotFound) => Err(Refusal::NotFound),
        Some(Outside::NotAMember) => Err(Refusal::NotAMember),
        Some(Outside::NoMessage) => Err(Refusal::NoMessage),
        Some(Outside::NotAGroup) => Err(Refusal::NotAGroup),
        Some(Outside::NotDirect) => Err(Refusal::NotDirect),
    }
}

fn advance(state: &State, cursors: &[Advance]) -> Result<Vec<Event>, Refusal> {
    cursors.iter().try_for_each(|cursor| is_inside(cursor.outside))?;
    if cursors.iter().any(|cursor| cursor.seq > cursor.last_seq) {
        return Err(Refusal::BeyondTheEnd); // INB-2
    }
    let moved = highest(cursors.iter().filter(|cursor| moves(state, cursor)));
    let read: Vec<Event> =
        moved.values().filter_map(|cursor| view::read(state, cursor.conversation_id, cursor.last_seq)).collect();
    let come: Vec<Cursor> = moved.values().filter_map(|cursor| come_only(state, cursor)).collect();
    let ending: Vec<Event> = moved.values().filter(|it| it.ends_some).map(ending).collect();
    let moved: Vec<Cursor> = moved.into_values().map(cursor).collect();
    let parts = moved.chunks(limit::CURSORS_PER_EVENT); // INB-5
    let moved = parts.map(|part| Event::CursorsAdvanced { cursors: part.to_vec() });
    Ok(moved.chain(come_events(&come)).chain(ending).chain(read).collect())
}

fn cursor(&Advance { conversation_id, seq, peer, is_shown, .. }: &Advance) -> Cursor {
    Cursor { conversation_id, seq, peer: peer.filter(|_| is_shown) }
}

/// INB-17.
fn ending(cursor: &&Advance) -> Event {
    Event::EndingRead { conversation_id: cursor.conversation_id, seq: cursor.seq }
}

/// INB-16.
fn come_only(state: &State, &Advance { conversation_id, seq, peer, is_shown, .. }: &Advance) -> Option<Cursor> {
    let is_news = !is_shown && peer.is_some() && seq > state.delivered(conversation_id);
    is_news.then_some(Cursor { conversation_id, seq, peer })
}

/// INB-15.
fn deliver(state: &State, deliveries: &[Delivery]) -> Result<Vec<Event>, Refusal> {
    deliveries.iter().try_for_each(|delivery| is_inside(delivery.outside))?;
    if deliveries.iter().any(|delivery| delivery.seq > delivery.last_seq) {
        return Err(Refusal::BeyondTheEnd);
    }
    let mut come = BTreeMap::<ConversationId, Cursor>::new();
    for &Delivery { conversation_id, seq, peer, .. } in deliveries {
        let known = come.get(&conversation_id).map_or_else(|| state.delivered(conversation_id), |it| it.seq);
        if seq > known {
            come.insert(conversation_id, Cursor { conversation_id, seq, peer });
        }
    }
    Ok(come_events(&come.into_values().collect::<Vec<_>>()).collect())
}

/// INB-5.
fn come_events(come: &[Cursor]) -> impl Iterator<Item = Event> {
    come.chunks(limit::CURSORS_PER_EVENT).map(|part| Event::DeliveriesAdvanced { cursors: part.to_vec() })
}

/// INB-1 and INB-3.
fn moves(state: &State, cursor: &Advance) -> bool {
    let current = state.cursors.get(&cursor.conversation_id).copied().unwrap_or(0);
    cursor.seq > current.max(cursor.entered_seq)
}

/// One cursor per conversation (INB-4), in the order of their ids.
fn highest<'a>(cursors: impl Iterator<Item = &'a Advance>) -> BTreeMap<ConversationId, &'a Advance> {
    let mut highest = BTreeMap::<ConversationId, &Advance>::new();
    for cursor in cursors {
        if highest.get(&cursor.conversation_id).is_none_or(|known| known.seq < cursor.seq) {
            highest.insert(cursor.conversation_id, cursor);
        }
    }
    highest
}

/// INB-12.
fn read_announcement(
    state: &State,
    conversation_id: ConversationId,
    seq: u64,
    last_seq: u64,
) -> Result<Vec<Event>, Refusal> {
    if state.announcements.get(&conversation_id).copied().unwrap_or(0) >= seq {
        return Ok(vec![]);
    }
    if seq > last_seq {
        return Err(Refusal::BeyondTheEnd);
    }
    Ok(vec![Event::AnnouncementRead { conversation_id, seq }])
}

/// INB-18.
fn delete(
    state: &State,
    conversation_id: ConversationId,
    message_id: MessageId,
    seq: u64,
) -> Result<Vec<Event>, Refusal> {
    if state.has_deleted(conversation_id, seq) {
        return Ok(vec![]);
    }
    if state.deleted.get(&conversation_id).is_some_and(|seqs| seqs.len() >= limit::DELETED_MAX) {
        return Err(Refusal::TooManyDeleted);
    }
    Ok(vec![Event::MessageDeleted { conversation_id, message_id, seq }])
}
