//! `/conversations/{id}/inbox`, how a conversation is shown to the caller, and `PUT /conversations/{id}/read`: written at
//! once.

use super::given;
use crate::{
    auth::gate::Writer,
    conversation,
    edge::Door,
    http::{
        answer::{Done, Shown, Written},
        json,
        path::Ids,
        position,
        problem::Problem,
        router::Routes,
    },
};
use natter_client::wire;
use natter_domain::ConversationId;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(read)).routes(routes!(change, clear))
}

/// Moves the caller's cursor forward; one that would go back changes nothing.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/read", operation_id = "inbox_read", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::Read, responses(
        (status = 200, body = wire::ReadUpTo, description = "Where the cursor now is."),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn read(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::Read>,
) -> Result<Written<wire::ReadUpTo>, Problem> {
    let inside = door.open()?;
    let advanced = inside.cursors.write_now(by, ConversationId(id), given.seq).await?;
    Ok(Written::ok(advanced.1, wire::ReadUpTo { seq: advanced.0 }))
}

/// Changes how a conversation is shown to the caller, on all of their devices and to nobody else. What is left out stays,
/// what is null goes.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/inbox", operation_id = "inbox_change", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::ViewChange, responses(
        (status = 200, body = wire::OwnConversation),
        (status = 204, description = "Taken back: the conversation has ended."),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: too many are pinned, too many folders, too many drafts"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::ViewChange>,
) -> Result<Shown<wire::OwnConversation>, Problem> {
    let (change, inside, id) = (given::change(given)?, door.open()?, ConversationId(id));
    let changed = inside.commands.inbox().change(by, id, change).await;
    // The one thing of it that is looked at there is when that is.
    let positions = changed.map_err(|error| Problem::from(error).about("/quiet_until"))?;
    position::wait(&inside, &positions, conversation::SHOWN_BY).await?;
    let thing = inside.projections.conversation().get(by.caller.account, id).await?;
    Ok(Shown(positions, thing))
}

/// Deletes a conversation for the caller: every message that is there by now is gone for them, and it is hidden until
/// another one comes. Nobody else notices. Of one that has ended everything is taken back that the caller had set.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/inbox", operation_id = "inbox_clear", tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 204),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn clear(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.inbox().clear(by, ConversationId(id)).await?))
}
