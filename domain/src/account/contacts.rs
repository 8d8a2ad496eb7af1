//! How else a person is known and reached: an e-mail address, a phone number. Each is a handle, so it belongs to one
//! account only; another one is claimed before it counts and the old one released after, as in a registration.

use super::{Event, Person, Refusal};
use crate::{Context, HandleId, Sealed, Timestamp, limit};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Contacts {
    pub email: Option<Contact>,
    pub phone: Option<Contact>,
    /// Claimed just now.
    pub changing: Option<Changing>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Contact {
    pub value: Sealed,
    pub handle: HandleId,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Email,
    Phone,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Changing {
    pub way: Way,
    pub contact: Contact,
    pub expires_at: Timestamp,
}

impl Changing {
    /// Until when its handle may be claimed: what lies between this and its end is how far clocks may be apart.
    pub fn claimed_until(&self) -> Timestamp {
        claimed_until(self.expires_at)
    }
}

pub(super) fn claimed_until(expires_at: Timestamp) -> Timestamp {
    let apart = limit::CONTACT_CHANGE_EXPIRY.saturating_sub(limit::CLAIM_WINDOW).as_millis();
    Timestamp::from_millis(expires_at.as_millis() - i64::try_from(apart).unwrap_or_default())
}

impl Contacts {
    pub fn of(&self, way: Way) -> Option<&Contact> {
        match way {
            Way::Email => self.email.as_ref(),
            Way::Phone => self.phone.as_ref(),
        }
    }

    /// Those that count.
    pub(super) fn handles(&self) -> impl Iterator<Item = HandleId> {
        [&self.email, &self.phone].into_iter().flatten().map(|contact| contact.handle)
    }

    pub(super) fn has_any(&self) -> bool {
        self.email.is_some() || self.phone.is_some()
    }

    fn has(&self, handle: HandleId) -> bool {
        [&self.email, &self.phone].into_iter().flatten().any(|contact| contact.handle == handle)
    }

    fn changing_to(&self, handle: HandleId) -> Option<&Changing> {
        self.changing.as_ref().filter(|changing| changing.contact.handle == handle)
    }

    pub(super) fn begin(&mut self, way: Way, contact: &Contact, expires_at: Timestamp) {
        self.changing = Some(Changing { way, contact: contact.clone(), expires_at });
    }

    pub(super) fn change(&mut self, way: Way, contact: &Contact) {
        self.abandon(contact.handle);
        let contact = Some(contact.clone());
        match way {
            Way::Email => self.email = contact,
            Way::Phone => self.phone = contact,
        }
    }

    pub(super) fn abandon(&mut self, handle: HandleId) {
        self.changing = self.changing.take().filter(|changing| changing.contact.handle != handle);
    }
}

/// ACC-12. Beginning the same one anew gives it its time anew: whoever began it before may have stopped half-way.
pub(super) fn start(person: &Person, context: &Context, way: Way, contact: &Contact) -> Result<Vec<Event>, Refusal> {
    let contacts = &person.contacts;
    let is_begun = contacts.changing.as_ref().is_some_and(|begun| begun.way == way && begun.contact == *contact);
    if is_begun || contacts.has(contact.handle) {
        return Ok(vec![]);
    }
    if contacts.changing.as_ref().is_some_and(|begun| begun.contact.handle != contact.handle) {
        return Err(Refusal::OtherChange);
    }
    let expires_at = context.now + limit::CONTACT_CHANGE_EXPIRY;
    Ok(vec![Event::ContactChangeStarted { way, contact: contact.clone(), expires_at }])
}

pub(super) fn complete(person: &Person, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    let contacts = &person.contacts;
    if contacts.has(handle) {
        return Ok(vec![]);
    }
    let Changing { way, contact, .. } = contacts.changing_to(handle).ok_or(Refusal::OtherChange)?;
    let released = contacts.of(*way).map(|old| old.handle);
    Ok(vec![Event::ContactChanged { way: *way, contact: contact.clone(), released }])
}

pub(super) fn abandon(person: &Person, handle: HandleId) -> Vec<Event> {
    let begun = person.contacts.changing_to(handle);
    begun.map(|_| Event::ContactChangeAbandoned { handle }).into_iter().collect()
}

pub(super) fn expire(person: &Person, context: &Context, handle: HandleId) -> Result<Vec<Event>, Refusal> {
    match person.contacts.changing_to(handle) {
        Some(begun) if context.now < begun.expires_at => Err(Refusal::NotDue),
        _ => Ok(abandon(person, handle)),
    }
}
