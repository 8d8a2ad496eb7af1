//! What a session answers.

use super::{Command, Device, Event, Reason, State};
use crate::{AccountId, Code, Context, Timestamp};
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
        Command::Open { account_id, device, refresh_hash, expires_at } => {
            open(state, *account_id, device.as_ref(), refresh_hash, *expires_at)
        }
        Command::Refresh { generation, presented_hash, next_hash, expires_at } => {
            refresh(state, context.now, *generation, presented_hash, next_hash, *expires_at)
        }
        Command::Revoke { reason } => revoke(state, context.actor, *reason),
    }
}

/// SES-1.
fn open(
    state: &State,
    account_id: AccountId,
    device: Option<&Device>,
    refresh_hash: &str,
    expires_at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    if *state == State::Unknown {
        return Ok(vec![Event::Opened {
            account_id,
            device: device.cloned(),
            refresh_hash: refresh_hash.to_owned(),
            expires_at,
        }]);
    }
    let same = State::Open { account_id, generation: 1, refresh_hash: refresh_hash.to_owned(), expires_at };
    if *state == same { Ok(vec![]) } else { Err(Refusal::OpenedOtherwise) }
}

fn refresh(
    state: &State,
    now: Timestamp,
    presented: u32,
    presented_hash: &str,
    next_hash: &str,
    next_expires_at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let State::Open { account_id, generation, refresh_hash, expires_at } = state else {
        return Err(Refusal::Unauthenticated);
    };
    match presented.cmp(generation) {
        Ordering::Less => Ok(vec![Event::Revoked { account_id: *account_id, reason: Reason::RefreshTokenReused }]), // SES-3
        Ordering::Equal if presented_hash == refresh_hash && now < *expires_at => Ok(vec![Event::Refreshed {
            account_id: *account_id,
            generation: generation.checked_add(1).ok_or(Refusal::Unauthenticated)?,
            refresh_hash: next_hash.to_owned(),
            expires_at: next_expires_at,
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
