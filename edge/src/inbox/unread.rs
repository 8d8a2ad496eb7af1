//! What waits for the caller, why it is so many, and who has read what.

use crate::{
    auth::gate::Viewer,
    conversation::SHOWN_BY,
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
use natter_domain::{Code, ConversationId, MessageId};
use natter_projections::conversation::Readers;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(totals)).routes(routes!(explain)).routes(routes!(readers))
}

/// What waits in all of the caller's conversations together, for badges: those that are hidden or archived are left out, those
/// that are quiet now count apart.
#[utoipa::path(get, path = "/api/v1/conversations/unread", operation_id = "unread_totals", tag = "conversations",
    responses((status = 200, body = wire::UnreadTotals)))]
async fn totals(Viewer(caller): Viewer, door: Door, seen: Seen) -> Result<Json<wire::UnreadTotals>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.conversation().unread_totals(caller.account).await?))
}

/// How the conversation's `unread` came about.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/unread/explain", operation_id = "unread_explain",
    tag = "conversations", params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::UnreadExplained),
        (status = 404, description = "`not_found`"),
    ))]
async fn explain(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
) -> Result<Json<wire::UnreadExplained>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let explained = inside.projections.conversation().explain(caller.account, ConversationId(id)).await?;
    explained.map(Json).ok_or_else(Problem::not_found)
}

/// Members who have read the message, by their ids; who sent it is left out, and so is who does not show what they read. Who
/// does not is shown nobody.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{message_id}/readers", operation_id = "message_readers",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::Reader>),
        (status = 403, description = "`not_a_member`; `forbidden`: a channel, or too many members"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn readers(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Reader>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let (id, message, most) = (ConversationId(id), MessageId(message_id), inside.readers_max);
    match inside.projections.conversation().readers(caller.account, id, message, most, &page).await? {
        Readers::Are(page) => Ok(Json(page)),
        Readers::Left => Err(Problem::new(Code::NotAMember, "you are not in this conversation any more")),
        Readers::NotShown => {
            Err(Problem::new(Code::Forbidden, "of this conversation nobody is told who has read what"))
        }
        Readers::Unknown => Err(Problem::not_found()),
    }
}
