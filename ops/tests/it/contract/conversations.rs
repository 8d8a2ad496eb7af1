//! Conversations, their list, and read cursors.

use super::{MESSAGE, OWN_CONVERSATION, Someone, has, new_id, text};
use natter_testkit::Stack;
use serde_json::json;

#[tokio::test]
async fn a_direct_conversation_is_opened_by_friends_and_seen_by_both() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let direct = json!({"kind": "direct", "with": bob.id}).to_string();
    alice.raw.post("/api/v1/conversations", direct.clone()).await.refused(403, "not_friends");
    let (id, position) = alice.befriends(&bob).await;

    let opened = alice.raw.post("/api/v1/conversations", direct).await;
    let conversation = opened.ok(200);
    assert_eq!(conversation["id"], json!(id), "one per pair, for ever");
    has(&conversation, OWN_CONVERSATION);
    for (someone, other) in [(&alice, &bob), (&bob, &alice)] {
        let reader = someone.raw.with("natter-position", &position);
        let own = reader.get(&format!("/api/v1/conversations/{id}")).await.ok(200);
        has(&own, OWN_CONVERSATION);
        assert_eq!((&own["kind"], &own["state"], &own["member_count"]), (&json!("direct"), &json!("open"), &json!(2)));
        assert_eq!(own["peer"]["id"], json!(other.id));
        let mut both = own["account_ids"].as_array().expect("account_ids").clone();
        both.sort_by_key(ToString::to_string);
        let mut expected = vec![json!(alice.id), json!(bob.id)];
        expected.sort_by_key(ToString::to_string);
        assert_eq!(both, expected);
        for (field, value) in
            [("last_seq", json!(0)), ("read_seq", json!(0)), ("unread", json!(0)), ("joined_seq", json!(0))]
        {
            assert_eq!(own[field], value, "{field}");
        }
        assert_eq!((&own["last_message"], &own["left_seq"]), (&json!(null), &json!(null)));
        let listed = reader.get("/api/v1/conversations").await.ok(200);
        assert_eq!(listed["items"], json!([own]));
        assert_eq!(listed["next_cursor"], json!(null));
    }
}

#[tokio::test]
async fn the_list_shows_the_last_message_and_what_is_unread_and_reading_moves_the_cursor() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    alice.says(&id, &new_id(), "one").await.ok(201);
    let position = alice.says(&id, &new_id(), "two").await.position();

    let path = format!("/api/v1/conversations/{id}");
    let own = bob.raw.with("natter-position", &position).get(&path).await.ok(200);
    assert_eq!((&own["last_seq"], &own["unread"], &own["read_seq"]), (&json!(2), &json!(2), &json!(0)));
    has(&own["last_message"], MESSAGE);
    assert_eq!(own["last_message"]["body"], json!({"kind": "text", "text": "two"}));

    let read = bob.raw.put(&format!("{path}/read"), json!({"seq": 1}).to_string()).await;
    let position = read.position();
    assert_eq!(read.ok(200), json!({"seq": 1}));
    let own = bob.raw.with("natter-position", &position).get(&path).await.ok(200);
    assert_eq!((&own["unread"], &own["read_seq"]), (&json!(1), &json!(1)));
    let back = bob.raw.put(&format!("{path}/read"), json!({"seq": 0}).to_string()).await;
    assert_eq!(back.ok(200), json!({"seq": 1}), "going back answers where it is");
    bob.raw.put(&format!("{path}/read"), json!({"seq": 3}).to_string()).await.invalid("/seq");
}

#[tokio::test]
async fn lists_come_in_pages_and_refuse_what_is_no_page() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = Someone::register(&node, "alice").await;
    let mut position = String::new();
    for name in ["bob", "carol", "dave"] {
        let friend = Someone::register(&node, name).await;
        position = alice.befriends(&friend).await.1;
    }
    let reader = alice.raw.with("natter-position", &position);
    for list in ["/api/v1/friends", "/api/v1/conversations", "/api/v1/friends/requests?direction=out"] {
        let sign = if list.contains('?') { '&' } else { '?' };
        let whole = reader.get(list).await.ok(200);
        assert_eq!(whole["items"].as_array().map(Vec::len), Some(3), "{list}: {whole}");
        let first = reader.get(&format!("{list}{sign}limit=2")).await.ok(200);
        assert_eq!(first["items"].as_array().map(Vec::len), Some(2), "{list}: {first}");
        let cursor = text(&first["next_cursor"]);
        let second = reader.get(&format!("{list}{sign}limit=2&cursor={cursor}")).await.ok(200);
        assert_eq!(second["next_cursor"], json!(null), "{list}");
        let both: Vec<_> =
            [&first, &second].iter().flat_map(|page| page["items"].as_array().expect("items").clone()).collect();
        assert_eq!(json!(both), whole["items"], "{list}");
        for limit in ["0", "201", "-1", "x", "1000000000", ""] {
            reader.get(&format!("{list}{sign}limit={limit}")).await.invalid("/limit");
        }
        for cursor in ["x", "1%3Bdrop%20table", "", "AAAA"] {
            reader.get(&format!("{list}{sign}cursor={cursor}")).await.invalid("/cursor");
        }
    }
}
