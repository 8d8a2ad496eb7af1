//! The second factor: a secret that the person's app shares with us, and from which both count a code every thirty
//! seconds (RFC 6238); and recovery codes for when the app is lost. The secret is sealed, so whether a code is right is
//! found out by who asks; what it proves is decided here, at the one place that all nodes share.
//!
//! - ACC-18: a second factor is on once its first code was shown, and off again by another proof of it.
//! - ACC-19: while it is on, no session is let in without a proof, unless one that is in vouches for it.
//! - ACC-20: a code proves once, and so does a recovery code; the codes of earlier steps prove nothing any more.
//! - ACC-21: another password voids what was offered under the old one. What is on stays on.

use super::{Event, Person, Refusal};
use crate::{Sealed, SessionId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Second {
    /// A secret that the person was shown, and has not shown a code of.
    pub offered: Option<Sealed>,
    /// `None`: it is off.
    pub factor: Option<Factor>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Factor {
    pub secret: Sealed,
    /// The last step whose code was shown.
    pub step: u64,
    /// Keyed hashes of the recovery codes that are left.
    pub recovery: Vec<String>,
}

/// What somebody has shown beside the password. That the code is the one of the step is the promise of who asks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Proof {
    /// A code that this secret makes in this step.
    Code { secret: Sealed, step: u64 },
    /// A recovery code, by its hash.
    Recovery { hash: String },
    /// Nothing: a session that is in vouches for one that is to be.
    Session { session_id: SessionId },
}

impl Second {
    pub(super) fn offer(&mut self, secret: &Sealed) {
        self.offered = Some(secret.clone());
    }

    pub(super) fn turn_on(&mut self, secret: &Sealed, step: u64, recovery: &[String]) {
        let factor = Factor { secret: secret.clone(), step, recovery: recovery.to_vec() };
        *self = Self { offered: None, factor: Some(factor) };
    }

    pub(super) fn turn_off(&mut self) {
        self.factor = None;
    }

    pub(super) fn use_step(&mut self, step: u64) {
        if let Some(factor) = &mut self.factor {
            factor.step = factor.step.max(step);
        }
    }

    pub(super) fn use_recovery(&mut self, hash: &str) {
        if let Some(factor) = &mut self.factor {
            factor.recovery.retain(|left| left != hash);
        }
    }

    pub(super) fn replace_recovery(&mut self, recovery: &[String]) {
        if let Some(factor) = &mut self.factor {
            factor.recovery = recovery.to_vec();
        }
    }

    /// ACC-21.
    pub(super) fn password_changed(&mut self) {
        self.offered = None;
    }
}

impl Factor {
    /// ACC-20.
    fn take(&self, proof: &Proof) -> Result<Event, Refusal> {
        match proof {
            Proof::Code { secret, step } if *secret == self.secret && *step > self.step => {
                Ok(Event::SecondFactorUsed { step: *step })
            }
            Proof::Recovery { hash } if self.recovery.contains(hash) => {
                let left = self.recovery.len().saturating_sub(1) as u32;
                Ok(Event::RecoveryCodeUsed { hash: hash.clone(), left })
            }
            Proof::Code { .. } | Proof::Recovery { .. } | Proof::Session { .. } => Err(Refusal::CodeWrong),
        }
    }
}

/// ACC-19: what to write where a session is let in.
pub(super) fn pass(person: &Person, proof: Option<&Proof>) -> Result<Vec<Event>, Refusal> {
    match (&person.second.factor, proof) {
        (_, Some(Proof::Session { session_id })) if !person.standing.has(*session_id) => Err(Refusal::VouchesNot),
        (None, _) | (_, Some(Proof::Session { .. })) => Ok(vec![]),
        (Some(_), None) => Err(Refusal::SecondFactorRequired),
        (Some(factor), Some(proof)) => Ok(vec![factor.take(proof)?]),
    }
}

pub(super) fn offer(person: &Person, checked: u32, secret: &Sealed) -> Result<Vec<Event>, Refusal> {
    let Second { offered, factor } = &person.second;
    if offered.as_ref() == Some(secret) {
        return Ok(vec![]);
    }
    if factor.is_some() {
        return Err(Refusal::SecondFactorOn);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    Ok(vec![Event::SecondFactorOffered { secret: secret.clone() }])
}

/// ACC-18.
pub(super) fn turn_on(person: &Person, secret: &Sealed, step: u64, recovery: &[String]) -> Result<Vec<Event>, Refusal> {
    let Second { offered, factor } = &person.second;
    match factor {
        Some(factor) if factor.secret == *secret => return Ok(vec![]),
        Some(_) => return Err(Refusal::SecondFactorOn),
        None => {}
    }
    if offered.as_ref() != Some(secret) {
        return Err(Refusal::NothingOffered);
    }
    Ok(vec![Event::SecondFactorTurnedOn { secret: secret.clone(), step, recovery: recovery.to_vec() }])
}

/// ACC-18.
pub(super) fn turn_off(person: &Person, checked: u32, proof: &Proof) -> Result<Vec<Event>, Refusal> {
    let Some(factor) = &person.second.factor else { return Ok(vec![]) };
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    Ok(vec![factor.take(proof)?, Event::SecondFactorTurnedOff {}])
}

pub(super) fn replace_recovery(
    person: &Person,
    checked: u32,
    proof: &Proof,
    recovery: &[String],
) -> Result<Vec<Event>, Refusal> {
    let Some(factor) = &person.second.factor else { return Err(Refusal::NothingOffered) };
    if factor.recovery == recovery {
        return Ok(vec![]);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    Ok(vec![factor.take(proof)?, Event::RecoveryCodesMade { recovery: recovery.to_vec() }])
}
