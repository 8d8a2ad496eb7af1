//! `/auth/oidc` and `/auth/identities`. What an app shows is a `POST`: none of it belongs in a URL of ours.

use super::provider::{Failure, Vouched};
use crate::{
    auth::{ended, gate::Viewer},
    code::Speaks,
    content::{self, About, Gate},
    edge::{Door, Edge, Inside},
    http::{
        answer::{Done, Written},
        json::Json,
        path::Ids,
        peer::Peer,
        position::Seen,
        problem::Problem,
        router::Routes,
    },
    metrics,
    session::{SHOWN_BY, device, http::welcome},
};
use axum::{extract::State, http::StatusCode};
use natter_client::wire;
use natter_commands::{Attempt, Begun, Device, Origin, Said, Wanted};
use natter_domain::{Code, HandleId, Nickname, Password, Username, limit};
use std::sync::Arc;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn public() -> Routes {
    Routes::new().routes(routes!(list)).routes(routes!(start)).routes(routes!(finish)).routes(routes!(set_password))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(link)).routes(routes!(identities)).routes(routes!(unlink))
}

/// By whom people can sign in here.
#[utoipa::path(get, path = "/api/v1/auth/oidc", operation_id = "oidc_list", tag = "auth",
    responses((status = 200, body = wire::Items<wire::OidcProvider>)))]
async fn list(State(edge): State<Arc<Edge>>) -> axum::Json<wire::Items<wire::OidcProvider>> {
    let shown = edge.settings.oidc.all().iter().map(|provider| wire::OidcProvider {
        name: provider.settings.name.clone(),
        title: provider.settings.title.clone(),
    });
    axum::Json(wire::Items { items: shown.collect() })
}

/// Where an app sends its person's browser. The secret in the answer is for the app alone.
#[utoipa::path(post, path = "/api/v1/auth/oidc/start", operation_id = "oidc_start", tag = "auth",
    request_body = wire::OidcStart, responses(
        (status = 200, body = wire::OidcStarted),
        (status = 422, description = "`invalid_input`: there is no such provider, or browsers are not sent back there"),
        (status = 503, description = "`unavailable`: also where the provider does not answer"),
    ))]
async fn start(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Json(given): Json<wire::OidcStart>,
) -> Result<axum::Json<wire::OidcStarted>, Problem> {
    let oidc = &edge.settings.oidc;
    let provider =
        oidc.get(&given.provider).ok_or_else(|| Problem::invalid("/provider", "there is no such provider"))?;
    let not_ours = || Problem::invalid("/redirect_url", "is not one that browsers are sent back to");
    let redirect_url = oidc.redirect_url(given.redirect_url.as_deref()).ok_or_else(not_ours)?;
    let Begun { attempt, secret } = door.open()?.commands.oidc().begin(&given.provider, redirect_url).await?;
    let url = provider.entrance(&attempt).await.map_err(|_| away())?;
    let expires_in = limit::SIGN_IN_LIFETIME.as_secs();
    Ok(axum::Json(wire::OidcStarted { url: url.into(), state: attempt.state, secret, expires_in }))
}

/// A new session for whom the provider has signed in: of the account that is linked to them, or of a new one.
#[utoipa::path(post, path = "/api/v1/auth/oidc/finish", operation_id = "oidc_finish", tag = "auth",
    request_body = wire::OidcFinish, responses(
        (status = 200, body = wire::SignedIn),
        (status = 201, body = wire::SignedIn, description = "The account is new."),
        (status = 403, description = "`account_suspended`, with `until` where that is known; `second_factor_required`, with `challenge`"),
        (status = 409, description = "`name_taken`: ask again with the same and another `username`"),
        (status = 422, description = "`code_wrong`: it is unknown, used, too old or another's, or the provider is against it; `invalid_input`, `content_refused`"),
        (status = 503, description = "`unavailable`: also where the provider does not answer; ask again with the same"),
    ))]
async fn finish(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::OidcFinish>,
) -> Result<Written<wire::SignedIn>, Problem> {
    let ((wanted, device), inside) = content::taken(door, About::profile(None), given.clone(), wanted).await?;
    let shown = Shown { state: &given.state, code: &given.code, iss: given.iss.as_deref(), secret: &given.secret };
    let (attempt, mut said) = said(&edge, &inside, &shown, wanted.username.is_none()).await?;
    if let Some(gate) = inside.content.gate() {
        said = left(gate, said);
    }
    let (name, origin) = (attempt.provider().to_owned(), Origin { device, address, ..Origin::default() });
    let (signed_in, is_new) = inside.commands.oidc().enter(attempt, &said, &wanted, origin).await?;
    metrics::signed_in_elsewhere(&name, is_new);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(welcome(&edge, &inside, status, signed_in, None).await)
}

/// What the rules leave of what the provider suggests. Of the user name they see what is made of it: what is left out on the
/// way hides nothing.
fn left(gate: &Gate, said: Said) -> Said {
    let is_taken = said.proposal().is_none_or(|made| gate.takes(made.as_str()));
    let (username, name) = (said.username.filter(|_| is_taken), said.name.filter(|name| gate.takes(name)));
    Said { username, name, ..said }
}

/// What somebody new wants to be called, and where they are.
fn wanted(given: wire::OidcFinish) -> Result<(Wanted, Option<Device>), Problem> {
    let wanted = Wanted {
        username: given.username.as_deref().map(Username::choose).transpose().map_err(Problem::at("/username"))?,
        nickname: given.nickname.as_deref().map(Nickname::parse).transpose().map_err(Problem::at("/nickname"))?,
    };
    Ok((wanted, device(given.device)?))
}

/// A new password, or a first one, for the account of whom the provider has signed in. All its sessions end.
#[utoipa::path(post, path = "/api/v1/auth/oidc/password", operation_id = "oidc_password", tag = "auth",
    request_body = wire::OidcPassword, responses(
        (status = 204, description = "The password is set. Sign in with it."),
        (status = 404, description = "`not_found`: no account is linked to them"),
        (status = 422, description = "`code_wrong`, as for `finish`; `invalid_input`"),
        (status = 503, description = "`unavailable`: also where the provider does not answer; ask again with the same"),
    ))]
async fn set_password(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::OidcPassword>,
) -> Result<Done, Problem> {
    let password = Password::parse(&given.new_password).map_err(Problem::at("/new_password"))?;
    let inside = door.open()?;
    let shown = Shown { state: &given.state, code: &given.code, iss: given.iss.as_deref(), secret: &given.secret };
    let (attempt, said) = said(&edge, &inside, &shown, false).await?;
    let ended = inside.commands.oidc().set_password(attempt, &said, &password, locale).await?;
    Ok(Done(ended::all(&inside, ended)))
}

/// Links whom the provider has signed in to the caller's account: they sign in to it from now on.
#[utoipa::path(post, path = "/api/v1/auth/oidc/link", operation_id = "oidc_link", tag = "auth",
    request_body = wire::OidcLink, responses(
        (status = 204, description = "They are linked."),
        (status = 401, description = "`wrong_credentials`"),
        (status = 409, description = "`conflict`: they sign in to another account, another link is under way, or there are ten"),
        (status = 422, description = "`code_wrong`, as for `finish`"),
        (status = 429, description = "`rate_limited`: too many wrong tries"),
        (status = 503, description = "`unavailable`: also where the provider does not answer; ask again with the same"),
    ))]
async fn link(
    State(edge): State<Arc<Edge>>,
    Viewer(caller): Viewer,
    door: Door,
    Speaks(locale): Speaks,
    Json(given): Json<wire::OidcLink>,
) -> Result<Done, Problem> {
    let inside = door.open()?;
    // First: a wrong password does not end the sign-in.
    let checked = inside.commands.oidc().prove(caller, &given.password).await?;
    let shown = Shown { state: &given.state, code: &given.code, iss: given.iss.as_deref(), secret: &given.secret };
    let (attempt, said) = said(&edge, &inside, &shown, true).await?;
    Ok(Done(inside.commands.oidc().link(attempt, caller, checked, &said, locale).await?))
}

/// Who the caller is elsewhere, the oldest link first.
#[utoipa::path(get, path = "/api/v1/auth/identities", operation_id = "identity_list", tag = "auth",
    responses((status = 200, body = wire::Items<wire::Identity>)))]
async fn identities(
    State(edge): State<Arc<Edge>>,
    Viewer(caller): Viewer,
    door: Door,
    seen: Seen,
) -> Result<axum::Json<wire::Items<wire::Identity>>, Problem> {
    let inside = door.open()?;
    seen.by(&inside, SHOWN_BY).await?;
    let mut items = inside.projections.account().identities(caller.account).await?;
    for item in &mut items {
        item.provider = edge.settings.oidc.name_of(&item.issuer).map(str::to_owned);
    }
    Ok(axum::Json(wire::Items { items }))
}

/// Undoes a link. The last way in stays.
#[utoipa::path(delete, path = "/api/v1/auth/identities/{id}", operation_id = "identity_unlink", tag = "auth",
    params(("id" = Uuid, Path)), responses(
        (status = 204, description = "It is not linked, or was not."),
        (status = 409, description = "`conflict`: nothing else would let the caller in; set a password first"),
    ))]
async fn unlink(
    Viewer(caller): Viewer,
    door: Door,
    Speaks(locale): Speaks,
    Ids(id): Ids<Uuid>,
) -> Result<Done, Problem> {
    Ok(Done(door.open()?.commands.oidc().unlink(caller, HandleId(id), locale).await?))
}

/// What an app has of a sign-in.
struct Shown<'a> {
    state: &'a str,
    code: &'a str,
    iss: Option<&'a str>,
    secret: &'a str,
}

/// Whom the provider has signed in. It ends the sign-in, unless the provider does not answer. `named`: it matters what
/// they are called, if they are new.
async fn said(edge: &Edge, inside: &Inside, shown: &Shown<'_>, named: bool) -> Result<(Attempt, Said), Problem> {
    let oidc = inside.commands.oidc();
    let attempt = oidc.take(shown.state, shown.secret).await?;
    if let Some(said) = attempt.said.clone() {
        return Ok((attempt, said));
    }
    let against =
        || Problem::new(Code::CodeWrong, "the provider is against it, or what it says is not for us: begin anew");
    let provider = edge.settings.oidc.get(attempt.provider()).ok_or_else(against)?;
    let mut vouched = match provider.redeem(&attempt, shown.code, shown.iss).await {
        Ok(vouched) => vouched,
        Err(Failure::Refused) => return Err(against()),
        Err(Failure::Away) => {
            oidc.resume(attempt, None).await?;
            return Err(away());
        }
    };
    let issuer = &provider.settings.issuer;
    let told = |vouched: &Vouched| {
        let (subject, username, name) = (vouched.subject.clone(), vouched.username.clone(), vouched.name.clone());
        Said { issuer: issuer.clone(), subject, username, name }
    };
    let is_nameless = vouched.username.is_none() && vouched.name.is_none();
    if named && is_nameless && !oidc.is_known(&told(&vouched)).await {
        provider.name(&mut vouched).await;
    }
    let said = told(&vouched);
    Ok((attempt, said))
}

fn away() -> Problem {
    Problem::new(Code::Unavailable, "the provider does not answer: try again later")
}
