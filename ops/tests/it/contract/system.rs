//! What is common to all paths, and the paths without a prefix.

use super::{Someone, new_id};
use natter_testkit::Stack;
use serde_json::json;

#[tokio::test]
async fn the_server_describes_itself() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    for path in ["/healthz", "/readyz", "/metrics", "/docs"] {
        // `/docs` may point to its page first.
        let answer = node.raw().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let description = node.raw().get("/openapi.json").await.ok(200);
    for path in [
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
        "/api/v1/accounts/me",
        "/api/v1/accounts/{id}",
        "/api/v1/friends/requests",
        "/api/v1/friends",
        "/api/v1/conversations",
        "/api/v1/conversations/{id}",
        "/api/v1/conversations/{id}/messages",
        "/api/v1/conversations/{id}/read",
        "/.well-known/jwks.json",
    ] {
        assert!(description["paths"].get(path).is_some(), "no {path} in /openapi.json");
    }
}

#[tokio::test]
async fn a_request_id_is_taken_and_always_returned() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let given = new_id();
    let answer = node.raw().with("x-request-id", &given).get("/api/v1/accounts/me").await;
    assert_eq!(answer.header("x-request-id"), Some(given.as_str()));
    assert_eq!(answer.refused(401, "unauthenticated")["request_id"], json!(given));
    for path in ["/healthz", "/api/v1/nothing", "/openapi.json"] {
        assert!(node.raw().get(path).await.header("x-request-id").is_some_and(|id| !id.is_empty()), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = Someone::register(&node, "alice").await;
    alice.raw.get("/api/v1/nothing").await.refused(404, "not_found");
    alice.raw.call("PATCH", "/api/v1/friends/requests", None).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_private_path_wants_a_token() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let id = new_id();
    for (method, path) in [
        ("POST", "/api/v1/auth/logout".to_owned()),
        ("GET", "/api/v1/accounts/me".to_owned()),
        ("GET", format!("/api/v1/accounts/{id}")),
        ("POST", "/api/v1/accounts/lookup".to_owned()),
        ("POST", "/api/v1/friends/requests".to_owned()),
        ("GET", "/api/v1/friends/requests?direction=in".to_owned()),
        ("POST", format!("/api/v1/friends/requests/{id}/accept")),
        ("POST", format!("/api/v1/friends/requests/{id}/reject")),
        ("GET", "/api/v1/friends".to_owned()),
        ("POST", "/api/v1/conversations".to_owned()),
        ("GET", "/api/v1/conversations".to_owned()),
        ("GET", format!("/api/v1/conversations/{id}")),
        ("POST", format!("/api/v1/conversations/{id}/messages")),
        ("GET", format!("/api/v1/conversations/{id}/messages")),
        ("GET", format!("/api/v1/conversations/{id}/messages/{id}")),
        ("PUT", format!("/api/v1/conversations/{id}/read")),
    ] {
        node.raw().call(method, &path, None).await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_is_malformed() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (_, position) = alice.befriends(&bob).await;
    let read = async |position: &str| alice.raw.with("natter-position", position).get("/api/v1/conversations").await;
    read(&position).await.ok(200);
    for bad in ["", "x", "0a", "00:x", "ff:1:00000000", "00:-1:00000000"] {
        read(bad).await.refused(400, "malformed");
    }
    // Our own token, moved beyond the end of the log.
    let mut fields: Vec<String> = position.split(',').next().expect("a lane").split(':').map(str::to_owned).collect();
    fields[1] = "999999999".to_owned();
    read(&fields.join(":")).await.refused(400, "malformed");
}
