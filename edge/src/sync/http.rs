//! `GET /sync`.

use super::{SHOWN_BY, page};
use crate::{
    auth::gate::Viewer,
    edge::Door,
    http::{
        position::Seen,
        problem::Problem,
        query::{Continued, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(sync))
}

/// What changed for the caller since the cursor, in whole things; without a cursor: everything. With `more`, call again at
/// once with the cursor of this answer.
#[utoipa::path(get, path = "/api/v1/sync", operation_id = "sync", tag = "sync", params(Continued), responses(
    (status = 200, body = wire::Sync),
    (status = 410, description = "`gone`: the cursor is no longer served, begin without one"),
    (status = 422, description = "`invalid_input`"),
))]
async fn sync(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(continued): Params<Continued>,
) -> Result<Json<wire::Sync>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    page(&inside, caller, continued.cursor.as_deref()).await.map(Json)
}
