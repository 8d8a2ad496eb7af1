//! What a message answers.

use super::{Command, Event, Place, State, mark, thread};
use crate::{
    AccountId, Code, Context, Timestamp,
    conversation::{self, BodyKind, Power},
    limit,
};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such message")]
    NotFound,
    #[error("you are not in this conversation any more")]
    NotAMember,
    #[error("only the sender may do this")]
    NotYours,
    #[error("it was sent too long ago")]
    TooLate,
    #[error("the message was recalled")]
    Recalled,
    #[error("a message takes 50 kinds of reactions")]
    TooManyKinds,
    #[error("the conversation is closed")]
    Closed,
    #[error("you are muted")]
    Muted { until: Option<Timestamp> },
    #[error("your role does not allow this")]
    NotAllowed,
    #[error("only texts are edited")]
    NoText,
    #[error("lies beyond the newest message")]
    BeyondTheEnd,
    #[error("it is too early for this")]
    NotDue,
    #[error("only voice messages are listened to")]
    NoVoice,
    #[error("nobody listens to what they said themselves")]
    OwnVoice,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::NotAMember => Code::NotAMember,
            Self::NotYours => Code::NotYourMessage,
            Self::TooLate => Code::TooLate,
            Self::Recalled => Code::Recalled,
            Self::TooManyKinds => Code::TooManyReactions,
            Self::Closed => Code::ConversationClosed,
            Self::Muted { .. } => Code::Muted,
            Self::NotAllowed => Code::NotAllowed,
            Self::NoText | Self::BeyondTheEnd | Self::NoVoice | Self::OwnVoice => Code::InvalidInput,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        if let Self::Muted { until } = self { *until } else { None }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::NoText => Some("/body/kind".to_owned()),
            Self::BeyondTheEnd => Some("/seq".to_owned()),
            Self::NoVoice | Self::OwnVoice => Some("/listened".to_owned()),
            _ => None,
        }
    }
}

pub fn decide(
    state: &State,
    host: &conversation::State,
    context: &Context,
    command: &Command,
) -> Result<Vec<Event>, Refusal> {
    let message = *command.message();
    if let Command::Expire { expires_at, .. } = command {
        return expire(state, context, message, *expires_at);
    }
    let by = member(host, context, &message)?;
    if host.is_dissolved() {
        return Err(Refusal::Closed); // MSG-8
    }
    match command {
        Command::Edit { fingerprint, sent, muted, body_kind, window, .. } => {
            let newest = state.edited.or(*sent);
            let says_so = !state.recalled && message.sender == Some(by) && newest == Some(*fingerprint);
            if says_so {
                return Ok(vec![]);
            }
            within(&message, by, context, *window)?;
            is_not_barred(host)?;
            untouched(state)?;
            if *body_kind != BodyKind::Text {
                return Err(Refusal::NoText); // MSG-2
            }
            if let Some(mute) = muted.filter(|mute| mute.holds(context.now)) {
                return Err(Refusal::Muted { until: mute.until }); // MSG-7
            }
            if let Err(conversation::Refusal::Muted { until }) = conversation::silence(host, by, context.now) {
                return Err(Refusal::Muted { until }); // MSG-7
            }
            if !host.may(by, Power::Post) {
                return Err(Refusal::NotAllowed); // MSG-7
            }
            Ok(edited(command).into_iter().collect())
        }
        Command::Recall { window, .. } => recall(state, host, context, message, by, *window),
        Command::React { emoji, .. } => react(state, message, by, emoji).and_then(|events| passing(host, events)),
        Command::Unreact { emoji, .. } => unreact(state, message, by, emoji).and_then(|events| passing(host, events)),
        Command::Pin { .. } => passing(host, pin(state, host, true, Event::Pinned { message, by })?),
        Command::Follow { follows, .. } => Ok(thread::follow(state, message, by, *follows)),
        Command::ReadThread { seq, .. } => thread::read(state, host, message, by, *seq),
        Command::Mark { body_kind, starred, listened, is_gone, .. } => {
            let (body_kind, starred, listened, is_gone) = (*body_kind, *starred, *listened, *is_gone);
            mark::mark(state, message, by, context.now, mark::Wanted { starred, listened, body_kind, is_gone })
        }
        Command::Unpin { .. } => passing(host, pin(state, host, false, Event::Unpinned { message, by })?),
        Command::Expire { .. } => Ok(vec![]),
    }
}

/// MSG-13. Whatever has become of its conversation.
fn expire(state: &State, context: &Context, message: Place, expires_at: Timestamp) -> Result<Vec<Event>, Refusal> {
    if state.recalled {
        return Ok(vec![]);
    }
    if context.now < expires_at { Err(Refusal::NotDue) } else { Ok(vec![Event::Expired { message }]) }
}

/// The actor, if they are in and see the message, also from a stay before (MSG-1).
fn member(host: &conversation::State, context: &Context, message: &Place) -> Result<AccountId, Refusal> {
    let actor = context.actor.ok_or(Refusal::NotFound)?;
    if !host.is_in(actor) {
        return Err(if host.is_former(actor) { Refusal::NotAMember } else { Refusal::NotFound });
    }
    if host.sees(actor, message.seq) { Ok(actor) } else { Err(Refusal::NotFound) }
}

/// MSG-8.
fn is_not_barred(host: &conversation::State) -> Result<(), Refusal> {
    if host.is_barred() { Err(Refusal::Closed) } else { Ok(()) }
}

/// MSG-8. What is so already needs not pass.
fn passing(host: &conversation::State, events: Vec<Event>) -> Result<Vec<Event>, Refusal> {
    if events.is_empty() || host.lets_pass() { Ok(events) } else { Err(Refusal::Closed) }
}

/// MSG-3, MSG-12.
fn recall(
    state: &State,
    host: &conversation::State,
    context: &Context,
    message: Place,
    by: AccountId,
    window: Duration,
) -> Result<Vec<Event>, Refusal> {
    let answers_for_it = message.sender.is_some_and(|sender| host.answers_for(by, sender));
    if state.recalled && (answers_for_it || message.sender == Some(by)) {
        return Ok(vec![]);
    }
    if !answers_for_it {
        within(&message, by, context, window)?;
    }
    is_not_barred(host)?;
    Ok(vec![Event::Recalled { message, by }])
}

/// MSG-2 to MSG-4: theirs, and sent not longer ago than this.
fn within(message: &Place, by: AccountId, context: &Context, window: Duration) -> Result<(), Refusal> {
    if message.sender != Some(by) {
        return Err(Refusal::NotYours);
    }
    if window.is_zero() || context.now > message.sent_at + window { Err(Refusal::TooLate) } else { Ok(()) }
}

/// MSG-3.
fn untouched(state: &State) -> Result<(), Refusal> {
    if state.recalled { Err(Refusal::Recalled) } else { Ok(()) }
}

fn edited(command: &Command) -> Option<Event> {
    let Command::Edit { message, body, body_kind, size, has_link, fingerprint, .. } = command else { return None };
    let (message, body, body_kind, size, has_link) = (*message, body.clone(), *body_kind, *size, *has_link);
    Some(Event::Edited { message, body, body_kind, size, fingerprint: *fingerprint, has_link })
}

/// MSG-5.
fn react(state: &State, message: Place, account_id: AccountId, emoji: &str) -> Result<Vec<Event>, Refusal> {
    untouched(state)?;
    if state.has(account_id, emoji) {
        return Ok(vec![]);
    }
    let count = state.count(emoji);
    if count == 0 && state.reactions.len() >= limit::REACTION_KINDS_MAX {
        return Err(Refusal::TooManyKinds);
    }
    Ok(vec![Event::Reacted { message, account_id, emoji: emoji.to_owned(), count: count + 1 }])
}

fn unreact(state: &State, message: Place, account_id: AccountId, emoji: &str) -> Result<Vec<Event>, Refusal> {
    untouched(state)?;
    if !state.has(account_id, emoji) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Unreacted { message, account_id, emoji: emoji.to_owned(), count: state.count(emoji) - 1 }])
}

/// MSG-6.
fn pin(state: &State, host: &conversation::State, pinned: bool, event: Event) -> Result<Vec<Event>, Refusal> {
    untouched(state)?;
    if state.pinned == pinned {
        return Ok(vec![]);
    }
    let (Event::Pinned { by, .. } | Event::Unpinned { by, .. }) = &event else { return Ok(vec![]) };
    if !host.may(*by, Power::Pin) {
        return Err(Refusal::NotAllowed);
    }
    Ok(vec![event])
}
