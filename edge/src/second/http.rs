//! `/auth/second`, and the second part of signing in.

use crate::{
    auth::gate::Viewer,
    code::Speaks,
    edge::{Door, Edge},
    http::{
        answer::{Done, Written},
        json::Json,
        peer::Peer,
        problem::Problem,
        router::Routes,
    },
    session::http::welcome,
};
use axum::{extract::State, http::StatusCode};
use natter_client::wire;
use std::sync::Arc;
use utoipa_axum::routes;

pub fn public() -> Routes {
    Routes::new().routes(routes!(login))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(look, offer, turn_off)).routes(routes!(confirm)).routes(routes!(make_recovery_codes))
}

/// Signs in whoever has shown the password and now shows a code.
#[utoipa::path(post, path = "/api/v1/auth/login/second", operation_id = "second_login", tag = "auth",
    request_body = wire::SecondLogin, responses(
        (status = 200, body = wire::SignedIn),
        (status = 401, description = "`unauthenticated`: the challenge is unknown, used or too old; `wrong_credentials`: \
            the password is another one by now"),
        (status = 422, description = "`code_wrong`"),
        (status = 429, description = "`rate_limited`: too many wrong codes; a recovery code works"),
    ))]
async fn login(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::SecondLogin>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let inside = door.open()?;
    let signed_in = inside.commands.session().login_second(&given.challenge, &given.code, address).await?;
    Ok(welcome(&edge, &inside, StatusCode::OK, signed_in, None).await)
}

/// Whether it is on.
#[utoipa::path(get, path = "/api/v1/auth/second", operation_id = "second_get", tag = "auth",
    responses((status = 200, body = wire::SecondFactor)))]
async fn look(Viewer(caller): Viewer, door: Door) -> Result<axum::Json<wire::SecondFactor>, Problem> {
    let known = door.open()?.commands.second().look(caller).await?;
    Ok(axum::Json(wire::SecondFactor { enabled: known.is_on, recovery_codes_left: known.recovery_left as u64 }))
}

/// A secret for the caller's app. It counts once it is confirmed.
#[utoipa::path(post, path = "/api/v1/auth/second", operation_id = "second_offer", tag = "auth",
    request_body = wire::SecondFactorNew, responses(
        (status = 200, body = wire::SecondFactorOffered),
        (status = 401, description = "`wrong_credentials`"),
        (status = 409, description = "`conflict`: it is on; turn it off first"),
    ))]
async fn offer(
    Viewer(caller): Viewer,
    door: Door,
    Json(given): Json<wire::SecondFactorNew>,
) -> Result<Written<wire::SecondFactorOffered>, Problem> {
    let offered = door.open()?.commands.second().offer(caller, &given.password).await?;
    let shown = wire::SecondFactorOffered { secret: offered.secret, uri: offered.uri };
    Ok(Written::ok(offered.positions, shown))
}

/// Turns it on with a code of the secret. From now on, signing in asks for one.
#[utoipa::path(post, path = "/api/v1/auth/second/confirm", operation_id = "second_confirm", tag = "auth",
    request_body = wire::SecondFactorCode, responses(
        (status = 200, body = wire::RecoveryCodes),
        (status = 409, description = "`conflict`: none was offered, or another password was taken since"),
        (status = 422, description = "`code_wrong`"),
        (status = 429, description = "`rate_limited`"),
    ))]
async fn confirm(
    Viewer(caller): Viewer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::SecondFactorCode>,
) -> Result<Written<wire::RecoveryCodes>, Problem> {
    let made = door.open()?.commands.second().confirm(caller, &given.code, locale).await?;
    Ok(Written::ok(made.positions, wire::RecoveryCodes { recovery_codes: made.codes }))
}

/// Turns it off.
#[utoipa::path(delete, path = "/api/v1/auth/second", operation_id = "second_turn_off", tag = "auth",
    request_body = wire::SecondFactorProof, responses(
        (status = 204, description = "It is off, or was."),
        (status = 401, description = "`wrong_credentials`"),
        (status = 422, description = "`code_wrong`"),
        (status = 429, description = "`rate_limited`: too many wrong codes; a recovery code works"),
    ))]
async fn turn_off(
    Viewer(caller): Viewer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::SecondFactorProof>,
) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.second().turn_off(caller, &given.password, &given.code, locale).await?))
}

/// New recovery codes; the ones before work no more.
#[utoipa::path(post, path = "/api/v1/auth/second/recovery", operation_id = "second_recovery", tag = "auth",
    request_body = wire::SecondFactorProof, responses(
        (status = 200, body = wire::RecoveryCodes),
        (status = 401, description = "`wrong_credentials`"),
        (status = 409, description = "`conflict`: it is off"),
        (status = 422, description = "`code_wrong`"),
        (status = 429, description = "`rate_limited`: too many wrong codes; a recovery code works"),
    ))]
async fn make_recovery_codes(
    Viewer(caller): Viewer,
    door: Door,
    Json(given): Json<wire::SecondFactorProof>,
) -> Result<Written<wire::RecoveryCodes>, Problem> {
    let inside = door.open()?;
    let made = inside.commands.second().make_recovery_codes(caller, &given.password, &given.code).await?;
    Ok(Written::ok(made.positions, wire::RecoveryCodes { recovery_codes: made.codes }))
}
