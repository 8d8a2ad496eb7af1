//! What a pair answers.

use super::{Command, Event, Outcome, Request, State};
use crate::{AccountId, Code, Context, ConversationId, RequestId, Sealed, limit};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("nobody can be their own friend")]
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
    #[error("there is no such request")]
    NotFound,
    #[error("the id is another request's")]
    IdTaken,
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
            Self::IdTaken => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Request { request_id, from, to, message, is_taken, conversation_id } => {
            may_ask(state, context, *from, *to)?;
            Ok(vec![match state.last_request(*to) {
                Some((theirs, request)) if request.is_pending(context.now) => {
                    accepted(state, theirs, request, *conversation_id) // FRD-2
                }
                _ => {
                    is_not_repeated(state, context, *from)?;
                    is_new(state, *request_id)?;
                    if !is_taken {
                        return Err(Refusal::RequestsNotTaken); // FRD-9
                    }
                    requested(context, *request_id, *from, *to, message.clone())
                }
            }])
        }
        Command::Accept { request_id, conversation_id } => accept(state, context, *request_id, *conversation_id),
        Command::Reject { request_id } => reject(state, context, *request_id),
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
    Ok(())
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
    if !request.is_pending(context.now) {
        return Err(Refusal::RequestClosed); // FRD-4, FRD-6
    }
    Ok(vec![accepted(state, id, request, conversation_id)])
}

fn reject(state: &State, context: &Context, id: RequestId) -> Result<Vec<Event>, Refusal> {
    let request = received(state, context, id)?;
    if request.outcome == Some(Outcome::Rejected) {
        return Ok(vec![]); // FRD-6
    }
    if !request.is_pending(context.now) {
        return Err(Refusal::RequestClosed); // FRD-4, FRD-6
    }
    Ok(vec![Event::Rejected { request_id: id, from: request.from, to: request.to }])
}

/// The request, if the actor is the one who received it (FRD-5).
fn received<'a>(state: &'a State, context: &Context, id: RequestId) -> Result<&'a Request, Refusal> {
    let request = state.requests.get(&id).ok_or(Refusal::NotFound)?;
    match context.actor {
        Some(actor) if actor == request.to => Ok(request),
        Some(actor) if actor == request.from => Err(Refusal::Forbidden),
        _ => Err(Refusal::NotFound),
    }
}

fn requested(
    context: &Context,
    request_id: RequestId,
    from: AccountId,
    to: AccountId,
    message: Option<Sealed>,
) -> Event {
    let expires_at = context.now + limit::REQUEST_EXPIRY; // FRD-4
    Event::Requested { request_id, from, to, message, at: context.now, expires_at }
}

fn accepted(state: &State, request_id: RequestId, request: &Request, conversation_id: ConversationId) -> Event {
    let conversation_id = state.conversation_id.unwrap_or(conversation_id); // FRD-7
    Event::Accepted { request_id, from: request.from, to: request.to, conversation_id }
}
