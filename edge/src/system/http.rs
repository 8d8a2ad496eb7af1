//! `/healthz`, `/readyz`, `/metrics`, `/.well-known/jwks.json`.

use super::Readiness;
use crate::{
    edge::Edge,
    http::{problem::Problem, router::Routes},
    metrics,
};
use axum::{
    Json,
    extract::{FromRef, State},
    http::header,
    response::IntoResponse,
};
use natter_domain::Code;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa_axum::routes;

/// What every process answers, whatever its roles.
pub fn health() -> Routes {
    Routes::new().routes(routes!(alive)).routes(routes!(ready)).routes(routes!(counted))
}

pub fn routes() -> Routes {
    health().routes(routes!(keys))
}

impl FromRef<Arc<Edge>> for Readiness {
    fn from_ref(edge: &Arc<Edge>) -> Self {
        edge.readiness.clone()
    }
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "system_alive", tag = "system",
    responses((status = 200, description = "It does.")))]
async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The process can serve: each of its roles is ready, its projections have caught up once, its bus is connected, and it is
/// not about to end. `detail` names what is not so.
#[utoipa::path(get, path = "/readyz", operation_id = "system_ready", tag = "system", responses(
    (status = 200, description = "It can."),
    (status = 503, description = "`unavailable`"),
))]
async fn ready(State(readiness): State<Readiness>) -> Result<Json<Value>, Problem> {
    let hindrances = readiness.hindrances();
    if hindrances.is_empty() {
        return Ok(Json(json!({"status": "ready"})));
    }
    Err(Problem::new(Code::Unavailable, hindrances.join("; ")))
}

/// What is counted, as Prometheus reads it.
#[utoipa::path(get, path = "/metrics", operation_id = "system_metrics", tag = "system",
    responses((status = 200, content_type = "text/plain", body = String)))]
async fn counted() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::rendered())
}

/// The public keys of the access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "system_keys", tag = "system",
    responses(
        (status = 200, description = "Three keys (`kty` OKP, `crv` Ed25519): the one that signs, the next, the last."),
        (status = 429, description = "`rate_limited`"),
    ))]
async fn keys(State(edge): State<Arc<Edge>>) -> Json<Value> {
    Json(edge.auth.jwks())
}
