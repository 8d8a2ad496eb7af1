//! `/friends/requests/*`.

use super::{SHOWN_BY, find};
use crate::{
    auth::gate::{Viewer, Writer},
    content::{self, About},
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
use natter_commands::{Asking, Error, Keyed, Requested, Through};
use natter_domain::{AccountId, Code, RequestId, RequestMessage, friendship::Source};
use natter_projections::friendship::Direction;
use natter_streams::Positions;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

/// What a friend request can be.
const STATUSES: [&str; 5] = ["pending", "accepted", "rejected", "cancelled", "expired"];

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(request, requests))
        .routes(routes!(accept))
        .routes(routes!(reject))
        .routes(routes!(cancel))
        .routes(routes!(ignore))
}

/// Asks somebody to be friends. Where their own request is pending, it is accepted: 200 with that one.
#[utoipa::path(post, path = "/api/v1/friends/requests", operation_id = "friendship_request", tag = "friends",
    request_body = wire::FriendRequestNew, responses(
        (status = 201, body = wire::FriendRequest),
        (status = 200, body = wire::FriendRequest),
        (status = 403, description = "`requests_not_taken`: their settings do not allow it"),
        (status = 404, description = "`not_found`: there is no such account"),
        (status = 409, description = "`already_friends`, `request_repeated`, `conflict`"),
        (status = 422, description = "`invalid_input`, `self_not_allowed`, `content_refused`"),
    ))]
async fn request(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::FriendRequestNew>,
) -> Result<Written<wire::FriendRequest>, Problem> {
    let about = About::request("friend_request", by.caller, None);
    let wire::FriendRequestNew { to, source: told, .. } = given.clone();
    let ((message, source), inside) = content::taken(door, about, given, |given| asked(&given)).await?;
    let me = by.caller.account;
    let asking = Asking { message: message.clone(), source, ..Asking::default() };
    let requested = ask(&inside, by, AccountId(to), asking).await?;
    let thing = match requested.made {
        // From the decision alone: what was written is answered, however far the read side lags.
        Some((created_at, expires_at)) => wire::FriendRequest {
            id: requested.request_id.0,
            from: me.0,
            to,
            message,
            source: told,
            status: "pending".to_owned(),
            created_at: created_at.to_string(),
            expires_at: expires_at.to_string(),
            conversation_id: None,
        },
        None => show(&inside, me, requested.request_id, &requested.positions).await?,
    };
    Ok(Written::new(requested.made.is_some(), requested.positions, thing))
}

/// What is said with a request.
fn asked(given: &wire::FriendRequestNew) -> Result<(Option<String>, Option<Source>), Problem> {
    let message = given.message.as_deref().map(RequestMessage::parse).transpose();
    let message = message.map_err(Problem::at("/message"))?.flatten();
    let source = given.source.as_deref().map(source).transpose()?;
    Ok((message.map(|message| message.as_str().to_owned()), source))
}

fn source(word: &str) -> Result<Source, Problem> {
    let found = Source::ALL.into_iter().find(|source| source.as_str() == word);
    found.ok_or_else(|| Problem::invalid("/source", "must be search, group, qr, card, link or other"))
}

/// Who they know in common is read here, and asked of the log by the command. Where that is not enough, it may have
/// begun just now: the read side is given the time to see it.
async fn ask(inside: &Inside, by: Keyed, to: AccountId, asking: Asking) -> Result<Requested, Problem> {
    let known = async || {
        let (friends, groups) = inside.projections.friendship().between(by.caller.account, to).await?;
        Ok::<_, Problem>(Asking { through: Through { friends, groups }, ..asking.clone() })
    };
    match inside.commands.friendship().request_with(by, to, known().await?).await {
        Err(Error::Refused { code: Code::RequestsNotTaken, .. }) => {
            inside.projections.catch_up(SHOWN_BY).await?;
            Ok(inside.commands.friendship().request_with(by, to, known().await?).await?)
        }
        asked => Ok(asked?),
    }
}

/// The request as it is after a write that accepted it.
async fn show(
    inside: &Inside,
    viewer: AccountId,
    id: RequestId,
    positions: &Positions,
) -> Result<wire::FriendRequest, Problem> {
    position::wait(inside, positions, SHOWN_BY).await?;
    let (_, request) = find(inside, viewer, id).await?;
    Ok(request)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `in` (to the caller) or `out` (from the caller).
    #[param(pattern = "^(in|out)$", default = "in")]
    direction: Option<String>,
    /// Only those that are `pending`, `accepted`, `rejected`, `cancelled` or `expired`.
    #[param(pattern = "^(pending|accepted|rejected|cancelled|expired)$")]
    status: Option<String>,
}

impl Which {
    fn direction(&self) -> Result<Direction, Problem> {
        match self.direction.as_deref() {
            None | Some("in") => Ok(Direction::In),
            Some("out") => Ok(Direction::Out),
            Some(_) => Err(Problem::invalid("/direction", "must be in or out")),
        }
    }

    fn status(&self) -> Result<Option<&str>, Problem> {
        let known = |status: &str| STATUSES.contains(&status);
        match self.status.as_deref() {
            Some(status) if !known(status) => Err(Problem::invalid("/status", "is no status of a friend request")),
            status => Ok(status),
        }
    }
}

/// Friend requests to the caller or from them, newest first.
#[utoipa::path(get, path = "/api/v1/friends/requests", operation_id = "friendship_requests", tag = "friends",
    params(Which, Listed), responses(
        (status = 200, body = wire::PageOf<wire::FriendRequest>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn requests(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(which): Params<Which>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::FriendRequest>>, Problem> {
    let (direction, status, page) = (which.direction()?, which.status()?, listed.page()?);
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.friendship().requests(caller.account, direction, status, &page).await?))
}

/// Makes the two friends; the answer names their conversation, which is open for both.
#[utoipa::path(post, path = "/api/v1/friends/requests/{id}/accept", operation_id = "friendship_accept",
    tag = "friends", params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::FriendRequest),
        (status = 403, description = "`forbidden`: not the one who was asked"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `conflict`"),
    ))]
async fn accept(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Written<wire::FriendRequest>, Problem> {
    let inside = door.open()?;
    let (friendship_id, request) = find(&inside, by.caller.account, RequestId(id)).await?;
    let accepted = inside.commands.friendship().accept(by, friendship_id, RequestId(id)).await?;
    let conversation_id = Some(accepted.conversation_id.0);
    let request = wire::FriendRequest { status: "accepted".to_owned(), conversation_id, ..request };
    Ok(Written::ok(accepted.positions, request))
}

/// Declines.
#[utoipa::path(post, path = "/api/v1/friends/requests/{id}/reject", operation_id = "friendship_reject",
    tag = "friends", params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::FriendRequest),
        (status = 403, description = "`forbidden`: not the one who was asked"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `conflict`"),
    ))]
async fn reject(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Written<wire::FriendRequest>, Problem> {
    let inside = door.open()?;
    let (friendship_id, request) = find(&inside, by.caller.account, RequestId(id)).await?;
    let positions = inside.commands.friendship().reject(by, friendship_id, RequestId(id)).await?;
    Ok(Written::ok(positions, wire::FriendRequest { status: "rejected".to_owned(), ..request }))
}

/// Takes back what the caller asked.
#[utoipa::path(post, path = "/api/v1/friends/requests/{id}/cancel", operation_id = "friendship_cancel",
    tag = "friends", params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::FriendRequest),
        (status = 403, description = "`forbidden`: not the one who asked"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `conflict`"),
    ))]
async fn cancel(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Written<wire::FriendRequest>, Problem> {
    let inside = door.open()?;
    let (friendship_id, request) = find(&inside, by.caller.account, RequestId(id)).await?;
    let positions = inside.commands.friendship().cancel(by, friendship_id, RequestId(id)).await?;
    Ok(Written::ok(positions, wire::FriendRequest { status: "cancelled".to_owned(), ..request }))
}

/// Hides it from the caller; for who asked it is pending. By its id it can still be answered.
#[utoipa::path(post, path = "/api/v1/friends/requests/{id}/ignore", operation_id = "friendship_ignore",
    tag = "friends", params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::FriendRequest),
        (status = 403, description = "`forbidden`: not the one who was asked"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `conflict`"),
    ))]
async fn ignore(Writer(by): Writer, door: Door, Ids(id): Ids<Uuid>) -> Result<Written<wire::FriendRequest>, Problem> {
    let inside = door.open()?;
    let (friendship_id, request) = find(&inside, by.caller.account, RequestId(id)).await?;
    let positions = inside.commands.friendship().ignore(by, friendship_id, RequestId(id)).await?;
    Ok(Written::ok(positions, request))
}
