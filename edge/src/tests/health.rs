//! A process without doors says how it is, and nothing else.

use super::*;
use crate::{Readiness, http::router};

/// At the door of [`edge`].
fn health(readiness: Readiness) -> Router {
    router::health(&Arc::new(Edge { readiness, ..Arc::into_inner(edge()).unwrap() }))
}

#[tokio::test]
async fn a_process_without_doors_answers_how_it_is_and_opens_none() {
    let router = health(Readiness::default().and("commands", || None));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(call(&router, request(&format!("GET {path}"), None, "")).await.status, 200, "{path}");
    }
    for path in ["/api/v1/accounts/me", "/ws", "/docs", "/openapi.json", "/.well-known/jwks.json"] {
        let answer = call(&router, request(&format!("GET {path}"), None, "")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn the_role_that_is_not_ready_is_named() {
    let readiness = Readiness::default().and("commands", || None).and("projections", || Some("have not caught up"));
    let answer = call(&health(readiness), request("GET /readyz", None, "")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.json()["detail"], "projections have not caught up");
}
