//! When what is scheduled is said.

use crate::timer::{Change, Due};
use natter_domain::{Timestamp, pending::Event};
use natter_streams::Record;

/// What an event does to the timers.
pub(crate) fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    if !["scheduled", "changed", "released", "cancelled"].contains(&&*event.event_type) {
        return Ok(None);
    }
    Ok(match event.decode()? {
        Event::Scheduled { message, send_at, .. } | Event::Changed { message, send_at, .. } => {
            Some(Change::begin(event, Due::ReleasePending { message, send_at }, send_at))
        }
        Event::Released { message, .. } | Event::Cancelled { message } => {
            let due = Due::ReleasePending { message, send_at: Timestamp::default() };
            Some(Change::End(due.subject()))
        }
        Event::Held { .. } | Event::Sent { .. } | Event::Failed { .. } => None,
    })
}
