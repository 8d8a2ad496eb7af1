//! `/friends` and `/friends/folders`.

use super::{SHOWN_BY, given};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::{Door, Inside},
    http::{
        answer::{Done, Shown, Written},
        json,
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
use natter_projections::friendship::Which;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(friends)).routes(routes!(folders, order)).routes(routes!(change, remove))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Of {
    /// Only those in this folder.
    #[param(min_length = 1, max_length = 64)]
    folder: Option<String>,
    /// Only those with a star (`true`), or without (`false`).
    #[param(value_type = Option<bool>)]
    starred: Option<String>,
}

/// The caller's friends, the newest first.
#[utoipa::path(get, path = "/api/v1/friends", operation_id = "friendship_friends", tag = "friends",
    params(Of, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Friend>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn friends(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(of): Params<Of>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Friend>>, Problem> {
    let folder = of.folder.as_deref().map(|name| given::label(name, "/folder")).transpose()?;
    let starred = of.starred.as_deref().map(|word| given::flag(word, "/starred")).transpose()?;
    let which = Which { folder: folder.map(|name| name.as_str().to_owned()), starred };
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.friendship().friends(caller.account, &which, &page).await?))
}

/// What the caller notes of a friend: nobody else sees it.
#[utoipa::path(patch, path = "/api/v1/friends/{account_id}", operation_id = "friendship_change", tag = "friends",
    params(("account_id" = Uuid, Path)), request_body = wire::FriendChange, responses(
        (status = 200, body = wire::Friend),
        (status = 204, description = "Done, and there no more: of a repeat."),
        (status = 404, description = "`not_found`: no friend"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::FriendChange>,
) -> Result<Shown<wire::Friend>, Problem> {
    let (change, inside, friend) = (given::change(&given)?, door.open()?, AccountId(id));
    let positions = inside.commands.friendship().change_friend(by, friend, change).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    Ok(Shown(positions, inside.projections.friendship().friend(by.caller.account, friend).await?))
}

/// Ends the friendship, for both.
#[utoipa::path(delete, path = "/api/v1/friends/{account_id}", operation_id = "friendship_remove", tag = "friends",
    params(("account_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was over already."),
        (status = 404, description = "`not_found`: never was a friend"),
        (status = 409, description = "`conflict`"),
    ))]
async fn remove(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.friendship().remove(by, AccountId(id)).await?))
}

/// The caller's folders of friends, in their order; those that it does not name come last.
#[utoipa::path(get, path = "/api/v1/friends/folders", operation_id = "friendship_folders", tag = "friends",
    responses((status = 200, body = wire::Items<wire::FriendFolder>)))]
async fn folders(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
) -> Result<Json<wire::Items<wire::FriendFolder>>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(listed(&inside, caller.account).await?))
}

/// Sets their order; a folder that no friend is in may be named too.
#[utoipa::path(put, path = "/api/v1/friends/folders", operation_id = "friendship_order_folders", tag = "friends",
    request_body = wire::FriendFolderOrder, responses(
        (status = 200, body = wire::Items<wire::FriendFolder>),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn order(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::FriendFolderOrder>,
) -> Result<Written<wire::Items<wire::FriendFolder>>, Problem> {
    let (names, inside) = (given::order(&given.names)?, door.open()?);
    let positions = inside.commands.friendship().order_folders(by, &names).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    let folders = listed(&inside, by.caller.account).await?;
    Ok(Written::ok(positions, folders))
}

async fn listed(inside: &Inside, owner: AccountId) -> Result<wire::Items<wire::FriendFolder>, Problem> {
    Ok(wire::Items { items: inside.projections.friendship().folders(owner).await? })
}
