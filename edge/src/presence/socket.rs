//! `presence.subscribe`, `presence.unsubscribe`, `presence.set`, as one connection asks for them.

use super::{Attendance, Class, distinct};
use crate::{
    account::SHOWN_BY,
    edge::Inside,
    http::{position, problem::Problem},
    socket::{outbox::Outbox, reply::reply},
};
use natter_client::wire;
use natter_commands::Caller;
use natter_domain::{AccountId, limit};
use natter_streams::Positions;
use std::sync::Arc;
use uuid::Uuid;

/// Ids of one frame.
fn few(ids: Vec<Uuid>) -> Result<Vec<AccountId>, Problem> {
    if ids.len() > limit::WATCHED_MAX {
        return Err(Problem::invalid("/account_ids", format!("must hold at most {} ids", limit::WATCHED_MAX)));
    }
    Ok(distinct(ids))
}

/// The answer is given by a task of its own: whom the caller sees has to be asked.
pub fn subscribe(
    attendance: &Attendance,
    inside: Inside,
    outbox: Arc<Outbox>,
    frame: wire::PresenceFrame,
    weight: usize,
) -> impl Future<Output = ()> + Send + use<> {
    let watching = few(frame.account_ids).map(|accounts| attendance.watch(inside.clone(), accounts));
    let id = Some(frame.id);
    async move {
        let watched = async {
            position::wait(&inside, &Positions::default(), SHOWN_BY).await?;
            watching?.await
        };
        match watched.await {
            Ok(watched) => watched.tell(|items| outbox.answer(reply(id, Ok(wire::Items { items })), weight)),
            Err(problem) => outbox.answer(reply::<()>(id, Err(problem)), weight),
        }
    }
}

pub fn unsubscribe(
    attendance: &Attendance,
    frame: wire::PresenceFrame,
) -> Result<wire::Items<wire::Presence>, Problem> {
    attendance.unwatch(&few(frame.account_ids)?);
    Ok(wire::Items { items: Vec::new() })
}

/// What the device says of itself.
pub fn set(attendance: &mut Attendance, state: &str) -> Result<serde_json::Map<String, serde_json::Value>, Problem> {
    let is_away = match state {
        "online" => false,
        "away" => true,
        _ => return Err(Problem::invalid("/state", "must be `online` or `away`")),
    };
    attendance.set_away(is_away);
    Ok(serde_json::Map::new())
}

/// What the session's device is. Where that cannot be read it is some other one.
pub async fn class(inside: &Inside, caller: Caller) -> Class {
    match inside.projections.session().platform(caller.session).await {
        Ok(platform) => Class::of(platform.as_deref()),
        Err(error) => {
            tracing::warn!(%error, "read what a device is");
            Class::Other
        }
    }
}
