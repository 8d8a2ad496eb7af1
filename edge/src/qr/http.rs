//! `/auth/qr`. What the device asks is a `POST`: the answer to one of its questions is given once, and its secret belongs
//! in no URL.

use crate::{
    auth::gate::Viewer,
    content::{self, About},
    edge::{Door, Edge},
    http::{answer::Done, json::Json, path::Ids, peer::Peer, problem::Problem, router::Routes},
    session::{card, device},
};
use axum::{extract::State, http::StatusCode};
use natter_client::wire;
use natter_commands::{Origin, Poll};
use natter_streams::Positions;
use std::sync::Arc;
use utoipa_axum::routes;
use uuid::Uuid;

pub fn public() -> Routes {
    Routes::new().routes(routes!(show)).routes(routes!(poll))
}

pub fn private() -> Routes {
    Routes::new().routes(routes!(scan)).routes(routes!(approve)).routes(routes!(refuse))
}

/// By a device that is to be signed in: what it shows.
#[utoipa::path(post, path = "/api/v1/auth/qr", operation_id = "qr_show", tag = "auth",
    request_body = wire::QrNew, responses(
        (status = 201, body = wire::QrShown),
        (status = 422, description = "`invalid_input`, `content_refused`"),
    ))]
async fn show(
    door: Door,
    Peer(address): Peer,
    Json(given): Json<wire::QrNew>,
) -> Result<(StatusCode, axum::Json<wire::QrShown>), Problem> {
    // Whoever scans it reads that.
    let read = |given: wire::QrNew| device(given.device);
    let (device, inside) = content::taken(door, About::profile(None), given, read).await?;
    let shown = inside.commands.qr().show(Origin { device, address, ..Origin::default() }).await?;
    let code = format!("natter:qr:{}", shown.id);
    let answer = wire::QrShown { id: shown.id, secret: shown.secret, code, expires_in: shown.lifetime.as_secs() };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// By that device: how it stands. Once it is approved, one answer has the tokens.
#[utoipa::path(post, path = "/api/v1/auth/qr/{id}", operation_id = "qr_poll", tag = "auth",
    params(("id" = Uuid, Path)), request_body = wire::QrPoll, responses(
        (status = 200, body = wire::QrState),
        (status = 404, description = "`not_found`: also where the secret is another one"),
    ))]
async fn poll(
    State(edge): State<Arc<Edge>>,
    door: Door,
    Ids(id): Ids<Uuid>,
    Peer(address): Peer,
    Json(given): Json<wire::QrPoll>,
) -> Result<axum::Json<wire::QrState>, Problem> {
    let inside = door.open()?;
    let state = match inside.commands.qr().poll(id, &given.secret, address).await? {
        Poll::Pending => state("pending"),
        Poll::Scanned(by) => {
            let nickname = inside.projections.account().own(by).await?.and_then(|account| account.nickname);
            wire::QrState { by: Some(wire::QrBy { nickname }), ..state("scanned") }
        }
        Poll::Approved(signed_in) => {
            let account = Some(card(&inside, &signed_in, None).await);
            wire::QrState { account, tokens: Some(edge.auth.tokens(&signed_in)), ..state("approved") }
        }
        Poll::Refused => state("refused"),
        Poll::Expired => state("expired"),
    };
    Ok(axum::Json(state))
}

fn state(state: &str) -> wire::QrState {
    wire::QrState { state: state.to_owned(), by: None, account: None, tokens: None }
}

/// By somebody who is signed in: what asks. Only the session that scans it first can approve it.
#[utoipa::path(post, path = "/api/v1/auth/qr/{id}/scan", operation_id = "qr_scan", tag = "auth",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = wire::QrScanned),
        (status = 404, description = "`not_found`: there is none, or its time is over"),
        (status = 409, description = "`conflict`: it was scanned elsewhere"),
    ))]
async fn scan(Viewer(caller): Viewer, door: Door, Ids(id): Ids<Uuid>) -> Result<axum::Json<wire::QrScanned>, Problem> {
    let scanned = door.open()?.commands.qr().scan(caller, id).await?;
    let (name, platform) = scanned.device.map_or((None, None), |device| (device.name, device.platform));
    Ok(axum::Json(wire::QrScanned {
        device: wire::SessionDevice { name, platform },
        address: scanned.address.map(|address| address.to_string()),
        expires_in: scanned.remains.as_secs(),
    }))
}

/// Lets it in, as the caller.
#[utoipa::path(post, path = "/api/v1/auth/qr/{id}/approve", operation_id = "qr_approve", tag = "auth",
    params(("id" = Uuid, Path)), responses(
        (status = 204, description = "Its device is signed in when it asks next."),
        (status = 404, description = "`not_found`: there is none, its time is over, or another session has scanned it"),
        (status = 409, description = "`conflict`: not scanned yet, or refused"),
    ))]
async fn approve(Viewer(caller): Viewer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    door.open()?.commands.qr().approve(caller, id).await?;
    Ok(Done(Positions::default()))
}

/// Keeps it out.
#[utoipa::path(post, path = "/api/v1/auth/qr/{id}/refuse", operation_id = "qr_refuse", tag = "auth",
    params(("id" = Uuid, Path)), responses(
        (status = 204, description = "Its device is told."),
        (status = 404, description = "`not_found`: there is none, its time is over, or another session has scanned it"),
        (status = 409, description = "`conflict`: not scanned yet, or signed in already"),
    ))]
async fn refuse(Viewer(caller): Viewer, door: Door, Ids(id): Ids<Uuid>) -> Result<Done, Problem> {
    door.open()?.commands.qr().refuse(caller, id).await?;
    Ok(Done(Positions::default()))
}
