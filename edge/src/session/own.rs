//! `/auth/sessions`, `/auth/password/change`: what somebody does with the sessions they have.

use super::SHOWN_BY;
use crate::{
    auth::{ended, gate::Viewer},
    code::Speaks,
    edge::Door,
    http::{answer::Done, json::Json, path::Ids, position::Seen, problem::Problem, router::Routes},
};
use natter_client::wire;
use natter_domain::{Password, SessionId};
use utoipa_axum::routes;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(list, end_others)).routes(routes!(end_one)).routes(routes!(change_password))
}

/// The caller's sessions that are open, newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", operation_id = "session_list", tag = "auth",
    responses((status = 200, body = wire::Items<wire::Session>)))]
async fn list(
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
) -> Result<axum::Json<wire::Items<wire::Session>>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let items = inside.projections.session().open_of(caller.account, caller.session).await?;
    Ok(axum::Json(wire::Items { items }))
}

/// Ends one of the caller's sessions, as logging out there would.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", operation_id = "session_end", tag = "auth",
    params(("id" = Uuid, Path)), responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "`not_found`: there is none, or it is another's"),
    ))]
async fn end_one(Viewer(caller): Viewer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    let (inside, session) = (door.open()?, SessionId(id));
    let positions = inside.commands.session().end_one(caller, session).await?;
    ended::end(&inside, session);
    Ok(Done(positions))
}

/// Ends all of the caller's sessions but this one.
#[utoipa::path(delete, path = "/api/v1/auth/sessions", operation_id = "session_end_others", tag = "auth",
    responses((status = 204, description = "They have ended.")))]
async fn end_others(Viewer(caller): Viewer, door: Door) -> Result<Done, Problem> {
    let inside = door.open()?;
    let ended = inside.commands.session().end_others(caller).await?;
    Ok(Done(ended::all(&inside, ended)))
}

/// Another password. All of the caller's sessions but this one end.
#[utoipa::path(post, path = "/api/v1/auth/password/change", operation_id = "session_change_password", tag = "auth",
    request_body = wire::PasswordChange, responses(
        (status = 204, description = "It is changed."),
        (status = 401, description = "`wrong_credentials`: that is not the old one"),
        (status = 429, description = "`rate_limited`: too many wrong tries"),
        (status = 422, description = "`invalid_input`"),
    ))]
async fn change_password(
    Viewer(caller): Viewer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::PasswordChange>,
) -> Result<Done, Problem> {
    let new = Password::parse(&given.new_password).map_err(Problem::at("/new_password"))?;
    let inside = door.open()?;
    let ended = inside.commands.session().change_password(caller, &given.old_password, &new, locale).await?;
    Ok(Done(ended::all(&inside, ended)))
}
