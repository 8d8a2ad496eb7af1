//! Who is kept from writing, and who from coming (CNV-14).

use super::{Event, Power, Refusal, State, decide::hall_member, group::left};
use crate::{AccountId, Context, Timestamp, limit, serial};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Only who is meant stands here, so a group costs nothing while nobody is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Curbs {
    /// Until when.
    #[serde(with = "serial::sorted")]
    pub muted: imbl::HashMap<AccountId, Timestamp>,
    /// In slow mode: when they may write again.
    #[serde(with = "serial::sorted")]
    pub paused: imbl::HashMap<AccountId, Timestamp>,
}

/// What is remembered of slow mode is looked through when so many stand there, and each time that they have doubled.
const PAUSED_KEPT: usize = 256;

impl Curbs {
    pub(super) fn pause(&mut self, account: AccountId, at: Timestamp, until: Timestamp) {
        if self.paused.len() >= PAUSED_KEPT && self.paused.len().is_power_of_two() {
            self.paused.retain(|_, until| at < *until);
        }
        self.paused.insert(account, until);
    }
}

/// Until when an admin may mute or nobody but admins writes; admins are never silent.
pub(crate) fn silence(state: &State, account: AccountId, now: Timestamp) -> Result<(), Refusal> {
    if state.is_admin(account) {
        return Ok(());
    }
    if let Some(until) = state.curbs.muted.get(&account).filter(|until| now < **until) {
        return Err(Refusal::Muted { until: Some(*until) });
    }
    if state.card.is_muted { Err(Refusal::Muted { until: None }) } else { Ok(()) }
}

/// Whether they may write now. With slow mode, what is to be remembered of it.
pub(super) fn may_post(state: &State, context: &Context, sender: AccountId) -> Result<Option<Event>, Refusal> {
    silence(state, sender, context.now)?;
    if !state.may(sender, Power::Post) {
        return Err(Refusal::NotAllowed);
    }
    if state.card.slow_mode == 0 || state.is_admin(sender) {
        return Ok(None);
    }
    if let Some(until) = state.curbs.paused.get(&sender).filter(|until| context.now < **until) {
        return Err(Refusal::TooSoon { until: *until });
    }
    let until = context.now + Duration::from_secs(state.card.slow_mode.into());
    Ok(Some(Event::Paused { account_id: sender, at: context.now, until }))
}

/// `None` takes it back.
pub(super) fn mute(
    state: &State,
    context: &Context,
    account_id: AccountId,
    until: Option<Timestamp>,
) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    if !state.is_in(account_id) {
        return Err(Refusal::NobodyOfThisId);
    }
    if until.is_some_and(|until| until <= context.now) {
        return Err(Refusal::Past);
    }
    let holds = state.curbs.muted.get(&account_id).copied().filter(|until| context.now < *until);
    if holds == until {
        return Ok(vec![]);
    }
    if !state.is_above(by, account_id) {
        return Err(Refusal::NotAllowed);
    }
    Ok(vec![Event::MemberMuted { account_id, until, by, last_seq: state.last_seq }])
}

/// They go, if they are in, and do not come back.
pub(super) fn ban(state: &State, context: &Context, account_id: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    // Who is banned is for admins to know, so this comes before what is so already.
    if !state.is_admin(by) {
        return Err(Refusal::NotAllowed);
    }
    if state.doors.banned.contains_key(&account_id) {
        return Ok(vec![]);
    }
    if state.is_in(account_id) && !state.is_above(by, account_id) {
        return Err(Refusal::NotAllowed);
    }
    if state.doors.banned.len() >= limit::BANNED_MAX {
        return Err(Refusal::TooManyBanned);
    }
    Ok(left(state, account_id, by).into_iter().chain([Event::Banned { account_id, by }]).collect())
}

pub(super) fn unban(state: &State, context: &Context, account_id: AccountId) -> Result<Vec<Event>, Refusal> {
    let by = hall_member(state, context)?;
    if !state.is_admin(by) {
        return Err(Refusal::NotAllowed);
    }
    Ok(match state.doors.banned.contains_key(&account_id) {
        true => vec![Event::Unbanned { account_id, by }],
        false => vec![],
    })
}
