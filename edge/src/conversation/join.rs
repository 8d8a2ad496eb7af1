//! Coming to a group: invitations, requests, links.

use super::{admin, given, standing};
use crate::{
    auth::gate::{Viewer, Writer},
    content::{self, About},
    edge::Door,
    http::{
        answer::{Done, Written},
        json,
        path::{Ids, Who},
        position::Seen,
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::{Json, http::StatusCode};
use natter_client::wire;
use natter_commands::{Came, Token};
use natter_domain::{AccountId, ConversationId, RequestMessage, Timestamp, conversation::Role};
use natter_projections::{Projection, conversation::LinkRow};
use utoipa_axum::routes;
use uuid::Uuid;

const SHOWN_BY: &[Projection] = &[Projection::Relations];

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(join))
        .routes(routes!(invitations))
        .routes(routes!(invited))
        .routes(routes!(uninvite))
        .routes(routes!(requests))
        .routes(routes!(decline))
        .routes(routes!(approve))
        .routes(routes!(links, make_link))
        .routes(routes!(revoke_link))
        .routes(routes!(behind))
        .routes(routes!(join_by))
}

/// Comes to a group: by an invitation, or through an open door; where an admin answers, asks to. Subscribes to a channel.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/join", operation_id = "group_join", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::JoinNew, responses(
        (status = 200, body = wire::Came),
        (status = 403, description = "`banned`, `conversation_closed`, `not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`group_full`; `request_closed`: the invitation has expired; `conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn join(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::JoinNew>,
) -> Result<Written<wire::Came>, Problem> {
    let read = |given: wire::JoinNew| {
        let message = given.message.as_deref().map(RequestMessage::parse).transpose();
        Ok(message.map_err(Problem::at("/message"))?.flatten())
    };
    let about = About::request("join_request", by.caller, Some(id));
    let (message, inside) = content::taken(door, about, given, read).await?;
    let came = inside.commands.conversation().join(by, ConversationId(id), message.as_ref()).await?;
    Ok(written(came, ConversationId(id)))
}

fn written(came: Came, id: ConversationId) -> Written<wire::Came> {
    let state = if came.is_in { "joined" } else { "requested" };
    Written::ok(came.positions, wire::Came { state: state.to_owned(), conversation_id: id.0 })
}

/// What the caller is invited to, the newest first, but by whom there is a block with.
#[utoipa::path(get, path = "/api/v1/invitations", operation_id = "invitation_list", tag = "conversations",
    params(Listed), responses(
        (status = 200, body = wire::PageOf<wire::Invitation>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn invitations(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Invitation>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    Ok(Json(inside.projections.door().invitations(caller.account, &page).await?))
}

/// Whom the group has invited, the newest first. For admins.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/invitations", operation_id = "group_invitation_list",
    tag = "conversations", params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::Invited>),
        (status = 403, description = "`not_allowed`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn invited(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Invited>>, Problem> {
    let (page, inside, id) = (listed.page()?, door.open()?, ConversationId(id));
    seen.by(&inside, SHOWN_BY).await?;
    admin(&inside, caller.account, id).await?;
    Ok(Json(inside.projections.door().invited(id, &page).await?))
}

/// Ends an invitation: who is invited does not come (`me`), or whoever invited them, or an admin, takes it back. 204 also
/// where there is none any more, to admins: of what others have invited nobody else learns.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/invitations/{account_id}", operation_id = "invitation_end",
    tag = "conversations",
    params(("id" = Uuid, Path), ("account_id" = String, Path, description = "An account's id, or `me`.")), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn uninvite(Writer(by): Writer, door: Door, Ids((id, who)): Ids<(Uuid, Who)>) -> Result<Done, Problem> {
    let account = who.account(by.caller.account);
    Ok(Done(door.open()?.commands.conversation().uninvite(by, ConversationId(id), account).await?))
}

/// Who asks to come, the newest first, but those whom there is a block with. For admins.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/requests", operation_id = "group_request_list",
    tag = "conversations", params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::JoinRequest>),
        (status = 403, description = "`not_allowed`, `not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn requests(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::JoinRequest>>, Problem> {
    let (page, inside, id) = (listed.page()?, door.open()?, ConversationId(id));
    seen.by(&inside, SHOWN_BY).await?;
    admin(&inside, caller.account, id).await?;
    Ok(Json(inside.projections.door().requests(caller.account, id, &page).await?))
}

/// Lets somebody in who asks. For admins.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/requests/{account_id}/approve", operation_id = "group_request_approve",
    tag = "conversations", params(("id" = Uuid, Path), ("account_id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `group_full`, `conflict`"),
    ))]
async fn approve(Writer(by): Writer, door: Door, Ids((id, account)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    let conversations = door.open()?;
    let conversations = conversations.commands.conversation();
    Ok(Done(conversations.approve(by, ConversationId(id), AccountId(account)).await?))
}

/// An admin does not let them in, or who asks thinks better of it (`me`).
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/requests/{account_id}", operation_id = "group_request_decline",
    tag = "conversations",
    params(("id" = Uuid, Path), ("account_id" = String, Path, description = "An account's id, or `me`.")), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`request_closed`, `conflict`"),
    ))]
async fn decline(Writer(by): Writer, door: Door, Ids((id, who)): Ids<(Uuid, Who)>) -> Result<Done, Problem> {
    let account = who.account(by.caller.account);
    Ok(Done(door.open()?.commands.conversation().decline(by, ConversationId(id), account).await?))
}

/// Links that are good, while people come by links: admins see all of them, others those that they made.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/links", operation_id = "link_list", tag = "conversations",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::Items<wire::Link>),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
    ))]
async fn links(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
) -> Result<Json<wire::Items<wire::Link>>, Problem> {
    let (inside, id) = (door.open()?, ConversationId(id));
    seen.by(&inside, SHOWN_BY).await?;
    let is_admin = standing(&inside, caller.account, id).await? > Role::Member;
    let rows = inside.projections.door().links(id, (!is_admin).then_some(caller.account)).await?;
    Ok(Json(wire::Items { items: rows.iter().map(|row| listed_link(id, row)).collect() }))
}

fn listed_link(id: ConversationId, row: &LinkRow) -> wire::Link {
    let token = row.secret.as_deref().and_then(|secret| Token::of(id, secret));
    let given = Given { by: row.by, expires_at: row.expires_at, max_uses: row.uses, uses: row.used };
    link(row.link_id, token, &given)
}

struct Given {
    by: AccountId,
    expires_at: Option<Timestamp>,
    max_uses: Option<u32>,
    uses: u32,
}

fn link(id: Uuid, token: Option<Token>, given: &Given) -> wire::Link {
    wire::Link {
        id,
        token: token.map(|token| token.to_string()),
        code: token.map(|token| format!("natter:join:{token}")),
        by: given.by.0,
        expires_at: given.expires_at.map(|moment| moment.to_string()),
        max_uses: given.max_uses,
        uses: given.uses,
    }
}

/// Makes a way for people whom the caller need not name. Whoever has its `token` comes by it, while it is good.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/links", operation_id = "link_make", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::LinkNew, responses(
        (status = 201, body = wire::Link),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`: also where there are 50 already"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn make_link(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::LinkNew>,
) -> Result<Written<wire::Link>, Problem> {
    let (expires_in, uses) = given::link(&given)?;
    let made = door.open()?.commands.conversation().make_link(by, ConversationId(id), expires_in, uses).await;
    let made = made.map_err(|error| Problem::from(error).about("/expires_in"))?;
    let given = Given { by: made.by, expires_at: made.expires_at, max_uses: made.uses, uses: 0 };
    let thing = link(made.token.link_id(), Some(made.token), &given);
    Ok(Written(StatusCode::CREATED, made.positions, thing))
}

/// Nobody comes by it any more. By whoever made it, or an admin; 204 also where it is gone.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/links/{link_id}", operation_id = "link_revoke",
    tag = "conversations", params(("id" = Uuid, Path), ("link_id" = Uuid, Path)), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`, `not_a_member`, `conversation_closed`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`conflict`"),
    ))]
async fn revoke_link(Writer(by): Writer, door: Door, Ids((id, link)): Ids<(Uuid, Uuid)>) -> Result<Done, Problem> {
    let inside = door.open()?;
    Ok(Done(inside.commands.conversation().revoke_link(by, ConversationId(id), link).await?))
}

/// What is behind a link, to be shown before one comes by it.
#[utoipa::path(get, path = "/api/v1/links/{token}", operation_id = "link_behind", tag = "conversations",
    params(("token" = String, Path)), responses(
        (status = 200, body = wire::LinkBehind),
        (status = 410, description = "`gone`: it is not good, or never was"),
    ))]
async fn behind(Viewer(caller): Viewer, door: Door, Ids(token): Ids<Token>) -> Result<Json<wire::LinkBehind>, Problem> {
    let behind = door.open()?.commands.conversation().behind(caller.account, &token).await?;
    Ok(Json(wire::LinkBehind {
        conversation: wire::ConversationOutside {
            id: behind.conversation_id.0,
            name: behind.name,
            avatar: behind.avatar,
            member_count: behind.member_count as u64,
        },
        is_member: behind.is_in,
    }))
}

/// Comes to the group by a link.
#[utoipa::path(post, path = "/api/v1/links/{token}/join", operation_id = "link_join", tag = "conversations",
    params(("token" = String, Path)), responses(
        (status = 200, body = wire::Came),
        (status = 403, description = "`banned`, `conversation_closed`"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`group_full`, `conflict`"),
        (status = 410, description = "`gone`: it is not good, or never was"),
    ))]
async fn join_by(Writer(by): Writer, door: Door, Ids(token): Ids<Token>) -> Result<Written<wire::Came>, Problem> {
    let came = door.open()?.commands.conversation().join_by(by, &token).await?;
    Ok(written(came, token.conversation))
}
