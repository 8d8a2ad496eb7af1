//! A friend request's time: it begins with the request and ends with it, however it ends. What was ignored goes on to run
//! out for its sender.

use crate::timer::{Change, Due};
use natter_domain::{FriendshipId, friendship::Event};
use natter_streams::Record;

/// What a friendship's event does to the timers.
pub(crate) fn change(event: &Record) -> Result<Option<Change>, natter_streams::Error> {
    let friendship = FriendshipId(event.aggregate_id);
    let expiry = |request| Due::ExpireRequest { friendship, request };
    if !["requested", "accepted", "rejected", "cancelled", "expired"].contains(&&*event.event_type) {
        return Ok(None);
    }
    Ok(match event.decode()? {
        Event::Requested { request_id, expires_at, .. } => Some(Change::begin(event, expiry(request_id), expires_at)),
        Event::Accepted { request_id, .. }
        | Event::Rejected { request_id, .. }
        | Event::Cancelled { request_id, .. }
        | Event::Expired { request_id, .. } => Some(Change::End(expiry(request_id).subject())),
        _ => None,
    })
}
