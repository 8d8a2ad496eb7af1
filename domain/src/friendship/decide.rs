//! What a pair answers, and what becomes of requests.

use super::{Command, Event, Outcome, Request, State, block, event::Source, friend};
use crate::{AccountId, Code, Context, ConversationId, RequestId, Sealed, limit};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("nobody can do this with themselves")]
    SelfNotAllowed,
    #[error("they are friends already")]
    AlreadyFriends,
    #[error("the last request is still pending or less than 24 hours old")]
    RequestRepeated,
    #[error("they do not take this request")]
    RequestsNotTaken,
    #[error("the request is closed")]
    RequestClosed,
    #[error("this is for the other one to do")]
    Forbidden,
    #[error("there is nothing of the kind")]
    NotFound,
    #[error("the id is another request's")]
    IdTaken,
    #[error("you have blocked them: unblock them first")]
    Blocking,
    #[error("only friends can open a direct conversation")]
    NotFriends,
    #[error("the request still has time")]
    NotDue,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::SelfNotAllowed => Code::SelfNotAllowed,
            Self::AlreadyFriends => Code::AlreadyFriends,
            Self::RequestRepeated => Code::RequestRepeated,
            Self::RequestsNotTaken => Code::RequestsNotTaken,
            Self::RequestClosed => Code::RequestClosed,
            Self::Forbidden => Code::Forbidden,
            Self::NotFound => Code::NotFound,
            Self::IdTaken | Self::Blocking => Code::Conflict,
            Self::NotFriends => Code::NotFriends,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Request { request_id, from, to, message, source, is_taken, conversation_id } => {
            may_ask(state, context, *from, *to)?;
            Ok(vec![match state.last_request(*to) {
                Some((theirs, request)) if request.is_pending(context.now) => {
                    accepted(state, theirs, request, *conversation_id) // FRD-2
                }
                _ => {
                    is_not_repeated(state, context, *from)?;
                    is_new(state, *request_id)?;
                    if !is_taken || state.is_barred() {
                        return Err(Refusal::RequestsNotTaken); // FRD-9, FRD-15
                    }
                    requested(context, *request_id, *from, *to, message.clone(), *source)
                }
            }])
        }
        Command::Accept { request_id, conversation_id } => accept(state, context, *request_id, *conversation_id),
        Command::Reject { request_id } => reject(state, context, *request_id),
        Command::Cancel { request_id } => cancel(state, context, *request_id),
        Command::Ignore { request_id } => ignore(state, context, *request_id),
        Command::Expire { request_id } => expire(state, context, *request_id),
        Command::Remove { other } => friend::remove(state, context, *other),
        Command::ChangeFriend { friend, change } => friend::change(state, context, *friend, change),
        Command::Block { other, is_known } => block::block(state, context, *other, *is_known),
        Command::Unblock { other } => block::unblock(state, context, *other),
        Command::Open { other, is_taken, conversation_id } => {
            block::open(state, context, *other, *is_taken, *conversation_id)
        }
    }
}

fn may_ask(state: &State, context: &Context, from: AccountId, to: AccountId) -> Result<(), Refusal> {
    if context.actor != Some(from) {
        return Err(Refusal::Forbidden); // FRD-1
    }
    if from == to {
        return Err(Refusal::SelfNotAllowed); // FRD-1
    }
    if state.friends {
        return Err(Refusal::AlreadyFriends);
    }
    if state.blocks(from) { Err(Refusal::Blocking) } else { Ok(()) } // FRD-15
}

/// FRD-3.
fn is_not_repeated(state: &State, context: &Context, from: AccountId) -> Result<(), Refusal> {
    match state.last_request(from) {
        Some((_, last)) if last.is_pending(context.now) => Err(Refusal::RequestRepeated),
        Some((_, last)) if context.now < last.at + limit::REQUEST_REPEAT_WINDOW => Err(Refusal::RequestRepeated),
        _ => Ok(()),
    }
}

/// FRD-8.
fn is_new(state: &State, request_id: RequestId) -> Result<(), Refusal> {
    if state.requests.contains_key(&request_id) { Err(Refusal::IdTaken) } else { Ok(()) }
}

fn accept(
    state: &State,
    context: &Context,
    id: RequestId,
    conversation_id: ConversationId,
) -> Result<Vec<Event>, Refusal> {
    let request = received(state, context, id)?;
    if request.outcome == Some(Outcome::Accepted) {
        return Ok(vec![]); // FRD-6
    }
    is_open(request, context)?;
    if state.blocks(request.to) {
        return Err(Refusal::Blocking); // FRD-15
    }
    Ok(vec![accepted(state, id, request, conversation_id)])
}

fn reject(state: &State, context: &Context, id: RequestId) -> Result<Vec<Event>, Refusal> {
    let request = received(state, context, id)?;
    if request.outcome == Some(Outcome::Rejected) {
        return Ok(vec![]); // FRD-6
    }
    is_open(request, context)?;
    Ok(vec![Event::Rejected { request_id: id, from: request.from, to: request.to }])
}

/// FRD-10.
fn cancel(state: &State, context: &Context, id: RequestId) -> Result<Vec<Event>, Refusal> {
    let request = sent(state, context, id)?;
    if request.outcome == Some(Outcome::Cancelled) {
        return Ok(vec![]); // FRD-6
    }
    is_open(request, context)?;
    Ok(vec![Event::Cancelled { request_id: id, from: request.from, to: request.to }])
}

/// FRD-11.
fn ignore(state: &State, context: &Context, id: RequestId) -> Result<Vec<Event>, Refusal> {
    let request = received(state, context, id)?;
    if request.ignored && matches!(request.outcome, None | Some(Outcome::Expired)) {
        return Ok(vec![]); // FRD-6
    }
    is_open(request, context)?;
    Ok(vec![Event::Ignored { request_id: id, from: request.from, to: request.to }])
}

/// FRD-4. Nobody asks for it but the timer.
fn expire(state: &State, context: &Context, id: RequestId) -> Result<Vec<Event>, Refusal> {
    let request = state.requests.get(&id).ok_or(Refusal::NotFound)?;
    if request.outcome.is_some() {
        return Ok(vec![]);
    }
    if context.now < request.expires_at {
        return Err(Refusal::NotDue);
    }
    Ok(vec![Event::Expired { request_id: id, from: request.from, to: request.to }])
}

/// FRD-4, FRD-6.
fn is_open(request: &Request, context: &Context) -> Result<(), Refusal> {
    if request.is_pending(context.now) { Ok(()) } else { Err(Refusal::RequestClosed) }
}

/// The request, if the actor is the one who received it (FRD-5).
fn received<'a>(state: &'a State, context: &Context, id: RequestId) -> Result<&'a Request, Refusal> {
    let request = state.requests.get(&id).ok_or(Refusal::NotFound)?;
    of(request, context, request.to, request.from)
}

/// The request, if the actor is the one who sent it (FRD-10).
fn sent<'a>(state: &'a State, context: &Context, id: RequestId) -> Result<&'a Request, Refusal> {
    let request = state.requests.get(&id).ok_or(Refusal::NotFound)?;
    of(request, context, request.from, request.to)
}

fn of<'a>(
    request: &'a Request,
    context: &Context,
    whose: AccountId,
    others: AccountId,
) -> Result<&'a Request, Refusal> {
    match context.actor {
        Some(actor) if actor == whose => Ok(request),
        Some(actor) if actor == others => Err(Refusal::Forbidden),
        _ => Err(Refusal::NotFound),
    }
}

fn requested(
    context: &Context,
    request_id: RequestId,
    from: AccountId,
    to: AccountId,
    message: Option<Sealed>,
    source: Option<Source>,
) -> Event {
    let expires_at = context.now + limit::REQUEST_EXPIRY; // FRD-4
    Event::Requested { request_id, from, to, message, at: context.now, expires_at, source }
}

fn accepted(state: &State, request_id: RequestId, request: &Request, conversation_id: ConversationId) -> Event {
    let conversation_id = state.conversation_id.unwrap_or(conversation_id); // FRD-7
    let standing = state.standing.opened(); // FRD-17
    Event::Accepted { request_id, from: request.from, to: request.to, conversation_id, standing }
}
