//! What a message answers, whom it mentions, and messages that are passed on.

use super::{Someone, new_id, text};
use natter_testkit::{Node, Reply, Stack};
use serde_json::{Value, json};

/// Alice owns a group of herself, bob and carol; dave is her friend and not in it.
struct Scene {
    _stack: Stack,
    _node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    dave: Someone,
    group: String,
    /// Of alice with dave.
    direct: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let [alice, bob, carol, dave] =
            futures::future::join_all(["alice", "bob", "carol", "dave"].map(|name| Someone::register(&node, name)))
                .await
                .try_into()
                .unwrap_or_else(|_| panic!("four people"));
        let (_, one) = alice.befriends(&bob).await;
        let (_, two) = alice.befriends(&carol).await;
        let (direct, _) = alice.befriends(&dave).await;
        let new = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id]}).to_string();
        let seen = alice.raw.with("natter-position", &format!("{one},{two}"));
        let group = text(&seen.post("/api/v1/conversations", new).await.ok(201)["id"]);
        Self { _stack: stack, _node: node, alice, bob, carol, dave, group, direct }
    }

    async fn sends(&self, who: &Someone, conversation: &str, message: Value) -> Reply {
        who.raw.post(&format!("/api/v1/conversations/{conversation}/messages"), message.to_string()).await
    }

    /// A text's id, and where it can be read.
    async fn says(&self, who: &Someone, words: &str) -> (String, String) {
        let id = new_id();
        let position = who.says(&self.group, &id, words).await.position();
        (id, position)
    }

    async fn reads(&self, who: &Someone, position: &str, message: &str) -> Value {
        let path = format!("/api/v1/conversations/{}/messages/{message}", self.group);
        who.raw.with("natter-position", position).get(&path).await.ok(200)
    }
}

fn said(words: &str, more: &Value) -> Value {
    let mut message = json!({"message_id": new_id(), "body": {"kind": "text", "text": words}});
    message.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    message
}

#[tokio::test]
async fn an_answer_quotes_what_it_answers_as_it_stood_then() {
    let scene = Scene::new().await;
    let (first, _) = scene.says(&scene.alice, &"before ".repeat(40)).await;
    let answer = said("yes", &json!({"reply_to": first}));
    let reply = scene.sends(&scene.bob, &scene.group, answer.clone()).await;
    let position = reply.position();
    let sent = reply.ok(201);
    let again = scene.sends(&scene.bob, &scene.group, answer.clone()).await;
    assert_eq!(again.ok(200), sent, "the same again: 200 and the first answer");
    let other = json!({"message_id": answer["message_id"], "body": answer["body"]});
    scene.sends(&scene.bob, &scene.group, other).await.refused(409, "conflict");

    let id = text(&answer["message_id"]);
    let seen = scene.reads(&scene.carol, &position, &id).await;
    let quote = &seen["reply_to"];
    assert_eq!((&quote["message_id"], &quote["sender"]), (&json!(first), &json!(scene.alice.id)));
    let excerpt = text(&quote["excerpt"]);
    assert!(excerpt.starts_with("before before") && excerpt.chars().count() == 100, "{excerpt}");
    let plain = scene.reads(&scene.carol, &position, &first).await;
    assert_eq!((&plain["reply_to"], &plain["mentions"]), (&json!(null), &json!([])));

    let path = format!("/api/v1/conversations/{}/messages/{first}", scene.group);
    let edit = json!({"body": {"kind": "text", "text": "after"}}).to_string();
    let edited = scene.alice.raw.with("content-type", "application/json").call("PATCH", &path, Some(edit.into())).await;
    let position = edited.position();
    edited.ok(200);
    let seen = scene.reads(&scene.carol, &position, &id).await;
    assert_eq!(text(&seen["reply_to"]["excerpt"]), excerpt, "as it stood then");
    let later = said("and now", &json!({"reply_to": first}));
    let position = scene.sends(&scene.bob, &scene.group, later.clone()).await.position();
    let seen = scene.reads(&scene.carol, &position, &text(&later["message_id"])).await;
    assert_eq!(seen["reply_to"]["excerpt"], "after");
}

#[tokio::test]
async fn what_was_recalled_is_quoted_no_more_and_answered_no_more() {
    let scene = Scene::new().await;
    let (first, _) = scene.says(&scene.alice, "a secret").await;
    let answer = said("what?", &json!({"reply_to": first}));
    scene.sends(&scene.bob, &scene.group, answer.clone()).await.ok(201);
    let path = format!("/api/v1/conversations/{}/messages/{first}", scene.group);
    let recalled = scene.alice.raw.call("DELETE", &path, None).await;
    assert_eq!(recalled.status, 204);
    let position = recalled.position();
    let seen = scene.reads(&scene.bob, &position, &text(&answer["message_id"])).await;
    assert_eq!((&seen["reply_to"]["message_id"], &seen["reply_to"]["excerpt"]), (&json!(first), &json!(null)));
    let listed = format!("/api/v1/conversations/{}/messages", scene.group);
    let page = scene.bob.raw.with("natter-position", &position).get(&listed).await.ok(200);
    assert!(!page.to_string().contains("a secret"), "{page}");
    let again = said("what?", &json!({"reply_to": first}));
    scene.sends(&scene.bob, &scene.group, again).await.refused(409, "recalled");
    // What was sent before the recall is answered again as it was then.
    scene.sends(&scene.bob, &scene.group, answer).await.ok(200);
}

#[tokio::test]
async fn what_somebody_does_not_see_is_neither_answered_nor_quoted_to_them() {
    let scene = Scene::new().await;
    let (old, _) = scene.says(&scene.alice, "before dave").await;
    let added = json!({"account_ids": [scene.dave.id]}).to_string();
    let members = format!("/api/v1/conversations/{}/members", scene.group);
    scene.alice.raw.post(&members, added).await.ok(200);
    let answer = said("as I said", &json!({"reply_to": old}));
    let position = scene.sends(&scene.alice, &scene.group, answer.clone()).await.position();
    let id = text(&answer["message_id"]);
    let to_bob = scene.reads(&scene.bob, &position, &id).await;
    assert_eq!(to_bob["reply_to"]["excerpt"], "before dave");
    let to_dave = scene.reads(&scene.dave, &position, &id).await;
    assert_eq!((&to_dave["reply_to"]["excerpt"], &to_dave["body"]["text"]), (&json!(null), &json!("as I said")));

    let of_dave = |message: &str| said("hm", &json!({"reply_to": message}));
    scene.sends(&scene.dave, &scene.group, of_dave(&old)).await.invalid("/reply_to");
    scene.sends(&scene.dave, &scene.group, of_dave(&new_id())).await.invalid("/reply_to");
    let elsewhere = new_id();
    scene.alice.says(&scene.direct, &elsewhere, "between us").await.ok(201);
    scene.sends(&scene.dave, &scene.group, of_dave(&elsewhere)).await.invalid("/reply_to");
    scene.sends(&scene.dave, &scene.group, said("x", &json!({"reply_to": "x"}))).await.invalid("/reply_to");
}

#[tokio::test]
async fn mentions_are_counted_for_whom_they_name() {
    let scene = Scene::new().await;
    let own = async |who: &Someone, position: &str| {
        let path = format!("/api/v1/conversations/{}", scene.group);
        let own = who.raw.with("natter-position", position).get(&path).await.ok(200);
        (own["unread"].as_u64().expect("a number"), own["mentions"].as_u64().expect("a number"))
    };
    let named = said("look", &json!({"mentions": [scene.bob.id, scene.bob.id]}));
    let position = scene.sends(&scene.carol, &scene.group, named.clone()).await.position();
    assert_eq!((own(&scene.bob, &position).await.1, own(&scene.alice, &position).await.1), (1, 0));
    let seen = scene.reads(&scene.alice, &position, &text(&named["message_id"])).await;
    assert_eq!(seen["mentions"], json!([scene.bob.id]));

    let all = said("everybody", &json!({"mentions": ["all", scene.bob.id], "silent": true}));
    let position = scene.sends(&scene.alice, &scene.group, all.clone()).await.position();
    assert_eq!(own(&scene.bob, &position).await.1, 2, "each message once");
    assert_eq!((own(&scene.carol, &position).await.1, own(&scene.alice, &position).await.1), (1, 0), "not one's own");
    let seen = scene.reads(&scene.bob, &position, &text(&all["message_id"])).await;
    assert_eq!((&seen["mentions"], &seen["silent"]), (&json!([scene.bob.id, "all"]), &json!(true)));

    let owner = said("you there", &json!({"mentions": ["owner"]}));
    let position = scene.sends(&scene.bob, &scene.group, owner).await.position();
    assert_eq!((own(&scene.alice, &position).await.1, own(&scene.carol, &position).await.1), (1, 1));

    let recall = format!("/api/v1/conversations/{}/messages/{}", scene.group, text(&all["message_id"]));
    let position = scene.alice.raw.call("DELETE", &recall, None).await.position();
    assert_eq!((own(&scene.bob, &position).await.1, own(&scene.carol, &position).await.1), (1, 0));
    let (unread, _) = own(&scene.bob, &position).await;
    let read = json!({"seq": seen["seq"]}).to_string();
    let path = format!("/api/v1/conversations/{}/read", scene.group);
    let position = scene.bob.raw.put(&path, read).await.position();
    let (left, mentions) = own(&scene.bob, &position).await;
    assert!(left < unread && mentions == 0, "{left} {mentions}");
}

#[tokio::test]
async fn who_may_mention_whom() {
    let scene = Scene::new().await;
    let mentions = |some: Value| said("hi", &json!({"mentions": some}));
    scene.sends(&scene.bob, &scene.group, mentions(json!(["all"]))).await.refused(403, "not_allowed");
    scene.sends(&scene.bob, &scene.group, mentions(json!([scene.dave.id]))).await.invalid("/mentions");
    scene.sends(&scene.bob, &scene.group, mentions(json!([new_id()]))).await.invalid("/mentions");
    scene.sends(&scene.bob, &scene.group, mentions(json!(["everyone"]))).await.invalid("/mentions/0");
    let many: Vec<String> = (0..101).map(|_| new_id()).collect();
    scene.sends(&scene.bob, &scene.group, mentions(json!(many))).await.invalid("/mentions");
    scene.sends(&scene.alice, &scene.direct, mentions(json!(["admin"]))).await.refused(403, "forbidden");
    scene.sends(&scene.alice, &scene.direct, mentions(json!([scene.bob.id]))).await.invalid("/mentions");
    scene.sends(&scene.alice, &scene.direct, mentions(json!(["all", scene.dave.id]))).await.ok(201);
}
