//! `Idempotency-Key`: the first answer again, and no second effect.

use super::{Someone, new_id, text};
use natter_testkit::Stack;
use serde_json::json;

#[tokio::test]
async fn a_key_gives_the_first_answer_again_and_nothing_happens_twice() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;

    let key = new_id();
    let keyed = alice.raw.with("idempotency-key", &key);
    let to_bob = json!({"to": bob.id}).to_string();
    let first = keyed.post("/api/v1/friends/requests", to_bob.clone()).await.ok(201);
    let count = stack.event_count().await;
    let again = keyed.post("/api/v1/friends/requests", to_bob).await;
    assert_eq!(again.status, 201, "the first answer: {}", again.text());
    assert_eq!(again.json()["id"], first["id"]);
    assert_eq!(stack.event_count().await, count, "no second effect");

    let to_carol = json!({"to": carol.id}).to_string();
    keyed.post("/api/v1/friends/requests", to_carol.clone()).await.refused(409, "conflict");
    // A key belongs to its account.
    bob.raw.with("idempotency-key", &key).post("/api/v1/friends/requests", to_carol).await.ok(201);

    let accept = format!("/api/v1/friends/requests/{}/accept", text(&first["id"]));
    let keyed = bob.raw.with("idempotency-key", &new_id());
    let accepted = keyed.post_nothing(&accept).await.ok(200);
    let count = stack.event_count().await;
    assert_eq!(keyed.post_nothing(&accept).await.ok(200), accepted);
    assert_eq!(stack.event_count().await, count, "no second effect");
}

#[tokio::test]
async fn a_key_of_a_read_cursor_gives_the_first_answer_again() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    for number in 0..3 {
        alice.says(&id, &new_id(), &number.to_string()).await.ok(201);
    }
    let path = format!("/api/v1/conversations/{id}/read");
    let keyed = bob.raw.with("idempotency-key", &new_id());
    assert_eq!(keyed.put(&path, json!({"seq": 1}).to_string()).await.ok(200), json!({"seq": 1}));
    bob.raw.put(&path, json!({"seq": 3}).to_string()).await.ok(200);
    assert_eq!(keyed.put(&path, json!({"seq": 1}).to_string()).await.ok(200), json!({"seq": 1}), "the first answer");
    keyed.put(&path, json!({"seq": 2}).to_string()).await.refused(409, "conflict");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let keyed = alice.raw.with("idempotency-key", &new_id());
    let direct = json!({"kind": "direct", "with": bob.id}).to_string();
    keyed.post("/api/v1/conversations", direct.clone()).await.refused(403, "not_friends");
    let (id, _) = alice.befriends(&bob).await;
    let opened = keyed.post("/api/v1/conversations", direct).await.ok(200);
    assert_eq!(opened["id"], json!(id), "decided anew");
}

#[tokio::test]
async fn a_key_that_is_no_uuid_is_malformed() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let keyed = alice.raw.with("idempotency-key", "1");
    keyed.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.refused(400, "malformed");
}
