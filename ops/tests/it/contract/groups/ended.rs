//! What a group leaves behind that has ended: what people had set of it for themselves.

use super::{gone, group, patch, path, text};
use crate::contract::{Someone, new_id};
use natter_testkit::{BOUND, Options, Stack, eventually};
use serde_json::json;

#[tokio::test]
async fn what_was_set_of_a_group_that_has_ended_is_taken_back() {
    let stack = Stack::new().await;
    let more = vec![("NATTER_DISSOLVED_DAYS", "0".to_owned())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let id = text(&alice.raw.post("/api/v1/conversations", group("us", &[])).await.ok(201)["id"]);
    let inbox = path(&id, "/inbox");
    patch(&alice, &inbox, &json!({"folder": "work", "draft": "not sent"})).await.ok(200);
    let keyed = alice.raw.with("idempotency-key", &new_id()).with("content-type", "application/json");
    let pin = || Some(json!({"pinned": true}).to_string().into_bytes());
    keyed.call("PATCH", &inbox, pin()).await.ok(200);
    gone(&alice.raw.call("DELETE", &path(&id, ""), None).await);
    eventually("it has ended, and that is to be seen", BOUND, async || {
        let ended = "SELECT count(*) FROM events WHERE aggregate_type = 'conversation' AND event_type = 'ended'";
        let ended: i64 = sqlx::query_scalar(ended).fetch_one(stack.pool()).await.expect("look at the log");
        let read = alice.raw.get(&path(&id, "")).await;
        if (ended, read.status) == (1, 404) { Ok(()) } else { Err(read.text()) }
    })
    .await;

    let count = stack.event_count().await;
    gone(&keyed.call("PATCH", &inbox, pin()).await);
    for what in [json!({"pinned": true}), json!({"archived": true}), json!({"draft": "x"}), json!({"archived": false})]
    {
        patch(&alice, &inbox, &what).await.refused(404, "not_found");
    }
    patch(&bob, &inbox, &json!({"pinned": false})).await.refused(404, "not_found");
    bob.raw.call("DELETE", &inbox, None).await.refused(404, "not_found");
    assert_eq!(stack.event_count().await, count);

    gone(&patch(&alice, &inbox, &json!({"pinned": false})).await);
    assert_eq!(stack.event_count().await, count + 1);
    patch(&alice, &inbox, &json!({"pinned": false})).await.refused(404, "not_found");
    let cleared = alice.raw.call("DELETE", &inbox, None).await;
    gone(&cleared);
    assert_eq!(stack.event_count().await, count + 3, "the folder and the draft");
    alice.raw.call("DELETE", &inbox, None).await.refused(404, "not_found");
    let synced = alice.raw.with("natter-position", &cleared.position()).get("/api/v1/sync").await.ok(200);
    assert!(!synced["conversations"].to_string().contains(&id), "{synced}");
}
