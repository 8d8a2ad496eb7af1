//! `Idempotency-Key`: the first answer again, and no second effect.

use super::{Someone, new_id, text};
use natter_testkit::{Reply, Stack};
use serde_json::{Value, json};

#[track_caller]
fn gone(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
}

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

/// Whatever has become of the thing: it is not that the command was refused.
#[tokio::test]
async fn a_repeat_is_not_refused_for_what_has_become_of_its_thing() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    alice.befriends(&bob).await;
    let started = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", started).await.ok(201)["id"]);
    let group = format!("/api/v1/conversations/{group}");
    let (block, friend) = (format!("/api/v1/blocks/{}", bob.id), format!("/api/v1/friends/{}", bob.id));
    let member = format!("{group}/members/{}", bob.id);
    let both = json!({"nickname": "bobby", "role": "admin"});
    // Who has left is shown as they were.
    for (method, path, body, status) in [
        ("PUT", &block, None, 204),
        ("PATCH", &friend, Some(json!({"starred": true})), 204),
        ("PATCH", &member, Some(both), 200),
    ] {
        let keyed = alice.raw.with("idempotency-key", &new_id()).with("content-type", "application/json");
        let body = || body.as_ref().map(|body| body.to_string().into_bytes());
        keyed.call(method, path, body()).await.ok(200);
        keyed.call(method, path, body()).await.ok(200);
        gone(&alice.raw.call("DELETE", path, None).await);
        let count = stack.event_count().await;
        let again = keyed.call(method, path, body()).await;
        assert_eq!(again.status, status, "{method} {path}: {}", again.text());
        assert_eq!(stack.event_count().await, count, "no second effect of {method} {path}");
    }
}

#[tokio::test]
async fn who_has_left_since_is_answered_again_as_they_were_then() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    alice.befriends(&bob).await;
    let started = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", started).await.ok(201)["id"]);
    let group = format!("/api/v1/conversations/{group}");
    let (read, announced) = (format!("{group}/read"), format!("{group}/announcement/read"));
    let body = json!({"seq": 1}).to_string();
    let (keyed, other) = (bob.raw.with("idempotency-key", &new_id()), bob.raw.with("idempotency-key", &new_id()));
    keyed.put(&read, body.clone()).await.ok(200);
    gone(&other.put(&announced, body.clone()).await);
    gone(&bob.raw.call("DELETE", &format!("{group}/members/me"), None).await);
    assert_eq!(keyed.put(&read, body.clone()).await.ok(200), json!({"seq": 1}));
    gone(&other.put(&announced, body.clone()).await);
    // Under another body, and under a key of their own, they are refused.
    keyed.put(&read, json!({"seq": 2}).to_string()).await.refused(409, "conflict");
    for path in [&read, &announced] {
        bob.raw.with("idempotency-key", &new_id()).put(path, body.clone()).await.refused(403, "not_a_member");
    }
}

#[tokio::test]
async fn a_change_of_a_member_has_one_key_whatever_it_changes() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = Someone::register(&node, "alice").await;
    let started = json!({"kind": "group", "name": "us", "members": []}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", started).await.ok(201)["id"]);
    let me = format!("/api/v1/conversations/{group}/members/me");
    let keyed = alice.raw.with("idempotency-key", &new_id()).with("content-type", "application/json");
    let change = async |body: Value| keyed.call("PATCH", &me, Some(body.to_string().into_bytes())).await;
    assert_eq!(change(json!({"nickname": "al"})).await.ok(200)["nickname"], "al");
    for other in [json!({"nickname": "ally"}), json!({"muted_until": null}), json!({"role": "owner"})] {
        change(other).await.refused(409, "conflict");
    }
    assert_eq!(change(json!({"nickname": "al"})).await.ok(200)["nickname"], "al");
}

#[tokio::test]
async fn a_key_of_the_conversation_with_oneself_is_good_for_nothing_else() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (mine, to_bob) = (json!({"kind": "self"}).to_string(), json!({"to": bob.id}).to_string());
    let (used, keyed) = (new_id(), new_id());
    let (used, keyed) = (alice.raw.with("idempotency-key", &used), alice.raw.with("idempotency-key", &keyed));
    used.post("/api/v1/friends/requests", to_bob.clone()).await.ok(201);
    used.post("/api/v1/conversations", mine.clone()).await.refused(409, "conflict");
    let first = keyed.post("/api/v1/conversations", mine.clone()).await.ok(201);
    let count = stack.event_count().await;
    assert_eq!(keyed.post("/api/v1/conversations", mine.clone()).await.ok(201)["id"], first["id"], "the first answer");
    assert_eq!(stack.event_count().await, count, "no second effect");
    keyed.post("/api/v1/friends/requests", to_bob).await.refused(409, "conflict");
    // It is there: nothing would be written.
    used.post("/api/v1/conversations", mine.clone()).await.refused(409, "conflict");
    alice.raw.post("/api/v1/conversations", mine).await.ok(200);
}

/// Documented: only what is written bears a key.
#[tokio::test]
async fn a_write_that_found_it_so_keeps_no_key() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let block = format!("/api/v1/blocks/{}", bob.id);
    let keyed = alice.raw.with("idempotency-key", &new_id());
    alice.raw.call("PUT", &block, None).await.ok(200);
    keyed.call("PUT", &block, None).await.ok(200);
    gone(&alice.raw.call("DELETE", &block, None).await);
    keyed.call("PUT", &block, None).await.ok(200);
    assert_eq!(alice.raw.get("/api/v1/blocks").await.ok(200)["items"].as_array().map(Vec::len), Some(1));
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
