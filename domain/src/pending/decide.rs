//! What is answered about what is pending.

use super::{Command, Content, End, Event, Item, NewBody, Place, Said, State, Step};
use crate::{Code, Context, MessageId, Timestamp, conversation, limit, value};
use std::ops::RangeInclusive;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unsayable(conversation::Refusal),
    #[error("there is no such message waiting")]
    NotFound,
    #[error("a message of this id waits already, or is over")]
    Taken,
    #[error("must lie between a second and a year ahead")]
    OutOfTime,
    #[error("too much waits in this conversation already")]
    TooMany,
    #[error("it is too late to change it")]
    TooLate,
    #[error("it is too early for this")]
    NotDue,
    #[error("who reviews has a name")]
    Nameless,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Unsayable(why) => why.code(),
            Self::NotFound => Code::NotFound,
            Self::Taken | Self::TooMany => Code::Conflict,
            Self::OutOfTime | Self::Nameless => Code::InvalidInput,
            Self::TooLate => Code::TooLate,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        if let Self::Unsayable(why) = self { why.until() } else { None }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::Unsayable(why) => why.pointer(),
            Self::OutOfTime => Some("/send_at".to_owned()),
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
    match command {
        Command::Schedule { said, send_at } => {
            let message = begin(state, host, context, said)?;
            is_ahead(context, *send_at)?; // PND-2
            Ok(vec![Event::Scheduled { message, content: said.content.clone(), send_at: *send_at }])
        }
        Command::Hold { said, rule } => {
            let message = begin(state, host, context, said)?;
            Ok(vec![Event::Held { message, content: said.content.clone(), rule: rule.clone() }])
        }
        Command::Change { message_id, body, send_at } => change(state, context, *message_id, body.as_ref(), *send_at),
        Command::Cancel { message_id } => cancel(state, context, *message_id),
        Command::ReleaseDue { message_id, send_at } => release_due(state, context, *message_id, *send_at),
        Command::Release { message_id, by } => release(state, *message_id, by),
        Command::Refuse { message_id, by } => refuse(state, *message_id, by),
        Command::SettleSent { message_id, seq } => {
            Ok(settle(state, *message_id, |item| Event::Sent { message: item.message, seq: *seq }))
        }
        Command::SettleFailed { message_id, code, until } => {
            Ok(settle(state, *message_id, |item| failed(item, code, *until, None)))
        }
    }
}

/// PND-1, PND-3, PND-4: where it is.
fn begin(state: &State, host: &conversation::State, context: &Context, said: &Said) -> Result<Place, Refusal> {
    match conversation::decide(host, context, &said.send()) {
        Ok(_) | Err(conversation::Refusal::TooSoon { .. }) => {}
        Err(why) => return Err(Refusal::Unsayable(why)),
    }
    let message_id = said.message.message_id;
    if context.actor != Some(said.message.author) {
        return Err(Refusal::NotFound);
    }
    if state.items.contains_key(&message_id) || state.end(message_id).is_some() {
        return Err(Refusal::Taken);
    }
    let has_room = state.items.len() < limit::PENDING_MAX;
    if has_room && fits(state, message_id, &said.content) { Ok(said.message) } else { Err(Refusal::TooMany) }
}

/// PND-3.
fn fits(state: &State, message: MessageId, content: &Content) -> bool {
    state.bytes_without(message).saturating_add(content.bytes()) <= limit::PENDING_MAX_BYTES
}

/// PND-2.
fn is_ahead(context: &Context, send_at: Timestamp) -> Result<(), Refusal> {
    let span: RangeInclusive<Timestamp> = context.now + limit::SCHEDULED_MIN..=context.now + limit::SCHEDULED_MAX;
    if span.contains(&send_at) { Ok(()) } else { Err(Refusal::OutOfTime) }
}

/// What its author names, while they may do something about it.
fn own<'a>(state: &'a State, context: &Context, message: MessageId) -> Result<&'a Item, Refusal> {
    match state.items.get(&message) {
        Some(item) if context.actor == Some(item.message.author) => Ok(item),
        None if state.end(message).is_some() => Err(Refusal::TooLate),
        _ => Err(Refusal::NotFound),
    }
}

/// PND-5.
fn change(
    state: &State,
    context: &Context,
    message_id: MessageId,
    body: Option<&NewBody>,
    send_at: Option<Timestamp>,
) -> Result<Vec<Event>, Refusal> {
    let item = own(state, context, message_id)?;
    let Step::Waiting(planned) = item.step else { return Err(Refusal::TooLate) };
    let other = body.filter(|body| body.said.is_none() || body.said != item.content.said);
    let content = other.map_or_else(|| (*item.content).clone(), |body| with(&item.content, body));
    let moment = send_at.unwrap_or(planned);
    if content == *item.content && moment == planned {
        return Ok(vec![]);
    }
    if moment != planned {
        is_ahead(context, moment)?;
    }
    if !fits(state, message_id, &content) {
        return Err(Refusal::TooMany);
    }
    Ok(vec![Event::Changed { message: item.message, content, send_at: moment }])
}

fn with(content: &Content, body: &NewBody) -> Content {
    let NewBody { body, given, said, body_kind, size, has_link } = body.clone();
    Content { body, given, said, body_kind, size, has_link, ..content.clone() }
}

/// PND-5. What could not be sent is put away.
fn cancel(state: &State, context: &Context, message_id: MessageId) -> Result<Vec<Event>, Refusal> {
    if state.end(message_id) == Some(End::Cancelled) && !state.items.contains_key(&message_id) {
        return Ok(vec![]);
    }
    let item = own(state, context, message_id)?;
    match item.step {
        Step::Waiting(_) | Step::Held | Step::Failed => Ok(vec![Event::Cancelled { message: item.message }]),
        Step::Released => Err(Refusal::TooLate),
    }
}

/// PND-6. Of another moment another timer knows.
fn release_due(
    state: &State,
    context: &Context,
    message_id: MessageId,
    send_at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let is_meant = |item: &&Item| item.step == Step::Waiting(send_at);
    let Some(item) = state.items.get(&message_id).filter(is_meant) else { return Ok(vec![]) };
    if context.now < send_at {
        return Err(Refusal::NotDue);
    }
    Ok(vec![released(item, None)])
}

/// PND-6.
fn release(state: &State, message_id: MessageId, by: &str) -> Result<Vec<Event>, Refusal> {
    if state.end(message_id) == Some(End::Sent) {
        return Ok(vec![]);
    }
    let item = state.items.get(&message_id).ok_or(Refusal::NotFound)?;
    match item.step {
        Step::Released => Ok(vec![]),
        Step::Held if !value::is_operator(by) => Err(Refusal::Nameless),
        Step::Held => Ok(vec![released(item, Some(by.to_owned()))]),
        Step::Waiting(_) | Step::Failed => Err(Refusal::NotFound),
    }
}

/// PND-7.
fn refuse(state: &State, message_id: MessageId, by: &str) -> Result<Vec<Event>, Refusal> {
    let item = state.items.get(&message_id).ok_or(Refusal::NotFound)?;
    match item.step {
        Step::Failed => Ok(vec![]),
        Step::Held if !value::is_operator(by) => Err(Refusal::Nameless),
        Step::Held => Ok(vec![failed(item, Code::ContentRefused.as_str(), None, Some(by.to_owned()))]),
        Step::Released => Err(Refusal::TooLate),
        Step::Waiting(_) => Err(Refusal::NotFound),
    }
}

/// PND-7.
fn settle(state: &State, message: MessageId, event: impl Fn(&Item) -> Event) -> Vec<Event> {
    let item = state.items.get(&message).filter(|item| item.step == Step::Released);
    item.map(event).into_iter().collect()
}

fn released(item: &Item, by: Option<String>) -> Event {
    Event::Released { message: item.message, content: (*item.content).clone(), by }
}

fn failed(item: &Item, code: &str, until: Option<Timestamp>, by: Option<String>) -> Event {
    let (message, content) = (item.message, (*item.content).clone());
    Event::Failed { message, content, send_at: item.send_at, code: code.to_owned(), until, by }
}
