//! What a message said before, who has reacted to it, and what is pinned in a conversation.

use super::{SHOWN_BY, emoji};
use crate::{
    auth::gate::Viewer,
    edge::Door,
    http::{
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::{ConversationId, MessageId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(edits)).routes(routes!(reactors)).routes(routes!(pins))
}

/// What the message said, the oldest first: how it was sent, then each edit. Of one that was recalled nothing is left.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{message_id}/edits", operation_id = "message_edits",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::MessageVersion>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn edits(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::MessageVersion>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let messages = inside.projections.message();
    let found = messages.edits(caller.account, ConversationId(id), MessageId(message_id), &page).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only who has put this.
    emoji: Option<String>,
}

/// Who has reacted to the message, the newest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{message_id}/reactions",
    operation_id = "message_reactors", tag = "messages",
    params(("id" = Uuid, Path), ("message_id" = Uuid, Path), Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::MessageReactor>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn reactors(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::MessageReactor>>, Problem> {
    let wanted = which.emoji.as_deref().map(emoji).transpose()?;
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let (messages, wanted) = (inside.projections.message(), wanted.as_ref().map(natter_domain::Emoji::as_str));
    let found = messages.reactors(caller.account, ConversationId(id), MessageId(message_id), wanted, &page).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// The messages that are pinned, the newest pin first, each with who pinned it.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/pins", operation_id = "message_pins", tag = "messages",
    params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::Message>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn pins(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Message>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let found = inside.projections.message().pins(caller.account, ConversationId(id), &page).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}
