//! `/settings`.

use super::{SHOWN_BY, given};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::Door,
    http::{answer::Written, json, position::Seen, problem::Problem, router::Routes},
};
use axum::Json;
use natter_client::wire;
use natter_projections::account::settings_shown;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(settings, change))
}

/// The caller's settings.
#[utoipa::path(get, path = "/api/v1/settings", operation_id = "settings_get", tag = "settings",
    responses((status = 200, body = wire::Settings)))]
async fn settings(Viewer(caller): Viewer, door: Door, seen: Seen) -> Result<Json<wire::Settings>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    inside.projections.account().settings(caller.account).await?.map(Json).ok_or_else(Problem::not_found)
}

/// Changes some of them; the answer has all.
#[utoipa::path(patch, path = "/api/v1/settings", operation_id = "settings_change", tag = "settings",
    request_body = wire::SettingsChange, responses(
        (status = 200, body = wire::Settings),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::SettingsChange>,
) -> Result<Written<wire::Settings>, Problem> {
    let (change, inside) = (given::settings(&given)?, door.open()?);
    let (settings, positions) = inside.commands.account().change_settings(by, change).await?;
    Ok(Written::ok(positions, settings_shown(&settings)))
}
