//! What an account answers.

use super::{Command, Event, State};
use crate::{Code, Context, HandleId, Sealed};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such account")]
    NotFound,
    #[error("the account was started with other content")]
    StartedOtherwise,
    #[error("the registration was abandoned")]
    Abandoned,
    #[error("the registration is complete")]
    AlreadyRegistered,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::StartedOtherwise | Self::Abandoned | Self::AlreadyRegistered => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, _: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartRegistration { username, nickname, password_hash, handles } => {
            start(state, username, nickname, password_hash, handles)
        }
        Command::CompleteRegistration => complete(state),
        Command::AbandonRegistration => abandon(state),
    }
}

/// ACC-1. A complete registration no longer knows its handles; the rest tells it from another one.
fn start(
    state: &State,
    username: &Sealed,
    nickname: &Sealed,
    password_hash: &str,
    handles: &[HandleId],
) -> Result<Vec<Event>, Refusal> {
    let same = match state {
        State::Unknown => {
            return Ok(vec![Event::RegistrationStarted {
                username: username.clone(),
                nickname: nickname.clone(),
                password_hash: password_hash.to_owned(),
                handles: handles.to_vec(),
            }]);
        }
        State::Abandoned => return Err(Refusal::Abandoned),
        State::Registering { username: u, nickname: n, password_hash: p, handles: h } => {
            (u, n, p.as_str(), h.as_slice()) == (username, nickname, password_hash, handles)
        }
        State::Registered { username: u, nickname: n, password_hash: p } => {
            (u, n, p.as_str()) == (username, nickname, password_hash)
        }
    };
    if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) }
}

fn complete(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Registered { .. } => Ok(vec![]),
        State::Unknown => Err(Refusal::NotFound),    // ACC-3
        State::Abandoned => Err(Refusal::Abandoned), // ACC-2
        State::Registering { .. } => Ok(vec![Event::Registered {}]),
    }
}

fn abandon(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Abandoned => Ok(vec![]),
        State::Unknown => Err(Refusal::NotFound),                    // ACC-3
        State::Registered { .. } => Err(Refusal::AlreadyRegistered), // ACC-2
        State::Registering { .. } => Ok(vec![Event::RegistrationAbandoned {}]),
    }
}
