//! What admins of a group do and look up: bans, and the log.

use super::admin;
use crate::{
    auth::gate::{Viewer, Writer},
    edge::Door,
    http::{
        answer::Done,
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::{AccountId, ConversationId};
use natter_projections::Projection;
use utoipa_axum::routes;
use uuid::Uuid;

const SHOWN_BY: &[Projection] = &[Projection::Relations];

pub fn routes() -> Routes {
    Routes::new().routes(routes!(bans)).routes(routes!(ban, unban)).routes(routes!(log))
}

/// Who is banned, the newest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/bans", operation_id = "ban_list", tag = "conversations",
    params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::Ban>),
        (status = 403, description = "`not_allowed`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn bans(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Ban>>, Problem> {
    let (page, inside, id) = (listed.page()?, door.open()?, ConversationId(id));
    seen.by(&inside, SHOWN_BY).await?;
    admin(&inside, caller.account, id).await?;
    Ok(Json(inside.projections.door().bans(id, &page).await?))
}

/// They go, if they are in, and do not come back.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/bans/{account_id}", operation_id = "ban_put",
    tag = "conversations", params(("id" = Uuid, Path), ("account_id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: also where 10,000 are banned already"),
    ))]
async fn ban(Writer(by): Writer, door: Door, Ids((id, account)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    let inside = door.open()?;
    Ok(Done(inside.commands.conversation().ban(by, ConversationId(id), AccountId(account)).await?))
}

/// They may come again.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/bans/{account_id}", operation_id = "ban_delete",
    tag = "conversations", params(("id" = Uuid, Path), ("account_id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn unban(Writer(by): Writer, door: Door, Ids((id, account)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    let inside = door.open()?;
    Ok(Done(inside.commands.conversation().unban(by, ConversationId(id), AccountId(account)).await?))
}

/// What happened to the group, and who did it, the newest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/log", operation_id = "group_log", tag = "conversations",
    params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::GroupEvent>),
        (status = 403, description = "`not_allowed`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn log(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::GroupEvent>>, Problem> {
    let (page, inside, id) = (listed.page()?, door.open()?, ConversationId(id));
    seen.by(&inside, SHOWN_BY).await?;
    admin(&inside, caller.account, id).await?;
    Ok(Json(inside.projections.door().log(id, &page).await?))
}
