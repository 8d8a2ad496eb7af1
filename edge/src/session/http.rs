//! `/auth/*`.

use super::{card, device};
use crate::{
    auth::{ended, gate::Viewer},
    edge::{Door, Edge, Inside},
    http::{
        answer::{Done, Written},
        json::Json,
        peer::Peer,
        problem::Problem,
        router::Routes,
    },
};
use axum::{extract::State, http::StatusCode};
use natter_client::wire;
use natter_commands::{Origin, Registration, SignedIn};
use natter_domain::{Nickname, Password, Username};
use std::{net::IpAddr, sync::Arc};
use utoipa_axum::routes;

pub fn public() -> Routes {
    Routes::new().routes(routes!(register)).routes(routes!(login)).routes(routes!(refresh)).routes(routes!(verify))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(logout))
}

/// A new account, signed in.
#[utoipa::path(post, path = "/api/v1/auth/register", operation_id = "session_register", tag = "auth",
    request_body = wire::Register, responses(
        (status = 201, body = wire::SignedIn),
        (status = 409, description = "`name_taken`"),
    ))]
async fn register(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::Register>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let (username, nickname) = (given.username.clone(), given.nickname.clone());
    let (registration, inside) = (registration(given, address)?, door.open()?);
    let signed_in = inside.commands.session().register(registration).await?;
    let nickname = Some(nickname.unwrap_or_else(|| username.clone()));
    let known = wire::Account::named(signed_in.account_id.0, Some(username), nickname);
    Ok(welcome(&edge, &inside, StatusCode::CREATED, signed_in, known).await)
}

fn registration(given: wire::Register, address: Option<IpAddr>) -> Result<Registration, Problem> {
    let wrong = |pointer: &'static str| move |wrong: &'static str| Problem::invalid(pointer, wrong);
    Ok(Registration {
        username: Username::parse(&given.username).map_err(wrong("/username"))?,
        password: Password::parse(&given.password).map_err(wrong("/password"))?,
        nickname: given.nickname.as_deref().map(Nickname::parse).transpose().map_err(wrong("/nickname"))?,
        origin: Origin { device: device(given.device)?, address },
    })
}

/// A new session of an account.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "session_login", tag = "auth",
    request_body = wire::Login, responses(
        (status = 200, body = wire::SignedIn),
        (status = 401, description = "`wrong_credentials`"),
    ))]
async fn login(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::Login>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let (device, inside) = (device(given.device)?, door.open()?);
    let origin = Origin { device, address };
    let signed_in = inside.commands.session().login(&given.login, &given.password, origin).await?;
    let known = wire::Account::named(signed_in.account_id.0, None, None);
    Ok(welcome(&edge, &inside, StatusCode::OK, signed_in, known).await)
}

async fn welcome(
    edge: &Edge,
    inside: &Inside,
    status: StatusCode,
    signed_in: SignedIn,
    known: wire::Account,
) -> Written<wire::SignedIn> {
    let account = card(inside, &signed_in, known).await;
    let tokens = edge.auth.tokens(&signed_in);
    Written(status, signed_in.positions, wire::SignedIn { account, tokens })
}

/// The next pair of tokens. A refresh token works once; used twice, it ends its session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", operation_id = "session_refresh", tag = "auth",
    request_body = wire::Refresh, responses(
        (status = 200, body = wire::Refreshed),
        (status = 401, description = "`unauthenticated`"),
    ))]
async fn refresh(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::Refresh>,
) -> Result<Written<wire::Refreshed>, Problem> {
    let inside = door.open()?;
    let signed_in = inside.commands.session().refresh(&given.refresh_token, address).await?;
    let tokens = edge.auth.tokens(&signed_in);
    Ok(Written::ok(signed_in.positions, wire::Refreshed { tokens }))
}

/// Whether an access token works now.
#[utoipa::path(post, path = "/api/v1/auth/verify", operation_id = "session_verify", tag = "auth",
    request_body = wire::Verify, responses((status = 200, body = wire::Verified)))]
async fn verify(State(edge): State<Arc<Edge>>, Json(given): Json<wire::Verify>) -> axum::Json<wire::Verified> {
    let identity = edge.auth.verify(&given.token).ok();
    axum::Json(wire::Verified {
        active: identity.is_some(),
        account_id: identity.map(|identity| identity.caller.account.0),
        session_id: identity.map(|identity| identity.caller.session.0),
        expires_at: identity.map(|identity| identity.expires_at.to_string()),
    })
}

/// Ends the caller's session: its tokens are refused from now on, its connections closed.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "session_logout", tag = "auth",
    responses((status = 204, description = "Signed out.")))]
async fn logout(Viewer(caller): Viewer, door: Door) -> Result<Done, Problem> {
    let inside = door.open()?;
    let positions = inside.commands.session().logout(caller).await?;
    ended::end(&inside, caller.session);
    Ok(Done(positions))
}
