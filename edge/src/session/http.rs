//! `/auth/*`.

use super::{card, device};
use crate::{
    auth::{ended, gate::Viewer},
    code::{self, Speaks},
    content::{self, About},
    edge::{Door, Edge, Inside},
    http::{
        answer::{Done, Written},
        json::Json,
        peer::{Guest, Peer},
        problem::Problem,
        router::Routes,
    },
};
use axum::{extract::State, http::StatusCode};
use natter_client::wire;
use natter_commands::{Origin, Registration, SignedIn, Target};
use natter_domain::{Nickname, Password, Username};
use std::{net::IpAddr, sync::Arc};
use utoipa_axum::routes;

pub fn public() -> Routes {
    Routes::new()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(verify))
        .routes(routes!(reset_password))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(logout))
}

/// A new account, signed in.
#[utoipa::path(post, path = "/api/v1/auth/register", operation_id = "session_register", tag = "auth",
    request_body = wire::Register, responses(
        (status = 201, body = wire::SignedIn),
        (status = 409, description = "`name_taken`, `email_taken`, `phone_taken`"),
        (status = 422, description = "`code_wrong`, `invalid_input`, `content_refused`"),
    ))]
async fn register(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::Register>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let username = given.username.clone();
    let read = |given| registration(given, address);
    let (registration, inside) = content::taken(door, About::profile(None), given, read).await?;
    let nickname = registration.nickname.as_ref().map(|name| name.as_str().to_owned());
    let signed_in = inside.commands.session().register(registration).await?;
    let nickname = Some(nickname.unwrap_or_else(|| username.clone()));
    let known = wire::Account::named(signed_in.account_id.0, Some(username), nickname);
    Ok(welcome(&edge, &inside, StatusCode::CREATED, signed_in, Some(known)).await)
}

fn registration(given: wire::Register, address: Option<IpAddr>) -> Result<Registration, Problem> {
    Ok(Registration {
        username: Username::choose(&given.username).map_err(Problem::at("/username"))?,
        password: Password::parse(&given.password).map_err(Problem::at("/password"))?,
        nickname: given.nickname.as_deref().map(Nickname::parse).transpose().map_err(Problem::at("/nickname"))?,
        contact: contact(given.email, given.phone, given.code)?,
        origin: Origin { device: device(given.device)?, address, ..Origin::default() },
    })
}

/// An address or a number with its code, or none of them.
fn contact(
    email: Option<String>,
    phone: Option<String>,
    code: Option<String>,
) -> Result<Option<(Target, String)>, Problem> {
    let target = match (email, phone) {
        (Some(_), Some(_)) => return Err(Problem::invalid("/phone", "either an e-mail address or a phone number")),
        (Some(email), None) => Some(code::email(&email, "/email")?),
        (None, Some(phone)) => Some(code::phone(&phone, "/phone")?),
        (None, None) => None,
    };
    match (target, code) {
        (Some(target), Some(code)) => Ok(Some((target, code))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Problem::invalid("/code", "the code that was sent there is needed")),
        (None, Some(_)) => Err(Problem::invalid("/code", "a code of nothing: an address or a number is needed")),
    }
}

/// A new password for whoever has a code. All sessions of the account end.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", operation_id = "session_password_reset", tag = "auth",
    request_body = wire::PasswordReset, responses(
        (status = 204, description = "The password is set. Sign in with it."),
        (status = 422, description = "`code_wrong`, `invalid_input`"),
    ))]
async fn reset_password(
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::PasswordReset>,
) -> Result<Done, Problem> {
    let password = Password::parse(&given.new_password).map_err(Problem::at("/new_password"))?;
    let inside = door.open()?;
    let sessions = inside.commands.session();
    let ended = sessions.reset_password(&given.login, &given.code, &password, locale).await?;
    Ok(Done(ended::all(&inside, ended)))
}

/// A new session of an account.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "session_login", tag = "auth",
    request_body = wire::Login, responses(
        (status = 200, body = wire::SignedIn),
        (status = 401, description = "`wrong_credentials`"),
        (status = 422, description = "`code_wrong`, `invalid_input`"),
        (status = 403, description = "`account_suspended`, with `until` where that is known; `second_factor_required`, with `challenge`"),
        (status = 429, description = "`rate_limited`: too many wrong tries, `Retry-After` says when"),
    ))]
async fn login(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Guest(visitor): Guest,
    Json(given): Json<wire::Login>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let (device, inside) = (device(given.device)?, door.open()?);
    let origin = Origin { device, address: visitor.address, is_allowed: visitor.is_allowed() };
    let sessions = inside.commands.session();
    let signed_in = match (given.password, given.code) {
        (Some(password), None) => sessions.login(&given.login, &password, origin).await?,
        (None, Some(code)) => sessions.login_by_code(&given.login, &code, origin).await?,
        _ => return Err(Problem::invalid("/password", "either a password or a code is needed")),
    };
    Ok(welcome(&edge, &inside, StatusCode::OK, signed_in, None).await)
}

/// Somebody is signed in.
pub async fn welcome(
    edge: &Edge,
    inside: &Inside,
    status: StatusCode,
    signed_in: SignedIn,
    known: Option<wire::Account>,
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
