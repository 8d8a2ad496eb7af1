//! `/accounts/*`.

use super::SHOWN_BY;
use crate::{
    auth::gate::Viewer,
    edge::{Door, Inside},
    http::{
        json::{self, few},
        path::Ids,
        position::Seen,
        problem::Problem,
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_domain::AccountId;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(me)).routes(routes!(one)).routes(routes!(lookup))
}

/// The caller's account.
#[utoipa::path(get, path = "/api/v1/accounts/me", operation_id = "account_me", tag = "accounts",
    responses((status = 200, body = wire::Account)))]
async fn me(Viewer(caller): Viewer, door: Door, seen: Seen) -> Result<Json<wire::Account>, Problem> {
    card(&door.open()?, &seen, caller.account).await
}

/// The public part of an account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", operation_id = "account_get", tag = "accounts",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::Account),
        (status = 404, description = "`not_found`"),
    ))]
async fn one(_: Viewer, door: Door, Ids(id): Ids<Uuid>, seen: Seen) -> Result<Json<wire::Account>, Problem> {
    card(&door.open()?, &seen, AccountId(id)).await
}

async fn card(inside: &Inside, seen: &Seen, id: AccountId) -> Result<Json<wire::Account>, Problem> {
    seen.by(inside, SHOWN_BY).await?;
    inside.projections.account().card(id).await?.map(Json).ok_or_else(Problem::not_found)
}

/// Several accounts at once; those that do not exist are left out.
#[utoipa::path(post, path = "/api/v1/accounts/lookup", operation_id = "account_lookup", tag = "accounts",
    request_body = wire::Lookup, responses((status = 200, body = wire::Items<wire::Account>)))]
async fn lookup(
    _: Viewer,
    door: Door,
    seen: Seen,
    json::Json(given): json::Json<wire::Lookup>,
) -> Result<Json<wire::Items<wire::Account>>, Problem> {
    let ids = few(given)?;
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let ids: Vec<AccountId> = ids.into_iter().map(AccountId).collect();
    Ok(Json(wire::Items { items: inside.projections.account().cards(&ids).await? }))
}
