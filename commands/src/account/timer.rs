//! A registration's time: it begins with the registration and ends with it, however it ends.

use crate::timer::{Change, Due};
use natter_domain::{AccountId, account::Event};
use natter_streams::Record;

/// What an account's event does to the timers.
pub(crate) fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    let due = Due::ExpireRegistration { account: AccountId(event.aggregate_id) };
    match &*event.event_type {
        "registration_started" => match event.decode()? {
            Event::RegistrationStarted { expires_at, .. } => Ok(Some(Change::begin(event, due, expires_at))),
            _ => Ok(None),
        },
        "registered" | "registration_abandoned" => Ok(Some(Change::End(due.subject()))),
        _ => Ok(None),
    }
}
