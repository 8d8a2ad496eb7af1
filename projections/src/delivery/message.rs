//! Frames of what became of messages.

use super::{
    facts::Facts,
    frame::{Frame, position, push},
};
use crate::{Error, message};
use natter_client::wire::Push;
use natter_domain::{
    AccountId,
    conversation::Details,
    message::{Event, Place},
};
use natter_streams::{Record, sealing::Opener};
use std::collections::BTreeMap;

/// A recall goes also to those who have left since: they must not go on showing what is gone.
pub(super) fn frame(record: &Record, event: Event, facts: &Facts, opener: &Opener) -> Result<Frame, Error> {
    let place = *event.message();
    if let Some(own) = own(record, &event) {
        return own;
    }
    let known = facts.known(place.conversation_id)?;
    let (conversation_id, message_id) = (place.conversation_id.0, place.message_id.0);
    let position = position(record);
    let to = match event {
        Event::Recalled { .. } | Event::Expired { .. } => known.seeing(place.seq),
        _ => known.seeing_change(place.seq, record.position),
    };
    let pushed = match event {
        Event::Edited { body, .. } => {
            let body = Some(message::Body::Sealed(body));
            let message = message::Message { body, edited_at: Some(record.time), ..whole(record, &place) };
            Push::MessageEdited { message: message::shown(opener, &message), position }
        }
        Event::Recalled { by, .. } => gone(record, &place, Some(by), opener),
        Event::Expired { .. } => gone(record, &place, None, opener),
        Event::Reacted { account_id, emoji, .. } => {
            Push::MessageReacted { conversation_id, message_id, account_id: account_id.0, emoji, position }
        }
        Event::Unreacted { account_id, emoji, .. } => {
            Push::MessageUnreacted { conversation_id, message_id, account_id: account_id.0, emoji, position }
        }
        Event::Pinned { by, .. } => Push::MessagePinned { conversation_id, message_id, account_id: by.0, position },
        Event::Unpinned { by, .. } => Push::MessageUnpinned { conversation_id, message_id, account_id: by.0, position },
        Event::Followed { .. } | Event::Unfollowed { .. } | Event::ThreadRead { .. } | Event::Marked { .. } => {
            unreachable!("it is somebody's own")
        }
    };
    push(to, &pushed)
}

/// `by`: nobody, where it has ended by itself.
fn gone(record: &Record, place: &Place, by: Option<AccountId>, opener: &Opener) -> Push {
    let message = message::Message { recalled_at: Some(record.time), recalled_by: by, ..whole(record, place) };
    Push::MessageRecalled { message: message::shown(opener, &message), position: position(record) }
}

/// What somebody says of a thread, and marks for themselves, goes to their own devices.
fn own(record: &Record, event: &Event) -> Option<Result<Frame, Error>> {
    if let Event::Marked { account_id, starred_at, listened, .. } = event {
        return Some(marked(record, event.message(), *account_id, (starred_at.is_some(), *listened)));
    }
    let (account_id, followed, read_seq) = match event {
        Event::Followed { account_id, .. } => (account_id, Some(true), None),
        Event::Unfollowed { account_id, .. } => (account_id, Some(false), None),
        Event::ThreadRead { account_id, seq, .. } => (account_id, None, Some(*seq)),
        _ => return None,
    };
    let place = event.message();
    let (conversation_id, message_id) = (place.conversation_id.0, place.message_id.0);
    let position = position(record);
    Some(push(vec![*account_id], &Push::ThreadChanged { conversation_id, message_id, followed, read_seq, position }))
}

fn marked(
    record: &Record,
    place: &Place,
    account_id: AccountId,
    (starred, listened): (bool, bool),
) -> Result<Frame, Error> {
    let marked = Push::MessageMarked {
        conversation_id: place.conversation_id.0,
        message_id: place.message_id.0,
        seq: place.seq,
        starred,
        listened,
        position: position(record),
    };
    push(vec![account_id], &marked)
}

/// The message, but for what the event says.
fn whole(record: &Record, place: &Place) -> message::Message {
    message::Message {
        conversation_id: place.conversation_id,
        seq: place.seq,
        message_id: place.message_id,
        sender: place.sender,
        body: None,
        details: Details::default(),
        sent_at: place.sent_at,
        edited_at: None,
        recalled_at: None,
        recalled_by: None,
        pinned_at: None,
        expires_at: None,
        reactions: BTreeMap::new(),
        position: 0,
        changed: record.position,
    }
}
