//! Who may ask somebody to be friends.

use super::wants;
use natter_testkit::{Person, Reply, Stack};
use serde_json::json;

async fn asks(one: &Person, other: &Person) -> Reply {
    one.raw().await.post("/api/v1/friends/requests", json!({"to": other.id()}).to_string()).await
}

#[tokio::test]
async fn who_takes_no_requests_is_not_asked() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    wants(&alice, json!({"requests_from": "nobody"})).await;
    asks(&bob, &alice).await.refused(403, "requests_not_taken");
    let listed = alice.raw().await.get("/api/v1/friends/requests").await.ok(200);
    assert_eq!(listed["items"], json!([]), "and hears nothing of it");
    // Her own request is accepted by his all the same.
    let asked = asks(&alice, &bob).await.ok(201);
    assert_eq!(asks(&bob, &alice).await.ok(200)["id"], asked["id"]);
    asks(&bob, &alice).await.refused(409, "already_friends");
}

#[tokio::test]
async fn a_request_that_was_made_is_given_again_whatever_the_settings_are_then() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    let raw = bob.raw().await.with("idempotency-key", "0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10");
    let body = json!({"to": alice.id()}).to_string();
    let asked = raw.post("/api/v1/friends/requests", body.clone()).await.ok(201);
    wants(&alice, json!({"requests_from": "nobody"})).await;
    assert_eq!(raw.post("/api/v1/friends/requests", body).await.ok(201), asked);
    alice
        .raw()
        .await
        .post_nothing(&format!("/api/v1/friends/requests/{}/accept", asked["id"].as_str().unwrap()))
        .await
        .ok(200);
}

#[tokio::test]
async fn friends_of_friends_are_those_who_have_one_in_common() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    let (carol, dave) = (stack.person("carol").await, stack.person("dave").await);
    wants(&alice, json!({"requests_from": "friends_of_friends"})).await;
    alice.befriends(&bob).await;
    carol.befriends(&dave).await;
    asks(&carol, &alice).await.refused(403, "requests_not_taken");
    bob.befriends(&carol).await;
    asks(&dave, &alice).await.refused(403, "requests_not_taken");
    asks(&carol, &alice).await.ok(201);
}

#[tokio::test]
async fn who_is_not_added_by_search_is_asked_by_those_in_a_common_group_only() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    let (carol, dave) = (stack.person("carol").await, stack.person("dave").await);
    wants(&alice, json!({"add_by": {"search": false}})).await;
    // She asks, so he need not find her.
    alice.befriends(&bob).await;
    asks(&carol, &alice).await.refused(403, "requests_not_taken");
    bob.befriends(&carol).await;
    bob.befriends(&dave).await;
    let group = bob.client().start_group("us", &[alice.id(), carol.id(), dave.id()]).await.expect("start a group");
    let left = dave.client().leave(group.conversation.id).await.expect("leave");
    let raw = dave.raw().await.with("natter-position", left.position.as_deref().expect("a write has one"));
    raw.get("/api/v1/friends").await.ok(200);
    asks(&dave, &alice).await.refused(403, "requests_not_taken");
    wants(&alice, json!({"add_by": {"group": false}})).await;
    asks(&carol, &alice).await.refused(403, "requests_not_taken");
    wants(&alice, json!({"add_by": {"group": true}})).await;
    asks(&carol, &alice).await.ok(201);
}
