//! Messages over REST.

use super::{MESSAGE, Someone, has, is_id, is_time, new_id};
use natter_testkit::Stack;
use serde_json::json;

#[tokio::test]
async fn a_message_is_sent_once_whatever_its_sender_repeats() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;

    let message_id = new_id();
    let sent = alice.says(&id, &message_id, "hi").await;
    let position = sent.position();
    let first = sent.ok(201);
    has(&first, &["message_id", "seq", "sent_at"]);
    assert_eq!((&first["message_id"], &first["seq"]), (&json!(message_id), &json!(1)));
    is_time(&first["sent_at"]);

    let again = alice.says(&id, &message_id, "hi").await;
    assert_eq!(again.ok(200), first, "the same again: 200 and the first answer");
    alice.says(&id, &message_id, "something else").await.refused(409, "conflict");
    bob.says(&id, &message_id, "hi").await.refused(409, "conflict");
    // A key beside the message's id is not looked at.
    let path = format!("/api/v1/conversations/{id}/messages");
    let keyed = alice.raw.with("idempotency-key", &new_id()).post(&path, super::message(&message_id, "hi")).await;
    assert_eq!(keyed.ok(200), first);

    let listed = bob.raw.with("natter-position", &position).get(&path).await.ok(200);
    let items = listed["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{listed}");
    has(&items[0], MESSAGE);
    is_id(&items[0]["message_id"]);
    assert_eq!((&items[0]["seq"], &items[0]["sender"]), (&json!(1), &json!(alice.id)));
    assert_eq!(items[0]["body"], json!({"kind": "text", "text": "hi"}));
    assert_eq!((&items[0]["conversation_id"], &items[0]["sent_at"]), (&json!(id), &first["sent_at"]));
    assert_eq!((&items[0]["edited_at"], &items[0]["recalled_at"]), (&json!(null), &json!(null)));
    let one = bob.raw.get(&format!("{path}/{message_id}")).await.ok(200);
    assert_eq!(one, items[0]);
    bob.raw.get(&format!("{path}/{}", new_id())).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_same_message_id_in_another_conversation_is_another_message() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    let ((one, _), (two, _)) = (alice.befriends(&bob).await, alice.befriends(&carol).await);
    let message_id = new_id();
    alice.says(&one, &message_id, "hi").await.ok(201);
    alice.says(&two, &message_id, "hi").await.ok(201);
}

#[tokio::test]
async fn ranges_are_exclusive_newest_first_or_oldest_first_behind_a_number() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    let mut position = String::new();
    for number in 1..=5 {
        position = alice.says(&id, &new_id(), &number.to_string()).await.position();
    }
    let reader = bob.raw.with("natter-position", &position);
    for (query, expected) in [
        ("", json!([5, 4, 3, 2, 1])),
        ("?limit=2", json!([5, 4])),
        ("?before_seq=3", json!([2, 1])),
        ("?after_seq=3", json!([4, 5])),
        ("?after_seq=1&limit=2", json!([2, 3])),
        ("?after_seq=1&before_seq=4", json!([2, 3])),
        ("?after_seq=5", json!([])),
        ("?after_seq=999", json!([])),
        ("?around_seq=3&limit=3", json!([2, 3, 4])),
        ("?around_seq=3&limit=2", json!([2, 3])),
        ("?around_seq=1&limit=3", json!([1, 2, 3])),
        ("?around_seq=5&limit=3", json!([4, 5])),
        ("?around_seq=3", json!([1, 2, 3, 4, 5])),
    ] {
        let listed = reader.get(&format!("/api/v1/conversations/{id}/messages{query}")).await.ok(200);
        let seqs: Vec<_> = listed["items"].as_array().expect("items").iter().map(|item| item["seq"].clone()).collect();
        assert_eq!(json!(seqs), expected, "{query:?}");
    }
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("after_seq=x", "/after_seq"),
        ("before_seq=-1", "/before_seq"),
        ("around_seq=x", "/around_seq"),
        ("around_seq=2&after_seq=1", "/around_seq"),
        ("around_seq=2&before_seq=4", "/around_seq"),
    ] {
        reader.get(&format!("/api/v1/conversations/{id}/messages?{query}")).await.invalid(pointer);
    }
}

#[tokio::test]
async fn messages_are_looked_up_by_their_ids_in_the_order_asked_and_as_seen_by_who_left() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    let (_, seen) = alice.befriends(&bob).await;
    let new = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let group = alice.raw.with("natter-position", &seen).post("/api/v1/conversations", new).await.ok(201);
    let id = super::text(&group["id"]);
    let path = format!("/api/v1/conversations/{id}/messages");
    let ids: Vec<String> = (0..4).map(|_| new_id()).collect();
    for message_id in &ids[..3] {
        alice.says(&id, message_id, "before").await.ok(201);
    }
    let left = bob.raw.call("DELETE", &format!("/api/v1/conversations/{id}/members/me"), None).await;
    assert_eq!(left.status, 204);
    alice.says(&id, &ids[3], "behind his back").await.ok(201);
    let body = json!({"body": {"kind": "text", "text": "edited"}}).to_string();
    let edited = alice
        .raw
        .with("content-type", "application/json")
        .call("PATCH", &format!("{path}/{}", ids[1]), Some(body.into_bytes()))
        .await;
    edited.ok(200);
    let asked = json!({"ids": [ids[3], ids[2], new_id(), ids[0], ids[2], ids[1]]}).to_string();
    for (reader, expected) in [
        (&alice, vec![(&ids[3], "behind his back"), (&ids[2], "before"), (&ids[0], "before"), (&ids[1], "edited")]),
        (&bob, vec![(&ids[2], "before"), (&ids[0], "before"), (&ids[1], "before")]),
    ] {
        let reader = reader.raw.with("natter-position", &edited.position());
        let found = reader.post(&format!("{path}/lookup"), asked.clone()).await.ok(200);
        let items = found["items"].as_array().expect("items");
        let shown: Vec<_> = items.iter().map(|it| (it["message_id"].clone(), it["body"]["text"].clone())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(id, words)| (json!(id), json!(words))).collect();
        assert_eq!(shown, expected);
        for item in items {
            has(item, MESSAGE);
            let one = reader.get(&format!("{path}/{}", super::text(&item["message_id"]))).await.ok(200);
            assert_eq!(item, &one, "the same as alone");
        }
    }
    let jump = bob.raw.with("natter-position", &edited.position()).get(&format!("{path}?around_seq=99&limit=4")).await;
    let items = jump.ok(200)["items"].clone();
    let seqs: Vec<_> = items.as_array().expect("items").iter().map(|item| item["seq"].clone()).collect();
    assert_eq!(json!(seqs), json!([4, 5]), "the last that he may see");
    carol.raw.post(&format!("{path}/lookup"), asked).await.refused(404, "not_found");
    let many = json!({"ids": vec![ids[0].clone(); 101]}).to_string();
    bob.raw.post(&format!("{path}/lookup"), many).await.invalid("/ids");
}

#[tokio::test]
async fn a_text_comes_back_byte_for_byte() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (id, _) = alice.befriends(&bob).await;
    let longest = "x".repeat(16_384);
    let wide = "\u{1f600}".repeat(4_096);
    for words in [
        " ",
        "\n\t\r",
        "' OR 1=1--",
        "<script>alert(1)</script>",
        "$1 %s {} {{0}}",
        "\u{202e}RTL",
        "e\u{301} \u{e9}",
        "\u{fdfd}\u{200b}",
        "\\u0000",
        "\u{1}\u{7f}\u{fffd}\u{feff}",
        longest.as_str(),
        wide.as_str(),
    ] {
        let message_id = new_id();
        let position = alice.says(&id, &message_id, words).await;
        position.ok(201);
        let reader = bob.raw.with("natter-position", &position.position());
        let read = reader.get(&format!("/api/v1/conversations/{id}/messages/{message_id}")).await.ok(200);
        assert_eq!(read["body"]["text"], json!(words));
    }
}
