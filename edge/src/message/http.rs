//! `/conversations/{id}/messages`.

use super::{Checked, SHOWN_BY, page, send};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::Door,
    http::{
        answer::Written,
        json,
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Between, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::{ConversationId, MessageId};
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(post, list)).routes(routes!(one))
}

/// Sends a message. The same `message_id` with the same body again: 200 and the first answer.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", operation_id = "message_send", tag = "messages",
    params(("id" = Uuid, Path)), request_body = wire::MessageNew, responses(
        (status = 201, body = wire::MessageSent),
        (status = 200, body = wire::MessageSent, description = "It was sent before."),
        (status = 403, description = "`conversation_closed`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the id was used by somebody else or for another body"),
    ))]
async fn post(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::MessageNew>,
) -> Result<Written<wire::MessageSent>, Problem> {
    let (body, inside) = (Checked::new(&given.body)?, door.open()?);
    let sent = send(&inside, by.caller, ConversationId(id), MessageId(given.message_id), &body).await?;
    let thing = wire::MessageSent { message_id: sent.message_id.0, seq: sent.seq, sent_at: sent.sent_at.to_string() };
    Ok(Written::new(!sent.repeated, sent.positions, thing))
}

/// Messages between two numbers, both left out; newest first without `after_seq`, oldest first with it. An empty
/// page is the end.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", operation_id = "message_list", tag = "messages",
    params(("id" = Uuid, Path), Between), responses(
        (status = 200, body = wire::Items<wire::Message>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(between): Params<Between>,
) -> Result<Json<wire::Items<wire::Message>>, Problem> {
    let (range, inside) = (between.range()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(wire::Items { items: page(&inside, caller, ConversationId(id), range).await? }))
}

/// One message.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{message_id}", operation_id = "message_get",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 200, body = wire::Message),
        (status = 404, description = "`not_found`"),
    ))]
async fn one(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
) -> Result<Json<wire::Message>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let found = inside.projections.message().one(caller.account, ConversationId(id), MessageId(message_id)).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}
