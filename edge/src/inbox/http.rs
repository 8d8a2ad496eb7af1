//! `PUT /conversations/{id}/read`: written at once.

use crate::{
    auth::gate::Writer,
    edge::Door,
    http::{answer::Written, json, path::Ids, problem::Problem, router::Routes},
};
use natter_client::wire;
use natter_domain::ConversationId;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(read))
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
    let advanced = super::advance(&inside.commands, by, ConversationId(id), given.seq).await?;
    Ok(Written::ok(advanced.1, wire::ReadUpTo { seq: advanced.0 }))
}
