//! What a handle answers.

use super::{Command, Event, State};
use crate::{AccountId, Code, Context};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the name is taken")]
    Taken,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Taken => Code::NameTaken,
        }
    }
}

pub fn decide(state: &State, _: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Claim { by } => claim(state, *by),
    }
}

fn claim(state: &State, by: AccountId) -> Result<Vec<Event>, Refusal> {
    match state.holder {
        Some(holder) if holder == by => Ok(vec![]), // HDL-2
        Some(_) => Err(Refusal::Taken),             // HDL-1
        None => Ok(vec![Event::Claimed { by }]),
    }
}
