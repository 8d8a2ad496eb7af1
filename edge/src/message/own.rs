//! One's own view of messages: `/conversations/{id}/messages/{message_id}/inbox`, and `/stars`. Nobody else is told of it.

use super::{SHOWN_BY, http::named};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::{Door, Inside},
    http::{
        answer::{Done, Shown},
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
use natter_commands::{Keyed, Named};
use natter_domain::conversation::system_message_seq;
use natter_streams::Positions;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(mark, delete)).routes(routes!(stars))
}

/// Gives the message the caller's star or takes it back, and says that they have listened to it, which is so for good. What is
/// left out stays.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/messages/{message_id}/inbox", operation_id = "message_mark",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), request_body = wire::MessageMarks,
    responses(
        (status = 200, body = wire::Message),
        (status = 204, description = "A repeat: the caller has deleted it for themselves since."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`; `conflict`"),
        (status = 422, description = "`invalid_input`: `listened` of what is no voice message of another's, or taken back"),
    ))]
async fn mark(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    json::Json(given): json::Json<wire::MessageMarks>,
) -> Result<Shown<wire::Message>, Problem> {
    if given.listened == Some(false) {
        return Err(Problem::invalid("/listened", "cannot be taken back"));
    }
    let (inside, of) = (door.open()?, named(id, message_id));
    let positions = inside.commands.message().mark(by, of, given.starred, given.listened.is_some()).await?;
    position::wait(&inside, &positions, SHOWN_BY).await?;
    let shown = inside.projections.message().one(by.caller.account, of.conversation, of.message).await?;
    Ok(Shown(positions, shown))
}

/// Deletes the message for the caller alone: on all of their devices it is gone, for ever. Nobody else notices.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message_id}/inbox", operation_id = "message_delete",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was gone."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: 1,000 are deleted one by one already"),
    ))]
async fn delete(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(deleted(&door.open()?, by, named(id, message_id)).await?))
}

/// Deletes it, from either door. The log knows messages that were sent by their ids. Of a system message the id says the number
/// that it would have: whether there is one, those know who show it.
pub async fn deleted(inside: &Inside, by: Keyed, of: Named) -> Result<Positions, Problem> {
    if system_message_seq(of.conversation, of.message).is_some() {
        position::wait(inside, &Positions::default(), SHOWN_BY).await?;
        if !inside.projections.message().is_there(by.caller.account, of.conversation, of.message).await? {
            return Err(Problem::not_found());
        }
    }
    Ok(inside.commands.inbox().delete(by, of).await?)
}

/// Messages of all conversations that have the caller's star, the newest star first. A page may hold fewer than `limit`, even
/// none, and not be the last: that is the one without `next_cursor`.
#[utoipa::path(get, path = "/api/v1/stars", operation_id = "message_stars", tag = "messages", params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::Message>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn stars(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Message>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.message().stars(caller.account, &page).await?))
}
