//! `/healthz`, `/readyz`, `/metrics`, `/.well-known/jwks.json`.

use crate::{
    edge::{Door, Edge},
    http::{problem::Problem, router::Routes},
    metrics,
};
use axum::{Json, extract::State, http::header, response::IntoResponse};
use natter_domain::Code;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::new().routes(routes!(alive)).routes(routes!(ready)).routes(routes!(counted)).routes(routes!(keys))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "system_alive", tag = "system",
    responses((status = 200, description = "It does.")))]
async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The process can serve: its projections have caught up once, its bus is connected, and it is not about to end.
#[utoipa::path(get, path = "/readyz", operation_id = "system_ready", tag = "system", responses(
    (status = 200, description = "It can."),
    (status = 503, description = "`unavailable`"),
))]
async fn ready(State(edge): State<Arc<Edge>>, door: Door) -> Result<Json<Value>, Problem> {
    let inside = door.open()?;
    let hindered = [
        (edge.stop.is_cancelled(), "the process is about to end"),
        (!inside.bus.is_connected(), "the bus is not connected"),
        (!inside.projections.is_ready(), "the projections have not caught up"),
    ];
    match hindered.iter().find(|(hinders, _)| *hinders) {
        Some((_, why)) => Err(Problem::new(Code::Unavailable, *why)),
        None => Ok(Json(json!({"status": "ready"}))),
    }
}

/// What is counted, as Prometheus reads it.
#[utoipa::path(get, path = "/metrics", operation_id = "system_metrics", tag = "system",
    responses((status = 200, content_type = "text/plain", body = String)))]
async fn counted() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::recorder().render())
}

/// The public keys of the access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "system_keys", tag = "system",
    responses((status = 200, description = "One key: `kty` OKP, `crv` Ed25519.")))]
async fn keys(State(edge): State<Arc<Edge>>) -> Json<Value> {
    Json(edge.auth.jwks())
}
