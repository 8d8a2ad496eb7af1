//! What a handle answers.

use super::{Command, Event, State};
use crate::{AccountId, Code, Context, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the name is taken")]
    Taken,
    #[error("the claim comes too late")]
    TooLate,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Taken => Code::NameTaken,
            Self::TooLate => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Claim { by, until } => claim(state, context, *by, *until),
        Command::Release { by } => Ok(release(state, *by)),
    }
}

fn claim(state: &State, context: &Context, by: AccountId, until: Timestamp) -> Result<Vec<Event>, Refusal> {
    match state.holder {
        Some(holder) if holder == by => Ok(vec![]),           // HDL-2
        Some(_) => Err(Refusal::Taken),                       // HDL-1
        None if until < context.now => Err(Refusal::TooLate), // HDL-4
        None => Ok(vec![Event::Claimed { by }]),
    }
}

/// HDL-3.
fn release(state: &State, by: AccountId) -> Vec<Event> {
    match state.holder {
        Some(holder) if holder == by => vec![Event::Released { by }],
        _ => vec![],
    }
}
