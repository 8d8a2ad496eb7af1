//! `/conversations` and `/conversations/{id}`.

use super::SHOWN_BY;
use crate::{
    auth::gate::{Viewer, Writer},
    edge::{Door, Inside},
    http::{
        answer::Written,
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
use natter_domain::{AccountId, ConversationId};
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(open, list)).routes(routes!(one))
}

/// The one conversation of two friends.
#[utoipa::path(post, path = "/api/v1/conversations", operation_id = "conversation_open", tag = "conversations",
    request_body = wire::ConversationNew, responses(
        (status = 201, body = wire::OwnConversation),
        (status = 200, body = wire::OwnConversation, description = "It was there."),
        (status = 403, description = "`not_friends`"),
        (status = 404, description = "`not_found`: there is no such account"),
        (status = 422, description = "`invalid_input`, `self_not_allowed`"),
    ))]
async fn open(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::ConversationNew>,
) -> Result<Written<wire::OwnConversation>, Problem> {
    if given.kind != "direct" {
        return Err(Problem::invalid("/kind", "must be direct"));
    }
    let inside = door.open()?;
    let opened = inside.commands.conversation().open_direct(by, AccountId(given.with)).await?;
    position::wait(&inside, &opened.positions, SHOWN_BY).await?;
    let thing = get(&inside, by.caller.account, opened.conversation_id).await?;
    Ok(Written::new(opened.created, opened.positions, thing))
}

/// The caller's conversations, by last activity, newest first.
#[utoipa::path(get, path = "/api/v1/conversations", operation_id = "conversation_list", tag = "conversations",
    params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::OwnConversation>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::OwnConversation>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let paged = inside.projections.conversation().list(caller.account, &page).await?;
    Ok(Json(wire::PageOf { items: paged.items, next_cursor: paged.next_cursor }))
}

/// One of the caller's conversations.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", operation_id = "conversation_get", tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::OwnConversation),
        (status = 404, description = "`not_found`"),
    ))]
async fn one(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
) -> Result<Json<wire::OwnConversation>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    get(&inside, caller.account, ConversationId(id)).await.map(Json)
}

async fn get(inside: &Inside, viewer: AccountId, id: ConversationId) -> Result<wire::OwnConversation, Problem> {
    inside.projections.conversation().get(viewer, id).await?.ok_or_else(Problem::not_found)
}
