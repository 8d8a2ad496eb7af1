//! `POST /presence/lookup`.

use super::{distinct, sights};
use crate::{
    account::SHOWN_BY,
    auth::gate::Viewer,
    edge::Door,
    http::{
        json::{self, few},
        position::Seen,
        problem::Problem,
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(lookup))
}

/// Who of several people is online, each once. Who hides it from the caller, or is not there, is offline.
#[utoipa::path(post, path = "/api/v1/presence/lookup", operation_id = "presence_lookup", tag = "presence",
    request_body = wire::Lookup, responses((status = 200, body = wire::Items<wire::Presence>)))]
async fn lookup(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    json::Json(given): json::Json<wire::Lookup>,
) -> Result<Json<wire::Items<wire::Presence>>, Problem> {
    let accounts = distinct(few(given)?);
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let sights = sights(&inside, caller.account, &accounts).await?.unwrap_or_default();
    Ok(Json(wire::Items { items: inside.presence.shown(&accounts, &sights) }))
}
