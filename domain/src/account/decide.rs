//! What an account answers.

use super::{Command, Event, Person, State, profile, settings, standing};
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
    #[error("the login or the password is wrong")]
    Outdated,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            // To be asked again later.
            Self::NotDue => Code::Unavailable,
            Self::Outdated => Code::WrongCredentials,
            Self::StartedOtherwise | Self::Abandoned | Self::AlreadyRegistered => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::StartRegistration { username, nickname, password_hash, handles, prefixes } => {
            start(state, context, username, nickname, password_hash, handles, prefixes)
        }
        Command::CompleteRegistration => complete(state),
        Command::AbandonRegistration => abandon(state),
        Command::ExpireRegistration => expire(state, context),
        Command::ChangeProfile(change) => profile::change(state, change),
        Command::ChangeSettings(change) => settings::change(state, change),
        Command::AdmitSession { session_id, platform, checked, policy } => {
            standing::admit(registered(state)?, context, *session_id, platform.as_deref(), *checked, *policy)
        }
        Command::ForgetSession { session_id } => Ok(standing::forget(registered(state)?, *session_id)),
        Command::EndSessions { kept, reason } => Ok(standing::end(registered(state)?, *kept, *reason)),
        Command::ChangePassword { checked, password_hash, kept } => {
            standing::change_password(registered(state)?, *checked, password_hash, *kept)
        }
        Command::RehashPassword { checked, password_hash } => {
            standing::rehash(registered(state)?, *checked, password_hash)
        }
    }
}

fn registered(state: &State) -> Result<&Person, Refusal> {
    match state {
        State::Registered(person) => Ok(person),
        _ => Err(Refusal::NotFound),
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
    prefixes: &[HandleId],
) -> Result<Vec<Event>, Refusal> {
    let same = match state {
        State::Unknown => {
            return Ok(vec![Event::RegistrationStarted {
                username: username.clone(),
                nickname: nickname.clone(),
                password_hash: password_hash.to_owned(),
                handles: handles.to_vec(),
                prefixes: prefixes.to_vec(),
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
