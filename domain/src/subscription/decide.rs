//! What a subscription answers.

use super::{Command, Event, State};
use crate::{AccountId, Code, Context, ConversationId, conversation};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    NotFound,
    #[error("only a channel is subscribed to")]
    NotAChannel,
    #[error("the conversation is closed")]
    Closed,
    #[error("you are banned from this channel")]
    Banned,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::NotAChannel => Code::Forbidden,
            Self::Closed => Code::ConversationClosed,
            Self::Banned => Code::Banned,
        }
    }
}

pub fn decide(
    state: &State,
    host: &conversation::State,
    context: &Context,
    command: &Command,
) -> Result<Vec<Event>, Refusal> {
    match *command {
        Command::Begin { channel } => begin(state, host, context, channel),
        Command::End { channel, account } => end(state, host, context, channel, account),
    }
}

/// SUB-1.
fn begin(
    state: &State,
    host: &conversation::State,
    context: &Context,
    conversation_id: ConversationId,
) -> Result<Vec<Event>, Refusal> {
    let account_id = context.actor.ok_or(Refusal::NotFound)?;
    if !host.is_channel() {
        return Err(if host.knows(account_id) { Refusal::NotAChannel } else { Refusal::NotFound });
    }
    if !host.is_in(account_id) {
        return Err(if host.has_ended { Refusal::NotFound } else { Refusal::Banned });
    }
    if state.holds {
        return Ok(vec![]);
    }
    if host.is_dissolved() {
        return Err(Refusal::Closed);
    }
    Ok(vec![Event::Begun { conversation_id, account_id, last_seq: host.last_seq }])
}

/// SUB-2. What is not there is ended without a word. Who is banned is told of nothing any more, not even of what becomes of
/// messages that they have seen. Whose ban was taken back meanwhile subscribes as they like.
fn end(
    state: &State,
    host: &conversation::State,
    context: &Context,
    conversation_id: ConversationId,
    account_id: AccountId,
) -> Result<Vec<Event>, Refusal> {
    if context.actor.is_some_and(|actor| actor != account_id) {
        return Err(Refusal::NotFound);
    }
    let is_banned = host.doors.banned.contains_key(&account_id);
    if context.actor.is_none() && !is_banned {
        return Ok(vec![]);
    }
    let last_seq = if is_banned { 0 } else { host.last_seq };
    let ended = Event::Ended { conversation_id, account_id, last_seq };
    Ok(state.holds.then_some(ended).into_iter().collect())
}
