//! `/blocks`.

use super::SHOWN_BY;
use crate::{
    auth::gate::{Viewer, Writer},
    edge::Door,
    http::{
        answer::{Done, Shown},
        path::Ids,
        position::{self, Seen},
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::AccountId;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(blocks)).routes(routes!(block, unblock))
}

/// Whom the caller blocks, the newest first.
#[utoipa::path(get, path = "/api/v1/blocks", operation_id = "block_list", tag = "friends",
    params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::Block>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn blocks(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Block>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.friendship().blocks(caller.account, &page).await?))
}

/// From here on nothing passes between the two. The other one is not told.
#[utoipa::path(put, path = "/api/v1/blocks/{account_id}", operation_id = "block_set", tag = "friends",
    params(("account_id" = Uuid, Path)), responses(
        (status = 200, body = wire::Block),
        (status = 204, description = "Done, and there no more: of a repeat."),
        (status = 404, description = "`not_found`: there is no such account, or it is closed"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`self_not_allowed`"),
    ))]
async fn block(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Shown<wire::Block>, Problem> {
    let (inside, other) = (door.open()?, AccountId(id));
    let positions = inside.commands.friendship().block(by, other).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    Ok(Shown(positions, inside.projections.friendship().block(by.caller.account, other).await?))
}

/// Takes it back.
#[utoipa::path(delete, path = "/api/v1/blocks/{account_id}", operation_id = "block_clear", tag = "friends",
    params(("account_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was not set."),
        (status = 409, description = "`conflict`"),
    ))]
async fn unblock(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.friendship().unblock(by, AccountId(id)).await?))
}
