//! `/conversations/{id}/members` and `/conversations/{id}/members/{account_id}`.

use super::given::accounts;
use crate::{
    auth::gate::{Viewer, Writer},
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
use axum::Json;
use natter_client::wire;
use natter_domain::{AccountId, Code, ConversationId};
use natter_projections::{Projection, conversation::Members};
use utoipa_axum::routes;
use uuid::Uuid;

/// Who is in whom relations tell.
const SHOWN_BY: &[Projection] = &[Projection::Relations];

pub fn routes() -> Routes {
    Routes::new().routes(routes!(list, add)).routes(routes!(remove))
}

/// Who is in, the newest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/members", operation_id = "member_list", tag = "conversations",
    params(("id" = Uuid, Path), Listed), responses(
        (status = 200, body = wire::PageOf<wire::Member>),
        (status = 403, description = "`not_a_member`"),
        (status = 404, description = "`not_found`"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Member>>, Problem> {
    let (page, inside) = (listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    match inside.projections.conversation().members(caller.account, ConversationId(id), &page).await? {
        Members::Are(paged) => Ok(Json(wire::PageOf { items: paged.items, next_cursor: paged.next_cursor })),
        Members::Left => Err(Problem::new(Code::NotAMember, "you are not in this conversation any more")),
        Members::Unknown => Err(Problem::not_found()),
    }
}

/// Adds friends of the caller to a group: all of them or, where somebody is no friend, nobody.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/members", operation_id = "member_add", tag = "conversations",
    params(("id" = Uuid, Path)), request_body = wire::MembersNew, responses(
        (status = 200, body = wire::MembersAdded),
        (status = 403, description = "`not_friends`, `not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`group_full`, `conflict`"),
        (status = 422, description = "`invalid_input`: too many ids, or an account that does not exist"),
    ))]
async fn add(
    Writer(by): Writer,
    door: Door,
    Ids(id): Ids<Uuid>,
    json::Json(given): json::Json<wire::MembersNew>,
) -> Result<Written<wire::MembersAdded>, Problem> {
    let (accounts, inside) = (accounts("/account_ids", &given.account_ids)?, door.open()?);
    let joined = inside.commands.conversation().add_members(by, ConversationId(id), &accounts).await;
    let joined = joined.map_err(|error| Problem::naming(error, "/account_ids"))?;
    let ids = joined.account_ids.iter().map(|account| account.0).collect();
    Ok(Written::ok(joined.positions, wire::MembersAdded { joined: ids, invited: Vec::new() }))
}

/// The caller leaves a group (`me`), or its owner removes somebody. 204 also for who has left already.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/members/{account_id}", operation_id = "member_remove",
    tag = "conversations",
    params(("id" = Uuid, Path), ("account_id" = String, Path, description = "An account's id, or `me`.")), responses(
        (status = 204),
        (status = 403, description = "`not_allowed`: not the owner; `not_a_member`; `forbidden`: it is no group"),
        (status = 404, description = "`not_found`"),
        (status = 409, description = "`owner_must_stay`, `conflict`"),
    ))]
async fn remove(Writer(by): Writer, door: Door, Ids((id, who)): Ids<(Uuid, Who)>) -> Result<Done, Problem> {
    let inside = door.open()?;
    let account = match who {
        Who::Me => by.caller.account,
        Who::Account(id) => AccountId(id),
    };
    Ok(Done(inside.commands.conversation().remove_member(by, ConversationId(id), account).await?))
}
