//! What a conversation answers.

use super::{BodyKind, Command, Event, Kind, State};
use crate::{AccountId, Code, Context, MessageId, Sealed};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    NotFound,
    #[error("a direct conversation has two members")]
    WithOneself,
    #[error("the conversation was started with other members")]
    StartedOtherwise,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::WithOneself => Code::SelfNotAllowed,
            Self::StartedOtherwise => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartDirect { members } => start_direct(state, *members),
        Command::Send { message_id, body, body_kind, size } => {
            let sender = member(state, context)?;
            Ok(vec![sent(state, sender, *message_id, body.clone(), *body_kind, *size)])
        }
    }
}

/// CNV-1.
fn start_direct(state: &State, members: [AccountId; 2]) -> Result<Vec<Event>, Refusal> {
    let [one, other] = members;
    if one == other {
        return Err(Refusal::WithOneself);
    }
    if state.kind.is_none() {
        return Ok(vec![Event::Started { kind: Kind::Direct, members: members.to_vec() }]);
    }
    let same = state.kind == Some(Kind::Direct)
        && state.members.len() == 2
        && members.iter().all(|it| state.members.contains_key(it));
    if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) }
}

/// The actor, if they are in (CNV-2). A conversation that has not begun has no members.
fn member(state: &State, context: &Context) -> Result<AccountId, Refusal> {
    context.actor.filter(|actor| state.members.contains_key(actor)).ok_or(Refusal::NotFound)
}

fn sent(
    state: &State,
    sender: AccountId,
    message_id: MessageId,
    body: Sealed,
    body_kind: BodyKind,
    size: u32,
) -> Event {
    let seq = state.last_seq.saturating_add(1); // CNV-3
    Event::MessageSent { message_id, seq, sender, body, body_kind, size }
}
