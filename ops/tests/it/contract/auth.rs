//! Accounts and sessions.

use super::{Someone, has, is_id, is_time, lacks, text};
use natter_testkit::Stack;
use serde_json::json;

const TOKENS: &[&str] = &["token_type", "access_token", "expires_in", "refresh_token"];

#[tokio::test]
async fn registering_signing_in_and_refreshing() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let device = json!({"name": "phone", "platform": "test"});
    let body = json!({"username": "Alice", "password": "eight characters", "nickname": "Al", "device": device});
    let registered = node.raw().post("/api/v1/auth/register", body.to_string()).await;
    registered.position();
    let signed_in = registered.ok(201);
    has(&signed_in["account"], &["id", "username", "nickname", "avatar"]);
    is_id(&signed_in["account"]["id"]);
    assert_eq!((&signed_in["account"]["username"], &signed_in["account"]["nickname"]), (&json!("Alice"), &json!("Al")));
    has(&signed_in["tokens"], TOKENS);
    assert_eq!(signed_in["tokens"]["token_type"], "Bearer");
    assert!(signed_in["tokens"]["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));

    // Compared by NFKC and case folding, shown as given.
    for taken in ["alice", "ALICE", "Ａｌｉｃｅ"] {
        let body = json!({"username": taken, "password": "eight characters"}).to_string();
        node.raw().post("/api/v1/auth/register", body).await.refused(409, "name_taken");
    }

    let body = json!({"login": "aLICE", "password": "eight characters"}).to_string();
    let login = node.raw().post("/api/v1/auth/login", body).await.ok(200);
    assert_eq!(login["account"], signed_in["account"]);
    has(&login["tokens"], TOKENS);

    let body = json!({"refresh_token": login["tokens"]["refresh_token"]}).to_string();
    let refreshed = node.raw().post("/api/v1/auth/refresh", body).await.ok(200);
    has(&refreshed["tokens"], TOKENS);

    let token = &refreshed["tokens"]["access_token"];
    let verified = node.raw().post("/api/v1/auth/verify", json!({"token": token}).to_string()).await.ok(200);
    assert_eq!((&verified["active"], &verified["account_id"]), (&json!(true), &signed_in["account"]["id"]));
    is_id(&verified["session_id"]);
    is_time(&verified["expires_at"]);
    let verified = node.raw().post("/api/v1/auth/verify", json!({"token": "no token"}).to_string()).await.ok(200);
    assert_eq!(verified["active"], false);
    lacks(&verified, &["account_id", "session_id", "expires_at"]);

    let signed = node.raw().with("authorization", &format!("Bearer {}", text(token)));
    let me = signed.get("/api/v1/accounts/me").await.ok(200);
    assert_eq!(me["id"], signed_in["account"]["id"]);
    let out = signed.post_nothing("/api/v1/auth/logout").await;
    assert_eq!((out.status, out.text().as_str()), (204, ""));
    out.position();
}

#[tokio::test]
async fn accounts_are_seen_by_everybody_who_is_signed_in() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let seen = bob.raw.get(&format!("/api/v1/accounts/{}", alice.id)).await.ok(200);
    assert_eq!(
        (&seen["id"], &seen["username"], &seen["nickname"]),
        (&json!(alice.id), &json!("alice"), &json!("alice"))
    );
    lacks(&seen, &["password", "email", "phone"]);
    let nobody = super::new_id();
    bob.raw.get(&format!("/api/v1/accounts/{nobody}")).await.refused(404, "not_found");
    node.raw().get(&format!("/api/v1/accounts/{}", alice.id)).await.refused(401, "unauthenticated");

    let body = json!({"ids": [alice.id, nobody]}).to_string();
    let found = bob.raw.post("/api/v1/accounts/lookup", body).await.ok(200);
    let ids: Vec<_> = found["items"].as_array().expect("items").iter().map(|account| &account["id"]).collect();
    assert_eq!(ids, [&json!(alice.id)]);
}

#[tokio::test]
async fn the_keys_of_access_tokens_are_published() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let jwks = node.raw().get("/.well-known/jwks.json").await.ok(200);
    let key = &jwks["keys"][0];
    has(key, &["kty", "crv", "x", "kid"]);
    lacks(key, &["d"]);
    let alice = Someone::register(&node, "alice").await;
    let token = natter_testkit::token::Token::read(&alice.access_token);
    assert_eq!(token.header["kid"], key["kid"]);
}
