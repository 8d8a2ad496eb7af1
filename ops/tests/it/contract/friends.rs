//! Friend requests and friends.

use super::{FRIEND_REQUEST, Someone, has, is_id, is_time, text};
use natter_testkit::Stack;
use serde_json::json;

#[tokio::test]
async fn a_request_is_asked_listed_accepted_and_makes_friends() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;

    let body = json!({"to": bob.id, "message": "it's me"}).to_string();
    let asked = alice.raw.post("/api/v1/friends/requests", body.clone()).await;
    let position = asked.position();
    let request = asked.ok(201);
    has(&request, FRIEND_REQUEST);
    is_id(&request["id"]);
    is_time(&request["created_at"]);
    is_time(&request["expires_at"]);
    assert_eq!((&request["from"], &request["to"]), (&json!(alice.id), &json!(bob.id)));
    assert_eq!((&request["status"], &request["message"]), (&json!("pending"), &json!("it's me")));
    assert_eq!(request["conversation_id"], json!(null));

    alice.raw.post("/api/v1/friends/requests", body).await.refused(409, "request_repeated");
    for (someone, direction, count) in
        [(&bob, "in", 1), (&alice, "out", 1), (&bob, "out", 0), (&alice, "in", 0), (&carol, "in", 0)]
    {
        let path = format!("/api/v1/friends/requests?direction={direction}&status=pending");
        let listed = someone.raw.with("natter-position", &position).get(&path).await.ok(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(count), "{direction}: {listed}");
        assert_eq!(listed["next_cursor"], json!(null));
        assert!(listed["items"].as_array().is_some_and(|items| items.iter().all(|item| *item == request)));
    }

    let id = text(&request["id"]);
    let accept = format!("/api/v1/friends/requests/{id}/accept");
    alice.raw.post_nothing(&accept).await.refused(403, "forbidden");
    carol.raw.post_nothing(&accept).await.refused(404, "not_found");
    let accepted = bob.raw.post_nothing(&accept).await;
    let position = accepted.position();
    let accepted = accepted.ok(200);
    has(&accepted, FRIEND_REQUEST);
    assert_eq!((&accepted["id"], &accepted["status"]), (&request["id"], &json!("accepted")));
    is_id(&accepted["conversation_id"]);
    assert_eq!(bob.raw.post_nothing(&accept).await.ok(200), accepted, "accepting again is the same");
    bob.raw.post_nothing(&format!("/api/v1/friends/requests/{id}/reject")).await.refused(409, "request_closed");

    for (someone, friend, name) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        let listed = someone.raw.with("natter-position", &position).get("/api/v1/friends").await.ok(200);
        let items = listed["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{listed}");
        has(&items[0], &["account", "since", "conversation_id"]);
        assert_eq!((&items[0]["account"]["id"], &items[0]["account"]["username"]), (&json!(friend.id), &json!(name)));
        assert_eq!(items[0]["conversation_id"], accepted["conversation_id"]);
        is_time(&items[0]["since"]);
    }
    let again = json!({"to": alice.id}).to_string();
    bob.raw.post("/api/v1/friends/requests", again).await.refused(409, "already_friends");
}

#[tokio::test]
async fn a_rejected_request_is_closed() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let asked = alice.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.ok(201);
    let path = format!("/api/v1/friends/requests/{}", text(&asked["id"]));
    alice.raw.post_nothing(&format!("{path}/reject")).await.refused(403, "forbidden");
    let rejected = bob.raw.post_nothing(&format!("{path}/reject")).await;
    rejected.position();
    let rejected = rejected.ok(200);
    assert_eq!((&rejected["status"], &rejected["conversation_id"]), (&json!("rejected"), &json!(null)));
    bob.raw.post_nothing(&format!("{path}/accept")).await.refused(409, "request_closed");
}

#[tokio::test]
async fn asking_someone_who_has_asked_answers_200_with_the_accepted_request() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let asked = alice.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.ok(201);
    let crossed = bob.raw.post("/api/v1/friends/requests", json!({"to": alice.id}).to_string()).await.ok(200);
    assert_eq!((&crossed["id"], &crossed["status"]), (&asked["id"], &json!("accepted")));
    is_id(&crossed["conversation_id"]);
}
