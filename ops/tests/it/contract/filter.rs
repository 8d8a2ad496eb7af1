//! Looking through one conversation.

use super::{Someone, new_id, text};
use natter_testkit::{Stack, client::new_id as id};
use serde_json::{Value, json};

fn words(words: &str) -> Value {
    json!({"message_id": new_id(), "body": {"kind": "text", "text": words}})
}

fn of(body: &Value) -> Value {
    json!({"message_id": new_id(), "body": body})
}

#[tokio::test]
async fn messages_are_found_by_who_what_when_and_with_what() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (conversation, _) = alice.befriends(&bob).await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let mut times = Vec::new();
    let mut position = String::new();
    let mentioning = json!({"message_id": new_id(), "body": {"kind": "text", "text": "you"}, "mentions": [bob.id]});
    for (who, message) in [
        (&alice, words("plain")),                                                 // 1
        (&bob, words("see HTTPS://example.org")),                                 // 2
        (&alice, of(&json!({"kind": "image", "file_id": id()}))),                 // 3
        (&alice, of(&json!({"kind": "link", "url": "http://example.org"}))),      // 4
        (&bob, of(&json!({"kind": "voice", "file_id": id(), "duration_ms": 1}))), // 5
        (&alice, mentioning),                                                     // 6
        (&alice, words("ftp://example.org is no link here")),                     // 7
    ] {
        let reply = who.raw.post(&path, message.to_string()).await;
        position = reply.position();
        times.push(text(&reply.ok(201)["sent_at"]));
    }
    let found = async |who: &Someone, position: &str, query: &str| -> Vec<u64> {
        let page = who.raw.with("natter-position", position).get(&format!("{path}/filter?{query}")).await.ok(200);
        assert_eq!(page["next_cursor"], json!(null), "{query}");
        page["items"].as_array().expect("items").iter().map(|it| it["seq"].as_u64().expect("a number")).collect()
    };
    for (query, expected) in [
        (String::new(), vec![7, 6, 5, 4, 3, 2, 1]),
        (format!("sender={}", bob.id), vec![5, 2]),
        ("kind=text".to_owned(), vec![7, 6, 2, 1]),
        ("kind=image".to_owned(), vec![3]),
        ("kind=system".to_owned(), vec![]),
        ("has=file".to_owned(), vec![5, 3]),
        ("has=link".to_owned(), vec![4, 2]),
        (format!("has=file&sender={}", alice.id), vec![3]),
        (format!("since={}", times[4]), (5..=7).rev().filter(|n| times[*n as usize - 1] >= times[4]).collect()),
        (format!("until={}", times[0]), vec![]),
        ("since=2100-01-01T00:00:00Z".to_owned(), vec![]),
        ("until=2100-01-01T00:00:00Z&kind=voice".to_owned(), vec![5]),
    ] {
        assert_eq!(found(&bob, &position, &query).await, expected, "{query:?}");
    }
    assert_eq!(found(&bob, &position, "mentions=me").await, [6]);
    assert_eq!(found(&alice, &position, "mentions=me").await, [0; 0]);
    assert_eq!(found(&bob, &position, "mentions=me&kind=image").await, [0; 0]);

    let reader = bob.raw.with("natter-position", &position);
    let first = reader.get(&format!("{path}/filter?limit=2&kind=text")).await.ok(200);
    let cursor = text(&first["next_cursor"]);
    let rest = reader.get(&format!("{path}/filter?limit=2&kind=text&cursor={cursor}")).await.ok(200);
    let seqs =
        |page: &Value| page["items"].as_array().expect("items").iter().map(|it| it["seq"].clone()).collect::<Vec<_>>();
    assert_eq!((json!(seqs(&first)), json!(seqs(&rest))), (json!([7, 6]), json!([2, 1])));
    for (query, pointer) in [
        ("sender=x", "/sender"),
        ("kind=poll", "/kind"),
        ("since=x", "/since"),
        ("has=x", "/has"),
        ("cursor=x", "/cursor"),
    ] {
        reader.get(&format!("{path}/filter?{query}")).await.invalid(pointer);
    }
}

#[tokio::test]
async fn what_is_edited_or_recalled_is_found_as_it_is_now_and_nobody_finds_what_they_do_not_see() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    let (_, seen) = alice.befriends(&bob).await;
    let (_, too) = alice.befriends(&carol).await;
    let new = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let seen = alice.raw.with("natter-position", &format!("{seen},{too}"));
    let group = text(&seen.post("/api/v1/conversations", new).await.ok(201)["id"]);
    let path = format!("/api/v1/conversations/{group}/messages");
    let (one, two) = (words("https://example.org"), words("no link"));
    alice.raw.post(&path, one.to_string()).await.ok(201);
    alice.raw.post(&path, two.to_string()).await.ok(201);
    let edit = async |message: &Value, words: &str| {
        let body = json!({"body": {"kind": "text", "text": words}}).to_string();
        alice
            .raw
            .with("content-type", "application/json")
            .call("PATCH", &format!("{path}/{}", text(&message["message_id"])), Some(body.into()))
            .await
            .position()
    };
    edit(&one, "no link any more").await;
    let position = edit(&two, "now http://example.org").await;
    let found = async |who: &Someone, position: &str| {
        let page = who.raw.with("natter-position", position).get(&format!("{path}/filter?has=link")).await.ok(200);
        page["items"].as_array().expect("items").iter().map(|it| it["seq"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(json!(found(&bob, &position).await), json!([3]));
    let members = format!("/api/v1/conversations/{group}/members");
    let added = alice.raw.post(&members, json!({"account_ids": [carol.id]}).to_string()).await;
    let position = added.position();
    added.ok(200);
    assert_eq!(json!(found(&carol, &position).await), json!([]), "from before her time");
    let recalled = alice.raw.call("DELETE", &format!("{path}/{}", text(&two["message_id"])), None).await;
    assert_eq!(json!(found(&bob, &recalled.position()).await), json!([]));
    carol
        .raw
        .get("/api/v1/conversations/00000000-0000-0000-0000-000000000001/messages/filter")
        .await
        .refused(404, "not_found");
}
