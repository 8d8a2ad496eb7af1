//! `/conversations/{id}/messages`, and what is below it.

use super::{
    Given, SHOWN_BY, edited, emoji,
    looked::{self, Answer},
    page, reaction, send,
};
use crate::{
    auth::gate::{Viewer, Writer},
    edge::{Door, Inside},
    http::{
        answer::{Done, Shown, Written},
        json::{self, few},
        path::Ids,
        position::{self, Seen},
        problem::Problem,
        query::{Between, Params},
        router::Routes,
    },
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use natter_client::wire;
use natter_commands::{Caller, Named, Sent};
use natter_domain::{ConversationId, MessageId};
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(post, list))
        .routes(routes!(lookup))
        .routes(routes!(one, edit, recall))
        .routes(routes!(react, unreact))
        .routes(routes!(pin, unpin))
}

/// Sends a message. The same `message_id` with the same body again: 200 and the first answer.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", operation_id = "message_send", tag = "messages",
    params(("id" = Uuid, Path)), request_body = wire::MessageNew, responses(
        (status = 201, body = wire::MessageSent),
        (status = 200, body = wire::MessageSent, description = "It was sent before."),
        (status = 202, body = wire::MessageHeld, description = "It waits for somebody who looks at it."),
        (status = 403, description = "`conversation_closed`, `not_a_member`, `muted`, `not_allowed`: to mention everybody; `forbidden`: roles where there are none, or to end after it was read where more than one reads it"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: the id was used by somebody else or for another body, or 1,000 that end by being read were not read yet; `recalled`: what it answers"),
        (status = 422, description = "`invalid_input`: a field of the body, `reply_to`, who is mentioned, `self_destruct`; `content_refused`"),
    ))]
async fn post(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::MessageNew>,
) -> Result<Response, Problem> {
    let wire::MessageNew { message_id, ref body, reply_to, thread, ref mentions, silent, ref self_destruct } = given;
    let self_destruct = self_destruct.as_ref();
    let said = Given { message_id, body, reply_to, thread, mentions, silent, self_destruct };
    let (message, inside) = (said.checked()?, door.open()?);
    let answer = match inside.content.gate() {
        Some(gate) => looked::send(&inside, gate, by.caller, id, &said, None).await?,
        None => Answer::Sent(send(&inside, by.caller, ConversationId(id), message).await?),
    };
    Ok(match answer {
        Answer::Sent(Sent { message_id, seq, sent_at, repeated, positions }) => {
            let thing = wire::MessageSent { message_id: message_id.0, seq, sent_at: sent_at.to_string() };
            Written::new(!repeated, positions, thing).into_response()
        }
        Answer::Held(message_id, positions) => {
            let thing = wire::MessageHeld { message_id: message_id.0, held: true };
            Written(StatusCode::ACCEPTED, positions, thing).into_response()
        }
    })
}

/// Messages between two numbers, both left out; newest first without `after_seq`, oldest first with it. An empty
/// page is the end. With `around_seq` the page has that one, half of `limit` before it and the rest behind it, oldest
/// first.
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

/// Several messages at once, in the order of the ids; those that do not exist for the caller are left out.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages/lookup", operation_id = "message_lookup",
    tag = "messages", params(("id" = Uuid, Path)), request_body = wire::Lookup, responses(
        (status = 200, body = wire::Items<wire::Message>),
        (status = 404, description = "`not_found`"),
    ))]
async fn lookup(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    json::Json(given): json::Json<wire::Lookup>,
) -> Result<Json<wire::Items<wire::Message>>, Problem> {
    let ids = few(given)?;
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let ids: Vec<MessageId> = ids.into_iter().map(MessageId).collect();
    let found = inside.projections.message().lookup(caller.account, ConversationId(id), &ids).await?;
    Ok(Json(wire::Items { items: found.ok_or_else(Problem::not_found)? }))
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
    shown(&inside, caller, named(id, message_id)).await?.map(Json).ok_or_else(Problem::not_found)
}

/// Says something else, within 15 minutes of sending (`NATTER_EDIT_WINDOW`). Who has deleted the message for themselves edits it for the others, as
/// they recall it, and is not shown it.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}/messages/{message_id}", operation_id = "message_edit",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), request_body = wire::MessageEdit,
    responses(
        (status = 200, body = wire::Message),
        (status = 204, description = "Edited, and gone for the caller."),
        (status = 403, description = "`not_your_message`, `not_a_member`, `muted`, `not_allowed`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`too_late`, `recalled`, also where it has ended by itself; `conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn edit(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    json::Json(given): json::Json<wire::MessageEdit>,
) -> Result<Shown<wire::Message>, Problem> {
    let (body, inside, of) = (edited(&given.body)?, door.open()?, named(id, message_id));
    let positions = match inside.content.gate() {
        Some(gate) => looked::edit(&inside, gate, by, of, &given.body, None).await?,
        None => {
            let muted = inside.mutes.of(by.caller.account);
            inside.commands.message().muted(muted).edit(by, of, body).await?
        }
    };
    position::wait(&inside, &positions, SHOWN_BY).await?;
    Ok(Shown(positions, shown(&inside, by.caller, of).await?))
}

/// Takes the message back, within 2 minutes of sending (`NATTER_RECALL_WINDOW`), admins at any time what those said who are not
/// above or beside them: nobody sees what it said any more, nor what became of it.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message_id}", operation_id = "message_recall",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was recalled before."),
        (status = 403, description = "`not_your_message`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`too_late`; `conflict`"),
    ))]
async fn recall(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().recall(by, named(id, message_id)).await?))
}

/// Puts an emoji on the message: any text of 1 to 32 bytes that can be seen, without control characters and such that turn the
/// direction of text.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    operation_id = "message_react", tag = "messages",
    params(("id" = Uuid, Path), ("message_id" = Uuid, Path), ("emoji" = String, Path)), responses(
        (status = 204, description = "Also when it was there."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`, `too_many_reactions`; `conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn react(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id, text)): Ids<(Uuid, Uuid, String)>,
) -> Result<Done, Problem> {
    emoji(&text)?;
    let (inside, of) = (door.open()?, named(id, message_id));
    let emoji = reaction(&inside, by.caller, of, &text)?;
    Ok(Done(inside.commands.message().react(by, of, &emoji).await?))
}

/// Takes the caller's emoji off the message.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    operation_id = "message_unreact", tag = "messages",
    params(("id" = Uuid, Path), ("message_id" = Uuid, Path), ("emoji" = String, Path)), responses(
        (status = 204, description = "Also when it was not there."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`; `conflict`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn unreact(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id, text)): Ids<(Uuid, Uuid, String)>,
) -> Result<Done, Problem> {
    let emoji = emoji(&text)?;
    Ok(Done(door.open()?.commands.message().unreact(by, named(id, message_id), &emoji).await?))
}

/// Pins the message for everybody.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/messages/{message_id}/pin", operation_id = "message_pin",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was pinned."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`; `conflict`"),
    ))]
async fn pin(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().pin(by, named(id, message_id)).await?))
}

/// Unpins the message for everybody.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message_id}/pin", operation_id = "message_unpin",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), responses(
        (status = 204, description = "Also when it was not pinned."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`recalled`; `conflict`"),
    ))]
async fn unpin(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().unpin(by, named(id, message_id)).await?))
}

pub(super) fn named(conversation: Uuid, message: Uuid) -> Named {
    Named { conversation: ConversationId(conversation), message: MessageId(message) }
}

async fn shown(inside: &Inside, caller: Caller, of: Named) -> Result<Option<wire::Message>, Problem> {
    Ok(inside.projections.message().one(caller.account, of.conversation, of.message).await?)
}
