//! A registration's time: it begins with the registration and ends with it, however it ends. So does that of a change of
//! an address or number, and of the link to an identity. And the grace of an account that is to be closed. The end of an
//! account ends none of the former: what was being claimed for it is given back when their time is over.

use crate::timer::{Change, Due};
use natter_domain::{AccountId, Timestamp, account::Event};
use natter_streams::Record;

/// What an account's event does to the timers.
pub(crate) fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    let account = AccountId(event.aggregate_id);
    let registration = Due::ExpireRegistration { account };
    let changing = |handle| Due::ExpireContactChange { account, handle };
    let linking = |handle| Due::ExpireIdentityLink { account, handle };
    match &*event.event_type {
        "registration_started" => match event.decode()? {
            Event::RegistrationStarted { expires_at, .. } => Ok(Some(Change::begin(event, registration, expires_at))),
            _ => Ok(None),
        },
        "registered" | "registration_abandoned" => Ok(Some(Change::End(registration.subject()))),
        "contact_change_started" => match event.decode()? {
            Event::ContactChangeStarted { contact, expires_at, .. } => {
                Ok(Some(Change::begin(event, changing(contact.handle), expires_at)))
            }
            _ => Ok(None),
        },
        "contact_changed" => match event.decode()? {
            Event::ContactChanged { contact, .. } => Ok(Some(Change::End(changing(contact.handle).subject()))),
            _ => Ok(None),
        },
        "contact_change_abandoned" => match event.decode()? {
            Event::ContactChangeAbandoned { handle } => Ok(Some(Change::End(changing(handle).subject()))),
            _ => Ok(None),
        },
        "identity_link_started" => match event.decode()? {
            Event::IdentityLinkStarted { identity, expires_at } => {
                Ok(Some(Change::begin(event, linking(identity.handle), expires_at)))
            }
            _ => Ok(None),
        },
        "identity_linked" => match event.decode()? {
            Event::IdentityLinked { identity } => Ok(Some(Change::End(linking(identity.handle).subject()))),
            _ => Ok(None),
        },
        "identity_link_abandoned" => match event.decode()? {
            Event::IdentityLinkAbandoned { handle } => Ok(Some(Change::End(linking(handle).subject()))),
            _ => Ok(None),
        },
        "closing_requested" => match event.decode()? {
            Event::ClosingRequested { closes_at, .. } => {
                Ok(Some(Change::begin(event, Due::CloseAccount { account, closes_at }, closes_at)))
            }
            _ => Ok(None),
        },
        "closing_postponed" => match event.decode()? {
            Event::ClosingPostponed { closes_at } => {
                Ok(Some(Change::begin(event, Due::CloseAccount { account, closes_at }, closes_at)))
            }
            _ => Ok(None),
        },
        // Whenever it was to be.
        "closing_cancelled" | "closed" => {
            let closing = Due::CloseAccount { account, closes_at: Timestamp::default() };
            Ok(Some(Change::End(closing.subject())))
        }
        _ => Ok(None),
    }
}
