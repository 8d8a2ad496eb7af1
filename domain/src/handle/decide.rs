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
        Command::Release { by, until } => Ok(release(state, *by, *until)),
    }
}

fn claim(state: &State, context: &Context, by: AccountId, until: Timestamp) -> Result<Vec<Event>, Refusal> {
    match state.holder {
        Some(holder) if holder != by => Err(Refusal::Taken), // HDL-1
        Some(_) if until <= state.until => Ok(vec![]),       // HDL-2
        _ if until < context.now => Err(Refusal::TooLate),   // HDL-4
        _ => Ok(vec![Event::Claimed { by, until }]),
    }
}

/// HDL-3.
fn release(state: &State, by: AccountId, until: Timestamp) -> Vec<Event> {
    match state.holder {
        Some(holder) if holder == by && state.until <= until => vec![Event::Released { by }],
        _ => vec![],
    }
}
