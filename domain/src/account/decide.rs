//! What an account answers.

use super::{Command, Event, State};
use crate::{Code, Context, HandleId, Sealed, limit};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such account")]
    NotFound,
    #[error("the account was started with other content")]
    StartedOtherwise,
    #[error("the registration was abandoned: begin anew")]
    Abandoned,
    #[error("the registration is complete")]
    AlreadyRegistered,
    #[error("the registration still has time")]
    NotDue,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
            Self::StartedOtherwise | Self::Abandoned | Self::AlreadyRegistered => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartRegistration { username, nickname, password_hash, handles } => {
            start(state, context, username, nickname, password_hash, handles)
        }
        Command::CompleteRegistration => complete(state),
        Command::AbandonRegistration => abandon(state),
        Command::ExpireRegistration => expire(state, context),
    }
}

/// ACC-1. A complete registration no longer knows its handles; the rest tells it from another one.
fn start(
    state: &State,
    context: &Context,
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
                expires_at: context.now + limit::REGISTRATION_EXPIRY,
            }]);
        }
        State::Abandoned => return Err(Refusal::Abandoned),
        State::Registering { username: u, nickname: n, password_hash: p, handles: h, .. } => {
            (u, n, p.as_str(), h.as_slice()) == (username, nickname, password_hash, handles)
        }
        State::Registered(person) => {
            (&person.username, &person.nickname, person.password_hash.as_str()) == (username, nickname, password_hash)
        }
    };
    if same { Ok(vec![]) } else { Err(Refusal::StartedOtherwise) }
}

fn complete(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Registered(_) => Ok(vec![]),
        State::Unknown => Err(Refusal::NotFound),    // ACC-3
        State::Abandoned => Err(Refusal::Abandoned), // ACC-2
        State::Registering { .. } => Ok(vec![Event::Registered {}]),
    }
}

fn abandon(state: &State) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Abandoned => Ok(vec![]),
        State::Unknown => Err(Refusal::NotFound),                // ACC-3
        State::Registered(_) => Err(Refusal::AlreadyRegistered), // ACC-2
        // ACC-4
        State::Registering { handles, .. } => Ok(vec![Event::RegistrationAbandoned { handles: handles.clone() }]),
    }
}

/// ACC-5.
fn expire(state: &State, context: &Context) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Registering { expires_at, .. } if context.now < *expires_at => Err(Refusal::NotDue),
        _ => abandon(state),
    }
}
