//! What was said in one conversation is said in another.

use super::{Someone, new_id, text};
use natter_testkit::{Reply, Stack};
use serde_json::{Value, json};

struct Scene {
    stack: Stack,
    _node: natter_testkit::Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    /// Of alice with bob, and of alice with carol.
    from: String,
    to: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let carol = Someone::register(&node, "carol").await;
        let ((from, _), (to, _)) = (alice.befriends(&bob).await, alice.befriends(&carol).await);
        Self { stack, _node: node, alice, bob, carol, from, to }
    }

    async fn forwards(&self, who: &Someone, to: &str, forward: &Value) -> Reply {
        who.raw.post(&format!("/api/v1/conversations/{to}/messages/forward"), forward.to_string()).await
    }

    async fn says(&self, who: &Someone, words: &str) -> String {
        let id = new_id();
        who.says(&self.from, &id, words).await.ok(201);
        id
    }

    async fn page(&self, who: &Someone, conversation: &str, position: &str) -> Vec<Value> {
        let path = format!("/api/v1/conversations/{conversation}/messages?after_seq=0");
        let page = who.raw.with("natter-position", position).get(&path).await.ok(200);
        page["items"].as_array().expect("items").clone()
    }
}

fn each(from: &str, sources: &[&String]) -> Value {
    let messages: Vec<Value> = sources.iter().map(|id| json!({"message_id": new_id(), "source_id": id})).collect();
    json!({"from": from, "messages": messages})
}

fn merged(from: &str, sources: &[&String]) -> Value {
    json!({"from": from, "merged": {"message_id": new_id(), "source_ids": sources}})
}

#[tokio::test]
async fn several_are_forwarded_one_by_one_in_their_order_and_once() {
    let scene = Scene::new().await;
    let (one, two) = (scene.says(&scene.alice, "one").await, scene.says(&scene.bob, "two").await);
    let forward = each(&scene.from, &[&two, &one]);
    let reply = scene.forwards(&scene.alice, &scene.to, &forward).await;
    let position = reply.position();
    let first = reply.ok(201);
    assert_eq!(first["items"][0]["message_id"], forward["messages"][0]["message_id"]);
    let page = scene.page(&scene.carol, &scene.to, &position).await;
    let told: Vec<_> = page.iter().map(|it| (text(&it["body"]["text"]), it["forwarded"] == json!(true))).collect();
    assert_eq!(told, [("two".to_owned(), true), ("one".to_owned(), true)]);
    assert!(page.iter().all(|it| it["sender"] == json!(scene.alice.id)), "{page:?}");

    // The same again is the same, whatever has become of the sources.
    let path = format!("/api/v1/conversations/{}/messages/{one}", scene.from);
    let edit = json!({"body": {"kind": "text", "text": "edited"}}).to_string();
    scene.alice.raw.with("content-type", "application/json").call("PATCH", &path, Some(edit.into())).await.ok(200);
    assert_eq!(scene.forwards(&scene.alice, &scene.to, &forward).await.ok(200), first);
    assert_eq!(scene.alice.raw.call("DELETE", &path, None).await.status, 204);
    assert_eq!(scene.forwards(&scene.alice, &scene.to, &forward).await.ok(200), first);
    let mut other = forward.clone();
    other["messages"][0]["source_id"] = json!(one);
    scene.forwards(&scene.alice, &scene.to, &other).await.refused(409, "conflict");
}

#[tokio::test]
async fn several_are_put_together_the_oldest_first() {
    let scene = Scene::new().await;
    let (one, two) = (scene.says(&scene.alice, "one").await, scene.says(&scene.bob, "two").await);
    let reply = scene.forwards(&scene.alice, &scene.to, &merged(&scene.from, &[&two, &one])).await;
    let position = reply.position();
    reply.ok(201);
    let page = scene.page(&scene.carol, &scene.to, &position).await;
    let body = &page[0]["body"];
    assert_eq!((page.len(), &body["kind"], &page[0]["forwarded"]), (1, &json!("merged"), &json!(true)));
    let told: Vec<_> = body["items"].as_array().expect("items").iter().map(|it| (&it["sender"], &it["body"])).collect();
    let expected = [
        (&json!(scene.alice.id), &json!({"kind": "text", "text": "one"})),
        (&json!(scene.bob.id), &json!({"kind": "text", "text": "two"})),
    ];
    assert_eq!(told, expected);
    super::is_time(&body["items"][0]["sent_at"]);
}

#[tokio::test]
async fn what_is_put_together_lies_three_deep_at_the_most() {
    let scene = Scene::new().await;
    let mut last = scene.says(&scene.alice, "the first").await;
    for depth in 1..=4 {
        let forward = merged(&scene.from, &[&last]);
        let reply = scene.forwards(&scene.alice, &scene.from, &forward).await;
        if depth == 4 {
            reply.invalid("/merged/source_ids");
        } else {
            reply.ok(201);
        }
        last = text(&forward["merged"]["message_id"]);
    }
}

#[tokio::test]
async fn nobody_forwards_what_they_do_not_see_or_what_is_nobodys_to_pass_on() {
    let scene = Scene::new().await;
    let one = scene.says(&scene.alice, "one").await;
    let before = scene.stack.event_count().await;
    scene.forwards(&scene.carol, &scene.to, &each(&scene.from, &[&one])).await.refused(404, "not_found");
    scene.forwards(&scene.bob, &scene.to, &each(&scene.from, &[&one])).await.refused(404, "not_found");
    let unknown = new_id();
    let forward = each(&scene.from, &[&one, &unknown]);
    scene.forwards(&scene.alice, &scene.to, &forward).await.invalid("/messages/1/source_id");
    let forward = merged(&scene.from, &[&unknown]);
    scene.forwards(&scene.alice, &scene.to, &forward).await.invalid("/merged/source_ids/0");
    let many: Vec<String> = (0..1_000).map(|_| new_id()).collect();
    let many: Vec<&String> = many.iter().collect();
    scene.forwards(&scene.alice, &scene.to, &merged(&scene.from, &many)).await.invalid("/merged/source_ids");
    scene.forwards(&scene.alice, &scene.to, &each(&scene.from, &many)).await.invalid("/messages");
    scene.forwards(&scene.alice, &scene.to, &json!({"from": scene.from})).await.invalid("/messages");
    assert_eq!(scene.stack.event_count().await, before, "nothing of it was written");

    let opaque = json!({"message_id": new_id(), "body": {"kind": "opaque", "algorithm": "x", "ciphertext": "eA"}});
    let path = format!("/api/v1/conversations/{}/messages", scene.from);
    scene.alice.raw.post(&path, opaque.to_string()).await.ok(201);
    let secret = text(&opaque["message_id"]);
    let forward = each(&scene.from, &[&secret]);
    scene.forwards(&scene.alice, &scene.to, &forward).await.invalid("/messages/0/source_id");
    let gone = scene.says(&scene.alice, "gone").await;
    assert_eq!(scene.alice.raw.call("DELETE", &format!("{path}/{gone}"), None).await.status, 204);
    scene.forwards(&scene.alice, &scene.to, &each(&scene.from, &[&gone])).await.refused(409, "recalled");
}
