//! What a session answers.

use super::{Command, Device, Event, Reason, State};
use crate::{AccountId, Code, Context, Sealed, Timestamp};
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the refresh token does not work")]
    Unauthenticated,
    #[error("there is no such session")]
    NotFound,
    #[error("the session was opened with other content")]
    OpenedOtherwise,
}

impl crate::Refusal for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Unauthenticated => Code::Unauthenticated,
            Self::NotFound => Code::NotFound,
            Self::OpenedOtherwise => Code::Conflict,
        }
    }
}

pub fn decide(state: &State, context: &Context, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Open { account_id, device, refresh_hash, expires_at, address } => {
            open(state, *account_id, device.as_ref(), refresh_hash, *expires_at, address.as_ref())
        }
        Command::Refresh { generation, presented_hash, next_hash, expires_at, address } => {
            let presented = Presented { generation: *generation, hash: presented_hash };
            refresh(state, context.now, presented, next_hash, *expires_at, address.as_ref())
        }
        Command::Revoke { reason } => revoke(state, context.actor, *reason),
        Command::End { account_id, reason } => end(state, *account_id, *reason),
    }
}

/// SES-1.
fn open(
    state: &State,
    account_id: AccountId,
    device: Option<&Device>,
    refresh_hash: &str,
    expires_at: Timestamp,
    address: Option<&Sealed>,
) -> Result<Vec<Event>, Refusal> {
    if *state == State::Unknown {
        return Ok(vec![Event::Opened {
            account_id,
            device: device.cloned(),
            refresh_hash: refresh_hash.to_owned(),
            expires_at,
            address: address.cloned(),
        }]);
    }
    let same = State::Open { account_id, generation: 1, refresh_hash: refresh_hash.to_owned(), expires_at };
    if *state == same { Ok(vec![]) } else { Err(Refusal::OpenedOtherwise) }
}

/// The token that somebody shows.
#[derive(Clone, Copy)]
struct Presented<'a> {
    generation: u32,
    hash: &'a str,
}

fn refresh(
    state: &State,
    now: Timestamp,
    presented: Presented<'_>,
    next_hash: &str,
    next_expires_at: Timestamp,
    address: Option<&Sealed>,
) -> Result<Vec<Event>, Refusal> {
    let State::Open { account_id, generation, refresh_hash, expires_at } = state else {
        return Err(Refusal::Unauthenticated);
    };
    match presented.generation.cmp(generation) {
        Ordering::Less => Ok(vec![Event::Revoked { account_id: *account_id, reason: Reason::RefreshTokenReused }]), // SES-3
        Ordering::Equal if presented.hash == refresh_hash && now < *expires_at => Ok(vec![Event::Refreshed {
            account_id: *account_id,
            generation: generation.checked_add(1).ok_or(Refusal::Unauthenticated)?,
            refresh_hash: next_hash.to_owned(),
            expires_at: next_expires_at,
            address: address.cloned(),
        }]),
        Ordering::Equal | Ordering::Greater => Err(Refusal::Unauthenticated), // SES-2
    }
}

fn revoke(state: &State, actor: Option<AccountId>, reason: Reason) -> Result<Vec<Event>, Refusal> {
    let owner = match state {
        State::Unknown => return Err(Refusal::NotFound),
        State::Open { account_id, .. } | State::Revoked { account_id, .. } => *account_id,
    };
    if actor.is_some_and(|actor| actor != owner) {
        return Err(Refusal::NotFound); // SES-5
    }
    match state {
        State::Revoked { .. } => Ok(vec![]), // SES-4
        _ => Ok(vec![Event::Revoked { account_id: owner, reason }]),
    }
}

/// SES-6.
fn end(state: &State, by: AccountId, reason: Reason) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Open { account_id, .. } | State::Revoked { account_id, .. } if *account_id != by => {
            Err(Refusal::NotFound) // SES-5
        }
        State::Revoked { .. } => Ok(vec![]), // SES-4
        State::Unknown | State::Open { .. } => Ok(vec![Event::Revoked { account_id: by, reason }]),
    }
}
