//! `/link-previews`.

use crate::{
    auth::gate::Viewer,
    edge::Door,
    http::{json, problem::Problem, router::Routes},
};
use axum::Json;
use natter_client::wire;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(look))
}

/// What a page says of itself, for a card of the link.
#[utoipa::path(post, path = "/api/v1/link-previews", operation_id = "link_preview", tag = "messages",
    request_body = wire::LinkPreviewNew, responses(
        (status = 200, body = wire::LinkPreview),
        (status = 403, description = "`forbidden`: there are none here"),
        (status = 404, description = "`not_found`: there is none of this page, whatever is the reason"),
        (status = 422, description = "`invalid_input`: no http or https url"),
        (status = 503, description = "`unavailable`: too many are looked for just now"),
    ))]
async fn look(
    Viewer(_caller): Viewer,
    door: Door,
    json::Json(given): json::Json<wire::LinkPreviewNew>,
) -> Result<Json<wire::LinkPreview>, Problem> {
    super::parsed(&given.url)?;
    Ok(Json(door.open()?.previews.of(&given.url).await?))
}
