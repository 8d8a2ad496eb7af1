//! `/conversations/{id}/messages/{message_id}/translate`.

use crate::{
    auth::gate::Viewer,
    edge::Door,
    http::{json, path::Ids, position::Seen, problem::Problem, router::Routes},
    message::SHOWN_BY,
};
use axum::Json;
use natter_client::wire;
use natter_domain::{ConversationId, MessageId};
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(translate))
}

/// What the message says, in another language.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/{message_id}/translate",
    operation_id = "message_translate", tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)),
    request_body = wire::TranslationNew, responses(
        (status = 200, body = wire::Translated),
        (status = 403, description = "`forbidden`: there are none here, or the message has no text"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`"),
        (status = 422, description = "`invalid_input`"),
        (status = 503, description = "`unavailable`: also where it could not be translated"),
    ))]
async fn translate(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
    json::Json(given): json::Json<wire::TranslationNew>,
) -> Result<Json<wire::Translated>, Problem> {
    let language = super::language(&given.language)?;
    let inside = door.open()?;
    inside.translation.is_on()?;
    seen.by(&inside, SHOWN_BY).await?;
    let message = inside.projections.message().one(caller.account, ConversationId(id), MessageId(message_id)).await?;
    let message = message.ok_or_else(Problem::not_found)?;
    Ok(Json(inside.translation.of(&message, language).await?))
}
