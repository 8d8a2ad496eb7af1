//! Every error is a problem with a stable code, whatever went wrong and wherever.

use super::*;
use crate::http::{layers::around, request_id};
use axum::{middleware, routing::get};

const ID: &str = "0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10";

async fn signed_in(line: &str, body: &str) -> Answer {
    let (edge, router) = doors();
    call(&router, request(line, Some(&token(&edge)), body)).await
}

#[track_caller]
fn is(answer: &Answer, status: u16, code: &str, pointers: &[&str]) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.body);
    assert_eq!(answer.pointers(), pointers, "{}", answer.body);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let (_, router) = doors();
    for path in
        ["/", "/api/v1", "/api/v1/nothing", "/api/v2/accounts/me", "/api/v1/accounts/me/", "/..%2f..%2f", "/%ff"]
    {
        is(&call(&router, request(&format!("GET {path}"), None, "")).await, 404, "not_found", &[]);
    }
    for line in ["PUT /api/v1/accounts/me", "GET /api/v1/auth/login", "TRACE /healthz", "POST /ws", "BREW /healthz"] {
        let answer = call(&router, request(line, None, "")).await;
        is(&answer, 405, "method_not_allowed", &[]);
        assert!(!answer.header("allow").is_empty(), "{line}");
    }
}

#[tokio::test]
async fn bodies_are_refused_by_kind_size_and_place() {
    let (_, router) = doors();
    let verify = "POST /api/v1/auth/verify";
    for (body, status, code, pointers) in [
        ("{", 400, "malformed", vec![]),
        ("{} {}", 400, "malformed", vec![]),
        (r#"{"token": 1"#, 400, "malformed", vec![]),
        ("[]", 422, "invalid_input", vec![""]),
        ("{}", 422, "invalid_input", vec!["/token"]),
        (r#"{"token": 1}"#, 422, "invalid_input", vec!["/token"]),
        (r#"{"token": "\ud800"}"#, 422, "invalid_input", vec!["/token"]),
        (r#"{"token": "x", "role": "admin"}"#, 422, "invalid_input", vec!["/role"]),
        (r#"{"token": "x"} x"#, 400, "malformed", vec![]),
    ] {
        is(&call(&router, request(verify, None, body)).await, status, code, &pointers);
    }
    let large = format!("{{\"token\": \"{}\"}}", "a".repeat(1024 * 1024));
    is(&call(&router, request(verify, None, &large)).await, 413, "payload_too_large", &[]);
    let mut text = request(verify, None, r#"{"token": "x"}"#);
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    is(&call(&router, text).await, 415, "unsupported_media_type", &[]);
    is(&call(&router, request(verify, None, "")).await, 415, "unsupported_media_type", &[]);
}

#[tokio::test]
async fn what_people_give_is_checked_with_pointers() {
    for (line, body, pointer) in [
        ("POST /api/v1/auth/register", r#"{"username": "1a", "password": "long enough"}"#, "/username"),
        ("POST /api/v1/auth/register", r#"{"username": "alice", "password": "short"}"#, "/password"),
        (
            "POST /api/v1/auth/register",
            r#"{"username": "alice", "password": "long enough", "nickname": ""}"#,
            "/nickname",
        ),
        (
            "POST /api/v1/auth/register",
            r#"{"username": "alice", "password": "long enough", "device": {"name": "a\u0000"}}"#,
            "/device/name",
        ),
        (
            "POST /api/v1/auth/login",
            r#"{"login": "a", "password": "b", "device": {"platform": ""}}"#,
            "/device/platform",
        ),
        ("POST /api/v1/auth/login/second", r#"{"challenge": "nch_"}"#, "/code"),
        ("POST /api/v1/auth/second/confirm", r#"{"code": 123456}"#, "/code"),
        ("DELETE /api/v1/auth/second", r#"{"code": "123456"}"#, "/password"),
        ("POST /api/v1/auth/qr", r#"{"device": []}"#, "/device"),
        ("POST /api/v1/auth/qr", r#"{"device": {"name": "a\u202eb"}}"#, "/device/name"),
        ("POST /api/v1/auth/qr/0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10", r#"{"secret": null}"#, "/secret"),
    ] {
        is(&signed_in(line, body).await, 422, "invalid_input", &[pointer]);
    }
    let long = serde_json::json!({"to": ID, "message": "x".repeat(201)}).to_string();
    is(&signed_in("POST /api/v1/friends/requests", &long).await, 422, "invalid_input", &["/message"]);
    for (body, pointer) in [
        (serde_json::json!({"kind": "choir", "with": ID}), "/kind"),
        (serde_json::json!({"kind": "direct"}), "/with"),
        (serde_json::json!({"kind": "group", "with": ID}), "/with"),
        (serde_json::json!({"kind": "group", "name": "a\nb", "members": []}), "/name"),
        (serde_json::json!({"kind": "group", "name": "a", "members": vec![ID; 1_001]}), "/members"),
        (serde_json::json!({"kind": "group", "name": "a", "members": ["x"]}), "/members/0"),
    ] {
        is(&signed_in("POST /api/v1/conversations", &body.to_string()).await, 422, "invalid_input", &[pointer]);
    }
    for name in ["", " ", "a\u{202e}", &"a".repeat(101)] {
        let body = serde_json::json!({"name": name}).to_string();
        let answer = signed_in(&format!("PATCH /api/v1/conversations/{ID}"), &body).await;
        is(&answer, 422, "invalid_input", &["/name"]);
    }
    let crowd = serde_json::json!({"account_ids": vec![ID; 1_001]}).to_string();
    let members = format!("POST /api/v1/conversations/{ID}/members");
    is(&signed_in(&members, &crowd).await, 422, "invalid_input", &["/account_ids"]);
    let messages = format!("POST /api/v1/conversations/{ID}/messages");
    for (body, pointer) in [
        (serde_json::json!({"message_id": ID, "body": {"kind": "text", "text": ""}}), "/body/text"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "text", "text": "\0"}}), "/body/text"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "text", "text": "a".repeat(16_385)}}), "/body/text"),
        (serde_json::json!({"message_id": "*", "body": {"kind": "text", "text": "a"}}), "/message_id"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "text"}}), "/body/text"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "dance"}}), "/body/kind"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "system", "code": "a", "text": "b"}}), "/body/kind"),
        (serde_json::json!({"message_id": ID, "body": {"kind": "text", "text": "a"}, "seq": 1}), "/seq"),
    ] {
        is(&signed_in(&messages, &body.to_string()).await, 422, "invalid_input", &[pointer]);
    }
    let ids = serde_json::json!({"ids": vec![ID; 101]}).to_string();
    for line in ["POST /api/v1/accounts/lookup".to_owned(), format!("{messages}/lookup")] {
        is(&signed_in(&line, &ids).await, 422, "invalid_input", &["/ids"]);
    }
}

#[tokio::test]
async fn parameters_are_checked_with_pointers() {
    let messages = format!("GET /api/v1/conversations/{ID}/messages");
    for (line, pointer) in [
        ("GET /api/v1/friends?limit=0".to_owned(), "/limit"),
        (format!("{messages}?around_seq=-1"), "/around_seq"),
        (format!("{messages}?around_seq=2&before_seq=4"), "/around_seq"),
        (format!("{messages}?after_seq=1&around_seq=2"), "/around_seq"),
        ("GET /api/v1/conversations?limit=201".to_owned(), "/limit"),
        ("GET /api/v1/friends?limit=1;drop%20table".to_owned(), "/limit"),
        ("GET /api/v1/friends?limit=".to_owned(), "/limit"),
        ("GET /api/v1/friends?cursor=%00".to_owned(), "/cursor"),
        ("GET /api/v1/friends?cursor=".to_owned(), "/cursor"),
        (format!("GET /api/v1/friends?cursor={}", "a".repeat(513)), "/cursor"),
        ("GET /api/v1/friends/requests?direction=up".to_owned(), "/direction"),
        ("GET /api/v1/friends/requests?status=%00".to_owned(), "/status"),
        (format!("{messages}?before_seq=-1"), "/before_seq"),
        (format!("{messages}?after_seq=1.5"), "/after_seq"),
        (format!("{messages}?limit=1000000000000000000000"), "/limit"),
        ("GET /api/v1/friends?limit=1&limit=2".to_owned(), ""),
    ] {
        is(&signed_in(&line, "").await, 422, "invalid_input", &[pointer]);
    }
}

#[tokio::test]
async fn ids_keys_and_positions_that_cannot_be_read_are_malformed() {
    for line in [
        "GET /api/v1/accounts/1",
        "GET /api/v1/accounts/%ff",
        "GET /api/v1/conversations/0197b2a46d1e7c3a8f5e2b9d4c6a8e10",
        "GET /api/v1/conversations/*/messages",
        "POST /api/v1/friends/requests/x/accept",
        "DELETE /api/v1/conversations/0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10/members/you",
    ] {
        is(&signed_in(line, "").await, 400, "malformed", &[]);
    }
    let (edge, router) = doors();
    for (name, value) in [
        ("idempotency-key", "1"),
        ("idempotency-key", ""),
        ("natter-position", "1"),
        ("natter-position", "ff:1:0"),
        ("natter-position", ""),
    ] {
        let line = if name == "natter-position" { "GET /api/v1/accounts/me" } else { "POST /api/v1/friends/requests" };
        let mut request = request(line, Some(&token(&edge)), &format!("{{\"to\": \"{ID}\"}}"));
        request.headers_mut().insert(name, value.parse().unwrap());
        is(&call(&router, request).await, 400, "malformed", &[]);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_now_says_when_to_try_again() {
    let answer = signed_in("GET /api/v1/accounts/me", "").await;
    is(&answer, 503, "unavailable", &[]);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing() {
    async fn panics() {
        panic!("the secret of the house");
    }
    let router = Router::new().route("/", get(panics)).layer(middleware::from_fn(around));
    let answer = call(&router, request("GET /", None, "")).await;
    is(&answer, 500, "internal", &[]);
    assert!(!answer.body.contains("secret"));
}

#[tokio::test]
async fn the_request_id_comes_back() {
    let (_, router) = doors();
    for line in ["GET /healthz", "GET /nothing", "GET /api/v1/accounts/me", "DELETE /healthz"] {
        let mut given = request(line, None, "");
        given.headers_mut().insert(request_id::HEADER, "trace-7".parse().unwrap());
        assert_eq!(call(&router, given).await.header("x-request-id"), "trace-7");
        assert_eq!(call(&router, request(line, None, "")).await.header("x-request-id").len(), 36);
    }
}

#[tokio::test]
async fn browsers_are_told_to_be_careful() {
    let (_, router) = doors();
    for line in ["GET /healthz", "GET /nothing", "GET /api/v1/accounts/me"] {
        let answer = call(&router, request(line, None, "")).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn answers_to_head_have_no_body() {
    let (_, router) = doors();
    for (line, status) in [("HEAD /healthz", 200), ("HEAD /api/v1/accounts/me", 401), ("HEAD /nothing", 404)] {
        let answer = call(&router, request(line, None, "")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, ""), "{line}");
    }
}
