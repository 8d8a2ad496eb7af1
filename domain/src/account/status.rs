//! What stands in an account's way: an operator has muted or suspended it, or its owner wants it closed.
//!
//! - ACC-13: who mutes, suspends or restores is named, and until when it is lies ahead. What is so already is silent.
//! - ACC-14: a suspension ends every session, and lets none in until its time is over; then it is over by itself.
//! - ACC-15: who wants an account closed has its password. That ends every session and begins its grace.
//! - ACC-16: who is let in within the grace has cancelled the closing; after it nobody is let in.
//! - ACC-17: an account closes when its grace is over, not before, and for ever. Nothing is remembered of who it was.
//!   Its address and number, and who it was elsewhere, are named to be given back; its user name stays taken. Whoever is
//!   suspended cannot come back, so it does not close meanwhile: they have a while for it when the suspension is over.

use super::{Event, Person, Refusal, State};
use crate::{Context, Sealed, Timestamp, limit, value};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub muted: Option<Held>,
    pub suspended: Option<Held>,
    /// When it closes: its owner has asked for it.
    pub closes_at: Option<Timestamp>,
}

/// For how long, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// `None`: until somebody restores it.
    pub until: Option<Timestamp>,
    pub reason: Option<Sealed>,
}

/// What an operator asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    pub until: Option<Timestamp>,
    pub reason: Option<Sealed>,
    /// Who asks.
    pub by: String,
}

/// Somebody may not speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mute {
    /// As in [`Held`].
    pub until: Option<Timestamp>,
}

impl Mute {
    pub fn holds(&self, now: Timestamp) -> bool {
        holds(self.until, now)
    }
}

fn holds(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_none_or(|until| now < until)
}

impl Status {
    /// The one that holds.
    fn suspension(&self, now: Timestamp) -> Option<&Held> {
        self.suspended.as_ref().filter(|held| holds(held.until, now))
    }

    /// Of who is let in: whether that cancels a closing.
    pub(super) fn lets_in(&self, now: Timestamp) -> Result<Option<Event>, Refusal> {
        if let Some(held) = self.suspension(now) {
            return Err(Refusal::Suspended { until: held.until }); // ACC-14
        }
        match self.closes_at {
            None => Ok(None),
            Some(closes_at) if now < closes_at => Ok(Some(Event::ClosingCancelled {})), // ACC-16
            Some(_) => Err(Refusal::Outdated),
        }
    }
}

impl Hold {
    fn held(&self) -> Held {
        Held { until: self.until, reason: self.reason.clone() }
    }

    /// ACC-13.
    fn check(&self, context: &Context) -> Result<(), Refusal> {
        if !value::is_operator(&self.by) {
            return Err(Refusal::Nameless);
        }
        if holds(self.until, context.now) { Ok(()) } else { Err(Refusal::Past) }
    }
}

impl State {
    /// Whether who has this account may speak, as far as operators say: not while suspended, and muted as told.
    pub fn voice(&self, now: Timestamp) -> Result<Option<Mute>, Refusal> {
        let Self::Registered(person) = self else { return Err(Refusal::NotFound) };
        if let Some(held) = person.status.suspension(now) {
            return Err(Refusal::Suspended { until: held.until }); // ACC-14
        }
        Ok(person.status.muted.as_ref().map(|held| Mute { until: held.until }))
    }
}

pub(super) fn mute(person: &Person, context: &Context, hold: &Hold) -> Result<Vec<Event>, Refusal> {
    if person.status.muted.as_ref() == Some(&hold.held()) {
        return Ok(vec![]);
    }
    hold.check(context)?;
    let Hold { until, reason, by } = hold.clone();
    Ok(vec![Event::Muted { until, reason, by }])
}

/// ACC-14.
pub(super) fn suspend(person: &Person, context: &Context, hold: &Hold) -> Result<Vec<Event>, Refusal> {
    if person.status.suspended.as_ref() == Some(&hold.held()) {
        return Ok(vec![]);
    }
    hold.check(context)?;
    let Hold { until, reason, by } = hold.clone();
    let suspended = Event::Suspended { until, reason, by, ended: person.standing.all_but(None) };
    let postponed = postponed(person, until.unwrap_or(context.now));
    Ok([suspended].into_iter().chain(postponed).collect())
}

pub(super) fn restore(
    person: &Person,
    context: &Context,
    reason: Option<&Sealed>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    if person.status.muted.is_none() && person.status.suspended.is_none() {
        return Ok(vec![]);
    }
    if !value::is_operator(by) {
        return Err(Refusal::Nameless); // ACC-13
    }
    let restored = Event::Restored { reason: reason.cloned(), by: by.to_owned() };
    let postponed = person.status.suspension(context.now).and_then(|_| postponed(person, context.now));
    Ok([restored].into_iter().chain(postponed).collect())
}

/// ACC-17. `back`: from when on the owner can sign in again, or that is looked at again.
fn postponed(person: &Person, back: Timestamp) -> Option<Event> {
    let closes_at = back + limit::CLOSING_RESPITE;
    person.status.closes_at.filter(|planned| *planned < closes_at).map(|_| Event::ClosingPostponed { closes_at })
}

/// ACC-15.
pub(super) fn request_closing(
    person: &Person,
    context: &Context,
    checked: u32,
    grace: Duration,
) -> Result<Vec<Event>, Refusal> {
    if person.status.closes_at.is_some() {
        return Ok(vec![]);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated); // ACC-10
    }
    let (closes_at, ended) = (context.now + grace, person.standing.all_but(None));
    Ok(vec![Event::ClosingRequested { closes_at, ended }])
}

/// ACC-17. What was asked for at another time has been cancelled since.
pub(super) fn close(state: &State, context: &Context, closes_at: Timestamp) -> Result<Vec<Event>, Refusal> {
    match state {
        State::Closed { .. } | State::Erased { .. } => Ok(vec![]),
        State::Registered(person) if person.status.closes_at != Some(closes_at) => Ok(vec![]),
        State::Registered(_) if context.now < closes_at => Err(Refusal::NotDue),
        State::Registered(person) => match person.status.suspension(context.now) {
            Some(held) => Ok(postponed(person, held.until.unwrap_or(context.now)).into_iter().collect()),
            None => Ok(closed(person)),
        },
        State::Unknown | State::Registering { .. } | State::Abandoned => Err(Refusal::NotFound),
    }
}

fn closed(person: &Person) -> Vec<Event> {
    let handles = person.handles();
    let released = (!handles.is_empty()).then_some(Event::HandlesReleased { handles });
    [Event::Closed {}].into_iter().chain(released).collect()
}
