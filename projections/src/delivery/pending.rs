//! Frames of what somebody has waiting: to their own devices, whenever something becomes of it.

use super::frame::{Frame, position, push};
use crate::{
    Error,
    pending::{key, project::state, shown},
};
use natter_client::wire::{self, Push};
use natter_domain::{KeyId, pending::Event};
use natter_streams::{Record, sealing::Opener};
use uuid::Uuid;

/// What that is opened with.
pub(super) fn keys(event: &Event) -> Vec<(Uuid, KeyId)> {
    event.content().map(|content| key(*event.message(), content)).into_iter().collect()
}

/// Of what is released is told what comes of it.
pub(super) fn frames(record: &Record, event: &Event, opener: &Opener) -> Result<Vec<Frame>, Error> {
    let (send_at, code, until) = match event {
        Event::Released { .. } => return Ok(Vec::new()),
        Event::Scheduled { send_at, .. } | Event::Changed { send_at, .. } => (Some(*send_at), None, None),
        Event::Failed { send_at, code, until, .. } => (*send_at, Some(code.clone()), *until),
        Event::Held { .. } | Event::Cancelled { .. } | Event::Sent { .. } => (None, None, None),
    };
    let scheduled = wire::Scheduled {
        send_at: send_at.map(|at| at.to_string()),
        code,
        until: until.map(|until| until.to_string()),
        ..shown(*event.message(), state(event), event.content(), opener)
    };
    let told = Push::MessageScheduled { scheduled, position: position(record) };
    Ok(vec![push(vec![event.message().author], &told)?])
}
