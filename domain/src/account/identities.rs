//! Accounts elsewhere by which a person is let in here: who a provider says that somebody is. Each is a handle of the
//! provider and of what it calls the person, so it belongs to one account only; another one is claimed before it counts,
//! as an address is. What the provider says else, an e-mail address say, links nothing.
//!
//! - ACC-24: an identity is claimed before it counts, one at a time, and has its time for it; one that never will count,
//!   and one that is unlinked, is named: that is the order to give it back.
//! - ACC-25: who links one has proven to be the owner by what counts now.
//! - ACC-26: the last way in stays: a password, an address, a number, or another identity.
//! - ACC-27: an identity that is unlinked proves nothing any more, also what it has proven just before.

use super::{Event, Person, Refusal};
use crate::{Context, HandleId, Sealed, Timestamp, limit};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Identities {
    /// The oldest first.
    pub linked: Vec<Identity>,
    /// Claimed just now.
    pub linking: Option<Linking>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Of the provider's issuer and of the subject there.
    pub handle: HandleId,
    /// Where it is, and what the person is called there.
    pub about: Sealed,
}

/// What [`Identity::about`] says, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct About {
    pub issuer: String,
    /// What the provider calls the person, for them to tell one from another.
    pub name: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Linking {
    pub identity: Identity,
    pub expires_at: Timestamp,
}

impl Linking {
    /// See [`super::Changing::claimed_until`].
    pub fn claimed_until(&self) -> Timestamp {
        super::contacts::claimed_until(self.expires_at)
    }
}

impl Identities {
    pub fn new(identity: Option<Identity>) -> Self {
        Self { linked: identity.into_iter().collect(), linking: None }
    }

    pub fn has(&self, handle: HandleId) -> bool {
        self.linked.iter().any(|identity| identity.handle == handle)
    }

    /// Those that count.
    pub(super) fn handles(&self) -> impl Iterator<Item = HandleId> {
        self.linked.iter().map(|identity| identity.handle)
    }

    fn linking_to(&self, handle: HandleId) -> Option<&Linking> {
        self.linking.as_ref().filter(|linking| linking.identity.handle == handle)
    }

    pub(super) fn begin(&mut self, identity: &Identity, expires_at: Timestamp) {
        self.linking = Some(Linking { identity: identity.clone(), expires_at });
    }

    pub(super) fn link(&mut self, identity: &Identity) {
        self.abandon(identity.handle);
        self.unlink(identity.handle);
        self.linked.push(identity.clone());
    }

    pub(super) fn unlink(&mut self, handle: HandleId) {
        self.linked.retain(|identity| identity.handle != handle);
    }

    pub(super) fn abandon(&mut self, handle: HandleId) {
        self.linking = self.linking.take().filter(|linking| linking.identity.handle != handle);
    }
}

/// ACC-24, ACC-25. Beginning the same one anew gives it its time anew, as with a contact.
pub(super) fn start(
    person: &Person,
    context: &Context,
    checked: u32,
    identity: &Identity,
) -> Result<Vec<Event>, Refusal> {
    let identities = &person.identities;
    let is_begun = identities.linking.as_ref().is_some_and(|begun| begun.identity == *identity);
    if is_begun || identities.has(identity.handle) {
        return Ok(vec![]);
    }
    if checked != person.standing.credentials {
        return Err(Refusal::Outdated);
    }
    if identities.linking.as_ref().is_some_and(|begun| begun.identity.handle != identity.handle) {
        return Err(Refusal::OtherChange);
    }
    if identities.linked.len() >= limit::IDENTITIES_MAX {
        return Err(Refusal::TooManyIdentities);
    }
    let expires_at = context.now + limit::CONTACT_CHANGE_EXPIRY;
    Ok(vec![Event::IdentityLinkStarted { identity: identity.clone(), expires_at }])
}

pub(super) fn complete(person: &Person, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    let identities = &person.identities;
    if identities.has(handle) {
        return Ok(vec![]);
    }
    let begun = identities.linking_to(handle).ok_or(Refusal::OtherChange)?;
    Ok(vec![Event::IdentityLinked { identity: begun.identity.clone() }])
}

pub(super) fn abandon(person: &Person, handle: HandleId) -> Vec<Event> {
    let begun = person.identities.linking_to(handle);
    begun.map(|_| Event::IdentityLinkAbandoned { handle }).into_iter().collect()
}

pub(super) fn expire(person: &Person, context: &Context, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    match person.identities.linking_to(handle) {
        Some(begun) if context.now < begun.expires_at => Err(Refusal::NotDue),
        _ => Ok(abandon(person, handle)),
    }
}

/// ACC-26.
pub(super) fn unlink(person: &Person, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    if !person.identities.has(handle) {
        return Ok(vec![]);
    }
    let is_last = person.identities.linked.len() == 1 && !person.has_password() && !person.contacts.has_any();
    if is_last { Err(Refusal::LastWayIn) } else { Ok(vec![Event::IdentityUnlinked { handle }]) }
}
