//! Threads: replies under a message.

use super::{Someone, new_id, text};
use natter_testkit::{Node, Stack};
use serde_json::{Value, json};

/// Alice owns a group of herself, bob and carol; its first message of hers has a thread.
struct Scene {
    _stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    group: String,
    root: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let carol = Someone::register(&node, "carol").await;
        let ((_, one), (_, two)) = (alice.befriends(&bob).await, alice.befriends(&carol).await);
        let new = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id]}).to_string();
        let seen = alice.raw.with("natter-position", &format!("{one},{two}"));
        let group = text(&seen.post("/api/v1/conversations", new).await.ok(201)["id"]);
        let root = new_id();
        alice.says(&group, &root, "what do you think?").await.ok(201);
        Self { _stack: stack, node, alice, bob, carol, group, root }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/conversations/{}/messages{rest}", self.group)
    }

    /// The reply's id and number, and where it can be read.
    async fn replies(&self, who: &Someone, under: &str, words: &str) -> (String, u64, String) {
        let id = new_id();
        let message = json!({"message_id": id, "body": {"kind": "text", "text": words}, "thread": under});
        let reply = who.raw.post(&self.path(""), message.to_string()).await;
        let position = reply.position();
        (id, reply.ok(201)["seq"].as_u64().expect("a number"), position)
    }

    /// The thread as somebody sees it at its root.
    async fn summary(&self, who: &Someone, position: &str) -> Value {
        let read = who.raw.with("natter-position", position).get(&self.path(&format!("/{}", self.root))).await;
        read.ok(200)["thread_summary"].clone()
    }

    async fn thread(&self, who: &Someone, position: &str, query: &str) -> Vec<String> {
        let path = self.path(&format!("/{}/thread{query}", self.root));
        let page = who.raw.with("natter-position", position).get(&path).await.ok(200);
        page["items"].as_array().expect("items").iter().map(|it| text(&it["body"]["text"])).collect()
    }

    async fn followed(&self, who: &Someone, position: &str, query: &str) -> Vec<Value> {
        let page = who.raw.with("natter-position", position).get(&format!("/api/v1/threads{query}")).await.ok(200);
        page["items"].as_array().expect("items").clone()
    }
}

#[tokio::test]
async fn replies_are_messages_of_the_conversation_and_of_their_thread() {
    let scene = Scene::new().await;
    let (first, seq, _) = scene.replies(&scene.bob, &scene.root, "one").await;
    let (second, ..) = scene.replies(&scene.carol, &first, "two, under the first").await;
    let (_, last, position) = scene.replies(&scene.alice, &scene.root, "three").await;
    let reader = scene.bob.raw.with("natter-position", &position);
    let of_second = reader.get(&scene.path(&format!("/{second}"))).await.ok(200);
    assert_eq!(of_second["thread"]["message_id"], json!(scene.root), "a reply's thread is its root's");
    let page = reader.get(&scene.path("?after_seq=1&limit=2")).await.ok(200);
    assert_eq!(page["items"][0]["thread_summary"]["replies"], 3);
    assert_eq!((&page["items"][1]["seq"], &page["items"][1]["thread_summary"]), (&json!(seq), &Value::Null));

    assert_eq!(scene.thread(&scene.bob, &position, "").await, ["three", "two, under the first", "one"]);
    assert_eq!(scene.thread(&scene.bob, &position, "?after_seq=0&limit=2").await, ["one", "two, under the first"]);
    assert_eq!(
        scene.thread(&scene.bob, &position, &format!("?before_seq={last}&limit=1")).await,
        ["two, under the first"]
    );
    let summary = scene.summary(&scene.bob, &position).await;
    let told = (&summary["replies"], &summary["last_seq"], &summary["unread"], &summary["followed"]);
    assert_eq!(told, (&json!(3), &json!(last), &json!(2), &json!(true)));
    super::is_time(&summary["last_at"]);

    let unknown = json!({"message_id": new_id(), "body": {"kind": "text", "text": "x"}, "thread": new_id()});
    scene.bob.raw.post(&scene.path(""), unknown.to_string()).await.invalid("/thread");
}

#[tokio::test]
async fn a_thread_is_read_and_followed_by_each_for_themselves() {
    let scene = Scene::new().await;
    let (_, seq, position) = scene.replies(&scene.bob, &scene.root, "one").await;
    let of_alice = scene.summary(&scene.alice, &position).await;
    assert_eq!((&of_alice["followed"], &of_alice["unread"]), (&json!(true), &json!(1)), "who is answered follows");
    let of_carol = scene.summary(&scene.carol, &position).await;
    assert_eq!((&of_carol["followed"], &of_carol["unread"]), (&json!(false), &json!(1)));
    assert_eq!(scene.followed(&scene.alice, &position, "?unread=true").await.len(), 1);
    assert!(scene.followed(&scene.carol, &position, "").await.is_empty());

    let mut there =
        scene.node.raw().with("authorization", &format!("Bearer {}", scene.alice.access_token)).socket().await;
    there.event("ready").await;
    let cursor = scene.path(&format!("/{}/thread/read", scene.root));
    let read = scene.alice.raw.put(&cursor, json!({"seq": seq}).to_string()).await;
    assert_eq!(read.status, 204);
    let pushed = there.event("thread.changed").await;
    assert_eq!((&pushed["message_id"], &pushed["read_seq"]), (&json!(scene.root), &json!(seq)));
    assert_eq!(scene.summary(&scene.alice, &read.position()).await["unread"], 0);
    assert!(scene.followed(&scene.alice, &read.position(), "?unread=true").await.is_empty());
    assert_eq!(scene.followed(&scene.alice, &read.position(), "").await.len(), 1);
    let beyond = json!({"seq": seq + 1}).to_string();
    scene.alice.raw.put(&scene.path(&format!("/{}/thread/read", scene.root)), beyond).await.invalid("/seq");

    let follow = scene.path(&format!("/{}/thread/follow", scene.root));
    let unfollowed = scene.alice.raw.call("DELETE", &follow, None).await;
    assert_eq!(unfollowed.status, 204);
    assert!(scene.followed(&scene.alice, &unfollowed.position(), "").await.is_empty());
    let (_, _, position) = scene.replies(&scene.alice, &scene.root, "and yet").await;
    assert!(scene.followed(&scene.alice, &position, "").await.is_empty(), "who has said no stays out");
    let followed = scene.carol.raw.call("PUT", &follow, None).await;
    assert_eq!(followed.status, 204);
    let of_carol = scene.followed(&scene.carol, &followed.position(), "?unread=true").await;
    assert_eq!(of_carol[0]["thread_summary"]["unread"], 2);

    let synced = scene.carol.raw.with("natter-position", &followed.position()).get("/api/v1/sync").await.ok(200);
    let mut threads = synced["threads"].as_array().expect("threads").clone();
    let mut cursor = text(&synced["cursor"]);
    let mut more = synced["more"] == json!(true);
    while more {
        let page = scene.carol.raw.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
        threads.extend(page["threads"].as_array().expect("threads").clone());
        (cursor, more) = (text(&page["cursor"]), page["more"] == json!(true));
    }
    assert_eq!((threads.len(), &threads[0]["followed"]), (1, &json!(true)), "{threads:?}");
}

/// Told by sync, not only by what a thread has come to: who has read one and replies then follows it from there on.
#[tokio::test]
async fn who_takes_part_is_told_that_they_follow() {
    let scene = Scene::new().await;
    let (_, seq, _) = scene.replies(&scene.bob, &scene.root, "one").await;
    let cursor = scene.path(&format!("/{}/thread/read", scene.root));
    let read = scene.carol.raw.put(&cursor, json!({"seq": seq}).to_string()).await.position();
    let sync = async |who: &Someone, position: &str, query: &str| {
        let told = who.raw.with("natter-position", position).get(&format!("/api/v1/sync{query}")).await.ok(200);
        (told["threads"].clone(), text(&told["cursor"]))
    };
    let state = |followed: bool, read_seq: u64| json!([{"conversation_id": scene.group, "message_id": scene.root, "followed": followed, "read_seq": read_seq}]);
    let (threads, cursor) = sync(&scene.carol, &read, "").await;
    assert_eq!(threads, state(false, seq));
    let (_, _, position) = scene.replies(&scene.carol, &scene.root, "two").await;
    assert_eq!(sync(&scene.carol, &position, &format!("?cursor={cursor}")).await.0, state(true, seq));
    assert_eq!(sync(&scene.alice, &position, "").await.0, state(true, 0), "who is answered");
}

#[tokio::test]
async fn a_recalled_reply_does_not_count_and_nobody_replies_under_what_was_recalled() {
    let scene = Scene::new().await;
    let (first, ..) = scene.replies(&scene.bob, &scene.root, "one").await;
    scene.replies(&scene.bob, &scene.root, "two").await;
    let recalled = scene.bob.raw.call("DELETE", &scene.path(&format!("/{first}")), None).await;
    let summary = scene.summary(&scene.alice, &recalled.position()).await;
    assert_eq!((&summary["replies"], &summary["unread"]), (&json!(1), &json!(1)));
    assert_eq!(scene.thread(&scene.alice, &recalled.position(), "").await, ["two"]);
    assert_eq!(scene.alice.raw.call("DELETE", &scene.path(&format!("/{}", scene.root)), None).await.status, 204);
    let late = json!({"message_id": new_id(), "body": {"kind": "text", "text": "x"}, "thread": scene.root});
    scene.bob.raw.post(&scene.path(""), late.to_string()).await.refused(409, "recalled");
}

#[tokio::test]
async fn nobody_sees_replies_from_before_their_time() {
    let scene = Scene::new().await;
    scene.replies(&scene.bob, &scene.root, "before").await;
    let dave = Someone::register(&scene.node, "dave").await;
    let (_, seen) = scene.alice.befriends(&dave).await;
    let members = format!("/api/v1/conversations/{}/members", scene.group);
    let added = json!({"account_ids": [dave.id]}).to_string();
    scene.alice.raw.with("natter-position", &seen).post(&members, added).await.ok(200);
    let (_, _, position) = scene.replies(&scene.bob, &scene.root, "after").await;
    let thread = scene.path(&format!("/{}/thread", scene.root));
    dave.raw.with("natter-position", &position).get(&thread).await.refused(404, "not_found");
    let under = json!({"message_id": new_id(), "body": {"kind": "text", "text": "x"}, "thread": scene.root});
    dave.raw.post(&scene.path(""), under.to_string()).await.invalid("/thread");
    dave.raw.call("PUT", &format!("{thread}/follow"), None).await.refused(404, "not_found");
}
