//! `/conversations/{id}/messages/{message_id}/thread`, and `/threads`.

use super::{SHOWN_BY, cut::cut, http::named};
use crate::{
    auth::gate::{Viewer, Writer},
    conversation::given::flag,
    edge::Door,
    http::{
        answer::Done,
        json,
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Between, Listed, Params},
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
    Routes::new()
        .routes(routes!(list))
        .routes(routes!(follow, unfollow))
        .routes(routes!(read))
        .routes(routes!(followed))
}

/// Replies under a message; newest first without `after_seq`, oldest first with it. An empty page is the end.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages/{message_id}/thread", operation_id = "thread_list",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path), Between), responses(
        (status = 200, body = wire::Items<wire::Message>),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    seen: Seen,
    Params(between): Params<Between>,
) -> Result<Json<wire::Items<wire::Message>>, Problem> {
    let range = between.range()?;
    if range.around_seq.is_some() {
        return Err(Problem::invalid("/around_seq", "a thread has bounds only"));
    }
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    // No conversation reaches the largest number that the store can hold.
    let [after, before] = [range.after_seq, range.before_seq].map(|bound| bound.map(|seq| seq.min(i64::MAX as u64)));
    let (conversation, root) = (ConversationId(id), MessageId(message_id));
    let which = (after, before, range.limit);
    let items = inside.projections.message().thread(caller.account, conversation, root, which).await?;
    Ok(Json(wire::Items { items: cut(items.ok_or_else(Problem::not_found)?) }))
}

/// Follows the thread, whether or not anybody has replied yet.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/messages/{message_id}/thread/follow",
    operation_id = "thread_follow", tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)),
    responses(
        (status = 204, description = "Also when it was followed."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn follow(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().follow(by, named(id, message_id), true).await?))
}

/// Does not follow the thread any more, nor by taking part in it.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message_id}/thread/follow",
    operation_id = "thread_unfollow", tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)),
    responses(
        (status = 204, description = "Also when it was not followed."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn unfollow(Writer(by): Writer, door: Door, Ids((id, message_id)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().follow(by, named(id, message_id), false).await?))
}

/// Moves the caller's cursor in the thread forward; one that would go back changes nothing.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/messages/{message_id}/thread/read", operation_id = "thread_read",
    tag = "messages", params(("id" = Uuid, Path), ("message_id" = Uuid, Path)), request_body = wire::Read, responses(
        (status = 204, description = "Also when it was read farther."),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`: beyond the newest message"),
    ))]
async fn read(
    Writer(by): Writer,
    door: Door,
    Ids((id, message_id)): Ids<(Uuid, Uuid)>,
    json::Json(given): json::Json<wire::Read>,
) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.message().read_thread(by, named(id, message_id), given.seq).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only threads with replies that the caller has not read.
    #[param(value_type = Option<bool>)]
    unread: Option<String>,
}

/// What the threads that the caller follows began with, by their newest reply. A page may hold fewer than `limit`, even none,
/// and not be the last: that is the one without `next_cursor`.
#[utoipa::path(get, path = "/api/v1/threads", operation_id = "thread_followed", tag = "messages",
    params(Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Message>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn followed(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Message>>, Problem> {
    let unread = flag(which.unread.as_deref(), "/unread")?.unwrap_or(false);
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.message().threads(caller.account, unread, &page).await?))
}
