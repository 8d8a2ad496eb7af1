//! What can be tried at the doors without a database behind them: who is let in, which errors are told, what the
//! API description says, and the WebSocket up to the moment where it needs the bus.

mod content;
mod description;
mod entrance;
mod errors;
mod gate;
mod health;
mod socket;

use crate::{Settings, auth::Auth, edge::Edge, http::router::router};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use natter_commands::SignedIn;
use natter_domain::{AccountId, SessionId};
use natter_streams::{Lanes, Positions, keyring::Keyring};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

/// An edge whose door leads nowhere.
fn edge() -> Arc<Edge> {
    let settings =
        Settings { greeting: Duration::from_millis(300), drain: Duration::from_secs(2), ..Settings::default() };
    let auth = Arc::new(Auth::new(&Keyring::new(&[7; 32])));
    let lanes = Lanes::new(16).unwrap();
    Arc::new(Edge::new(auth, lanes, settings, CancellationToken::new()))
}

/// A token that works at [`edge`].
fn token(edge: &Edge) -> String {
    let signed_in = SignedIn {
        account_id: AccountId(Uuid::from_u128(1)),
        session_id: SessionId(Uuid::from_u128(2)),
        refresh_token: String::new(),
        positions: Positions::default(),
    };
    edge.auth.tokens(&signed_in).access_token
}

/// What a client gets.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The problem's code; fails where the answer is not a whole problem.
    #[track_caller]
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.body);
        let problem: natter_client::wire::Problem = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.request_id, self.header("x-request-id"));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty() && problem.r#type.contains(&problem.code));
        problem.code
    }

    fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

async fn call(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn doors() -> (Arc<Edge>, Router) {
    let edge = edge();
    let router = router(&edge);
    (edge, router)
}

/// A request as `method path`, with JSON where there is a body.
fn request(line: &str, token: Option<&str>, body: &str) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}
