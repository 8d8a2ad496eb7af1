//! `/accounts/*`.

use super::{
    SHOWN_BY,
    given::{self, Query},
};
use crate::{
    auth::{
        ended,
        gate::{Viewer, Writer},
    },
    content::{self, About},
    edge::{Door, Inside},
    http::{
        answer::Written,
        json::{self, few},
        path::Ids,
        position::Seen,
        problem::Problem,
        query::{Listed, Params},
        router::Routes,
    },
};
use axum::Json;
use natter_client::wire;
use natter_commands::Target;
use natter_domain::{AccountId, account::Way};
use natter_projections::account::Sought;
use natter_streams::clock;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(me, change, close)).routes(routes!(one)).routes(routes!(lookup)).routes(routes!(find))
}

/// The caller's account, all of it.
#[utoipa::path(get, path = "/api/v1/accounts/me", operation_id = "account_me", tag = "accounts",
    responses((status = 200, body = wire::Account)))]
async fn me(Viewer(caller): Viewer, door: Door, seen: Seen) -> Result<Json<wire::Account>, Problem> {
    card(&door.open()?, &seen, caller.account, caller.account).await
}

/// Changes what the caller tells of themselves; what is null goes.
#[utoipa::path(patch, path = "/api/v1/accounts/me", operation_id = "account_change", tag = "accounts",
    request_body = wire::AccountChange, responses(
        (status = 200, body = wire::Account),
        (status = 409, description = "`conflict`"),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn change(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::AccountChange>,
) -> Result<Written<wire::Account>, Problem> {
    let now = clock::now();
    let (change, inside) =
        content::taken(door, About::profile(Some(by.caller)), given, |given| given::profile(given, now)).await?;
    let positions = inside.commands.account().change_profile(by, change).await?;
    super::own_after(&inside, by.caller, positions).await
}

/// Asks for the caller's account to be closed. Every session ends, this one too; signing in before `closes_at` cancels it.
#[utoipa::path(delete, path = "/api/v1/accounts/me", operation_id = "account_close", tag = "accounts",
    request_body = wire::AccountClose, responses(
        (status = 200, body = wire::AccountClosing),
        (status = 401, description = "`wrong_credentials`: that is not the password; `unauthenticated`, `token_expired`"),
        (status = 429, description = "`rate_limited`: too many wrong tries"),
        (status = 409, description = "`conflict`"),
    ))]
async fn close(
    Writer(by): Writer,
    door: Door,
    json::Json(given): json::Json<wire::AccountClose>,
) -> Result<Written<wire::AccountClosing>, Problem> {
    let inside = door.open()?;
    let closing = inside.commands.session().close_account(by, &given.password).await?;
    let thing = wire::AccountClosing { closes_at: closing.closes_at.to_string() };
    Ok(Written::ok(ended::all(&inside, closing.ended), thing))
}

/// What the caller may see of an account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", operation_id = "account_get", tag = "accounts",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::Account),
        (status = 404, description = "`not_found`"),
    ))]
async fn one(
    Viewer(caller): Viewer,
    door: Door,
    Ids(id): Ids<Uuid>,
    seen: Seen,
) -> Result<Json<wire::Account>, Problem> {
    card(&door.open()?, &seen, caller.account, AccountId(id)).await
}

async fn card(inside: &Inside, seen: &Seen, viewer: AccountId, id: AccountId) -> Result<Json<wire::Account>, Problem> {
    seen.by(inside, SHOWN_BY).await?;
    inside.projections.account().card(viewer, id).await?.map(Json).ok_or_else(Problem::not_found)
}

/// Several accounts at once; those that do not exist are left out.
#[utoipa::path(post, path = "/api/v1/accounts/lookup", operation_id = "account_lookup", tag = "accounts",
    request_body = wire::Lookup, responses((status = 200, body = wire::Items<wire::Account>)))]
async fn lookup(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    json::Json(given): json::Json<wire::Lookup>,
) -> Result<Json<wire::Items<wire::Account>>, Problem> {
    let ids = few(given)?;
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let ids: Vec<AccountId> = ids.into_iter().map(AccountId).collect();
    Ok(Json(wire::Items { items: inside.projections.account().cards(caller.account, &ids).await? }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct By {
    /// The beginning of a user name, at least three characters, an e-mail address or a phone number; upper and lower
    /// case are the same.
    #[param(value_type = String, required = true, min_length = 3, max_length = 254)]
    query: Option<String>,
}

/// Who wants to be found by it: whose address or number it is; or first the account of exactly this user name, then those
/// whose names begin so, the oldest first.
#[utoipa::path(get, path = "/api/v1/accounts", operation_id = "account_find", tag = "accounts",
    params(By, Listed), responses(
        (status = 200, body = wire::PageOf<wire::Account>),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn find(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
    Params(by): Params<By>,
    Params(listed): Params<Listed>,
) -> Result<Json<wire::PageOf<wire::Account>>, Problem> {
    let (query, page, inside) = (given::sought(by.query.as_deref())?, listed.page()?, door.open()?);
    seen.by(&inside, SHOWN_BY).await?;
    let Some(query) = query else { return Ok(Json(wire::PageOf { items: Vec::new(), next_cursor: None })) };
    let sought = sought(&inside, query).await?;
    let found = inside.projections.account().find(caller.account, sought, &page).await?;
    Ok(Json(found))
}

async fn sought(inside: &Inside, query: Query) -> Result<Sought, Problem> {
    let accounts = inside.commands.account();
    Ok(match query {
        Query::Name(name) => Sought::Name { prefix: accounts.prefix(&name), exact: accounts.holder(&name).await? },
        Query::Reached(target) => {
            let by = match target {
                Target::Email(_) => Way::Email,
                Target::Phone(_) => Way::Phone,
            };
            Sought::Reached { by, exact: accounts.reached_at(target).await? }
        }
    })
}
