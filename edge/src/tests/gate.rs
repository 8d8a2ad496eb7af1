//! Who may: every route of the API description is in one of the two tables below, and is tried against the router.

use super::*;
use crate::description;
use natter_domain::Timestamp;
use std::collections::BTreeSet;

/// Whoever asks.
const PUBLIC: &[&str] = &[
    "GET /.well-known/jwks.json",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /ws",
    "GET /api/v1/auth/oidc",
    "POST /api/v1/auth/codes",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/login/second",
    "POST /api/v1/auth/oidc/finish",
    "POST /api/v1/auth/oidc/password",
    "POST /api/v1/auth/oidc/start",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/auth/qr",
    "POST /api/v1/auth/qr/{id}",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/verify",
];

/// Whoever has an access token that works.
const SIGNED_IN: &[&str] = &[
    "DELETE /api/v1/accounts/me",
    "DELETE /api/v1/conversations/{id}",
    "DELETE /api/v1/conversations/{id}/announcement",
    "DELETE /api/v1/conversations/{id}/bans/{account_id}",
    "DELETE /api/v1/conversations/{id}/invitations/{account_id}",
    "DELETE /api/v1/conversations/{id}/links/{link_id}",
    "DELETE /api/v1/conversations/{id}/requests/{account_id}",
    "GET /api/v1/conversations/{id}/bans",
    "GET /api/v1/conversations/{id}/invitations",
    "GET /api/v1/conversations/{id}/links",
    "GET /api/v1/conversations/{id}/log",
    "GET /api/v1/conversations/{id}/requests",
    "GET /api/v1/invitations",
    "GET /api/v1/links/{token}",
    "PATCH /api/v1/conversations/{id}/members/{account_id}",
    "POST /api/v1/conversations/{id}/join",
    "POST /api/v1/conversations/{id}/links",
    "POST /api/v1/conversations/{id}/requests/{account_id}/approve",
    "POST /api/v1/links/{token}/join",
    "PUT /api/v1/conversations/{id}/announcement",
    "PUT /api/v1/conversations/{id}/announcement/read",
    "PUT /api/v1/conversations/{id}/bans/{account_id}",
    "DELETE /api/v1/conversations/{id}/inbox",
    "DELETE /api/v1/scheduled/{conversation_id}/{message_id}",
    "GET /api/v1/scheduled",
    "PATCH /api/v1/scheduled/{conversation_id}/{message_id}",
    "POST /api/v1/conversations/{id}/scheduled",
    "DELETE /api/v1/blocks/{account_id}",
    "DELETE /api/v1/conversations/{id}/members/{account_id}",
    "DELETE /api/v1/friends/{account_id}",
    "GET /api/v1/blocks",
    "GET /api/v1/friends/folders",
    "PATCH /api/v1/friends/{account_id}",
    "POST /api/v1/friends/requests/{id}/cancel",
    "POST /api/v1/friends/requests/{id}/ignore",
    "PUT /api/v1/blocks/{account_id}",
    "PUT /api/v1/friends/folders",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}/pin",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    "GET /api/v1/accounts",
    "DELETE /api/v1/auth/sessions",
    "DELETE /api/v1/auth/sessions/{id}",
    "GET /api/v1/auth/sessions",
    "DELETE /api/v1/auth/identities/{id}",
    "GET /api/v1/auth/identities",
    "POST /api/v1/auth/oidc/link",
    "DELETE /api/v1/auth/second",
    "GET /api/v1/auth/second",
    "POST /api/v1/auth/second",
    "POST /api/v1/auth/second/confirm",
    "POST /api/v1/auth/second/recovery",
    "POST /api/v1/auth/qr/{id}/approve",
    "POST /api/v1/auth/qr/{id}/refuse",
    "POST /api/v1/auth/qr/{id}/scan",
    "POST /api/v1/auth/password/change",
    "GET /api/v1/accounts/me",
    "GET /api/v1/accounts/{id}",
    "GET /api/v1/channels",
    "GET /api/v1/conversations",
    "GET /api/v1/conversations/{id}",
    "GET /api/v1/conversations/unread",
    "GET /api/v1/conversations/{id}/unread/explain",
    "GET /api/v1/conversations/{id}/messages/{message_id}/readers",
    "GET /api/v1/conversations/{id}/members",
    "GET /api/v1/conversations/{id}/messages",
    "GET /api/v1/conversations/{id}/messages/filter",
    "GET /api/v1/conversations/{id}/messages/{message_id}/thread",
    "PUT /api/v1/conversations/{id}/messages/{message_id}/thread/follow",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}/thread/follow",
    "PUT /api/v1/conversations/{id}/messages/{message_id}/thread/read",
    "GET /api/v1/threads",
    "PATCH /api/v1/conversations/{id}/messages/{message_id}/inbox",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}/inbox",
    "GET /api/v1/stars",
    "GET /api/v1/conversations/{id}/messages/{message_id}",
    "GET /api/v1/conversations/{id}/messages/{message_id}/edits",
    "GET /api/v1/conversations/{id}/messages/{message_id}/reactions",
    "GET /api/v1/conversations/{id}/pins",
    "GET /api/v1/friends",
    "GET /api/v1/friends/requests",
    "GET /api/v1/settings",
    "PATCH /api/v1/accounts/me",
    "PATCH /api/v1/conversations/{id}",
    "PATCH /api/v1/conversations/{id}/inbox",
    "GET /api/v1/sync",
    "PATCH /api/v1/conversations/{id}/messages/{message_id}",
    "PATCH /api/v1/settings",
    "POST /api/v1/accounts/lookup",
    "POST /api/v1/accounts/me/email/change",
    "POST /api/v1/accounts/me/phone/change",
    "POST /api/v1/auth/logout",
    "POST /api/v1/conversations",
    "POST /api/v1/conversations/{id}/members",
    "POST /api/v1/conversations/{id}/messages",
    "POST /api/v1/conversations/{id}/messages/forward",
    "POST /api/v1/conversations/{id}/messages/lookup",
    "POST /api/v1/conversations/{id}/messages/{message_id}/translate",
    "POST /api/v1/link-previews",
    "POST /api/v1/presence/lookup",
    "POST /api/v1/friends/requests",
    "POST /api/v1/friends/requests/{id}/accept",
    "POST /api/v1/friends/requests/{id}/reject",
    "PUT /api/v1/conversations/{id}/messages/{message_id}/pin",
    "PUT /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    "PUT /api/v1/conversations/{id}/read",
];

/// Those behind the gate, each as a request.
pub fn signed_in() -> Vec<String> {
    SIGNED_IN.iter().map(|line| filled(line)).collect()
}

fn described() -> BTreeSet<String> {
    let api = serde_json::to_value(description()).unwrap();
    let paths = api["paths"].as_object().unwrap();
    let lines = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(lines).collect()
}

fn filled(line: &str) -> String {
    line.replace("{id}", &Uuid::from_u128(3).to_string())
        .replace("{message_id}", &Uuid::from_u128(4).to_string())
        .replace("{conversation_id}", &Uuid::from_u128(3).to_string())
        .replace("{link_id}", &Uuid::from_u128(5).to_string())
        .replace("{token}", &"A".repeat(43))
        .replace("bans/{account_id}", &format!("bans/{}", Uuid::from_u128(6)))
        .replace("{account_id}/approve", &format!("{}/approve", Uuid::from_u128(6)))
        .replace("{account_id}", "me")
}

#[test]
fn every_route_is_in_the_table() {
    let table: BTreeSet<String> = PUBLIC.iter().chain(SIGNED_IN).map(|line| (*line).to_owned()).collect();
    assert_eq!(described(), table);
}

#[tokio::test]
async fn anonymous_requests_are_refused_before_anything_else_is_looked_at() {
    let (_, router) = doors();
    for line in SIGNED_IN {
        for body in ["", "{", "{}"] {
            let answer = call(&router, request(&filled(line), None, body)).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{line}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_everywhere() {
    let (edge, router) = doors();
    let good = token(&edge);
    let other = token(&Edge::new(
        Arc::new(Auth::new(&Keyring::new(&[8; 32]))),
        edge.lanes,
        Settings::default(),
        CancellationToken::new(),
    ));
    for line in SIGNED_IN {
        for bad in ["", "x", &good[1..], &good.to_uppercase(), &other] {
            let answer = call(&router, request(&filled(line), Some(bad), "{}")).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_good_token_opens_the_gate() {
    let (edge, router) = doors();
    for line in SIGNED_IN {
        let answer = call(&router, request(&filled(line), Some(&token(&edge)), "{}")).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{line}");
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{line}");
        assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{line}");
    }
}

#[tokio::test]
async fn public_routes_ask_for_no_token() {
    let (_, router) = doors();
    for line in PUBLIC {
        let answer = call(&router, request(&filled(line), None, "{}")).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{line}");
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{line}");
    }
}

#[tokio::test]
async fn only_one_bearer_header_is_authority() {
    let (edge, router) = doors();
    let token = token(&edge);
    let with = |headers: &[(&str, String)]| {
        let mut request = Request::builder().uri("/api/v1/accounts/me");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.body(Body::empty()).unwrap()
    };
    let bearer = ("authorization", format!("Bearer {token}"));
    for refused in [
        vec![("cookie", format!("access_token={token}"))],
        vec![("authorization", token.clone())],
        vec![("authorization", format!("Basic {token}"))],
        vec![("authorization", format!("Bearer  {token}"))],
        vec![bearer.clone(), bearer.clone()],
    ] {
        assert_eq!(call(&router, with(&refused)).await.code(), "unauthenticated", "{refused:?}");
    }
    let lower = ("authorization", format!("bearer {token}"));
    assert_eq!(call(&router, with(&[lower])).await.code(), "unavailable");
    let query = format!("GET /api/v1/accounts/me?access_token={token}");
    assert_eq!(call(&router, request(&query, None, "")).await.code(), "unauthenticated");
}

#[tokio::test]
async fn an_ended_session_is_refused_at_once() {
    let (edge, router) = doors();
    let token = token(&edge);
    let me = || request("GET /api/v1/accounts/me", Some(&token), "");
    assert_eq!(call(&router, me()).await.code(), "unavailable");
    edge.auth.ended.add(SessionId(Uuid::from_u128(2)), Timestamp::from_millis(0));
    assert_eq!(call(&router, me()).await.code(), "unauthenticated");
    let verified = call(&router, request("POST /api/v1/auth/verify", None, &format!("{{\"token\": \"{token}\"}}")));
    assert_eq!(verified.await.json(), serde_json::json!({"active": false}));
}

#[tokio::test]
async fn a_token_that_works_is_said_to_work() {
    let (edge, router) = doors();
    let body = serde_json::json!({"token": token(&edge)}).to_string();
    let answer = call(&router, request("POST /api/v1/auth/verify", None, &body)).await;
    assert_eq!(answer.json()["active"], true);
    assert_eq!(answer.json()["account_id"], Uuid::from_u128(1).to_string());
    assert_eq!(answer.json()["session_id"], Uuid::from_u128(2).to_string());
}
