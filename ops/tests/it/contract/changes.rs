//! What is done to messages after they were sent: over REST, over WebSocket, as it is pushed and read, and what is
//! refused.

use super::{MESSAGE, Someone, has, is_time, lacks, new_id};
use natter_testkit::{Raw, RawSocket, Reply, Stack};
use serde_json::{Value, json};

/// Alice and Bob, and a message of Alice's.
struct Scene {
    stack: Stack,
    node: natter_testkit::Node,
    alice: Someone,
    bob: Someone,
    conversation: String,
    message: String,
}

impl Scene {
    async fn set() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let (conversation, _) = alice.befriends(&bob).await;
        let message = new_id();
        alice.says(&conversation, &message, "hi").await.ok(201);
        Self { stack, node, alice, bob, conversation, message }
    }

    fn path(&self) -> String {
        self.path_of(&self.message)
    }

    fn path_of(&self, message: &str) -> String {
        format!("/api/v1/conversations/{}/messages/{message}", self.conversation)
    }

    async fn seen_by(&self, someone: &Someone, position: &str) -> Value {
        someone.raw.with("natter-position", position).get(&self.path()).await.ok(200)
    }
}

fn edit(text: &str) -> Option<Vec<u8>> {
    Some(json!({"body": {"kind": "text", "text": text}}).to_string().into())
}

async fn patch(raw: &Raw, path: &str, body: Option<Vec<u8>>) -> Reply {
    call(raw, "PATCH", path, body).await
}

async fn call(raw: &Raw, method: &str, path: &str, body: Option<Vec<u8>>) -> Reply {
    raw.with("content-type", "application/json").call(method, path, body).await
}

/// 204, and where it stands.
#[track_caller]
fn done(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    reply.position()
}

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

#[tokio::test]
async fn an_edit_is_shown_to_all_and_told_to_all() {
    let scene = Scene::set().await;
    let mut sockets = [connect(&scene.alice).await, connect(&scene.bob).await];
    let edited = patch(&scene.alice.raw, &scene.path(), edit("hello")).await;
    let position = edited.position();
    let edited = edited.ok(200);
    has(&edited, MESSAGE);
    assert_eq!((&edited["body"]["text"], &edited["seq"]), (&json!("hello"), &json!(1)));
    is_time(&edited["edited_at"]);
    assert_eq!(edited["reactions"], json!([]));
    assert_eq!(scene.seen_by(&scene.bob, &position).await, edited);
    for socket in &mut sockets {
        let push = socket.event("message.edited").await;
        assert_eq!(push["position"], json!(position));
        has(&push["message"], MESSAGE);
        lacks(&push["message"], &["reactions", "pinned_at"]);
        for field in MESSAGE {
            assert_eq!(push["message"][field], edited[field], "{field}");
        }
    }
    let count = scene.stack.event_count().await;
    patch(&scene.alice.raw, &scene.path(), edit("hello")).await.ok(200);
    assert_eq!(scene.stack.event_count().await, count, "saying the same again is no edit");
}

#[tokio::test]
async fn a_recalled_message_leaves_its_place_and_nothing_else() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    alice.says(&scene.conversation, &new_id(), "another").await.ok(201);
    patch(&alice.raw, &scene.path(), edit("a secret")).await.ok(200);
    done(&bob.raw.put(&format!("{}/reactions/x", scene.path()), "").await);
    let mut sockets = [connect(alice).await, connect(bob).await];
    let position = done(&alice.raw.call("DELETE", &scene.path(), None).await);
    let gone = scene.seen_by(bob, &position).await;
    has(&gone, MESSAGE);
    assert_eq!((&gone["body"], &gone["edited_at"], &gone["reactions"]), (&json!(null), &json!(null), &json!([])));
    is_time(&gone["recalled_at"]);
    assert_eq!((&gone["sender"], &gone["seq"]), (&json!(alice.id), &json!(1)));
    for socket in &mut sockets {
        let push = socket.event("message.recalled").await;
        assert_eq!(push["position"], json!(position));
        for field in MESSAGE {
            assert_eq!(push["message"][field], gone[field], "{field}");
        }
    }
    done(&alice.raw.call("DELETE", &scene.path(), None).await);
    let card = format!("/api/v1/conversations/{}", scene.conversation);
    let own = bob.raw.get(&card).await.ok(200);
    assert_eq!(own["unread"], json!(1), "a recalled one is not unread");
    let last = bob.raw.get(&format!("{card}/messages")).await.ok(200)["items"][0]["message_id"].clone();
    let path = scene.path_of(last.as_str().expect("an id"));
    let position = done(&alice.raw.call("DELETE", &path, None).await);
    let own = bob.raw.with("natter-position", &position).get(&card).await.ok(200);
    assert_eq!((&own["unread"], &own["last_seq"]), (&json!(0), &json!(2)));
    assert_eq!((&own["last_message"]["seq"], &own["last_message"]["body"]), (&json!(2), &json!(null)));
    is_time(&own["last_message"]["recalled_at"]);
}

#[tokio::test]
async fn any_short_text_is_a_reaction_and_counts_once_for_each() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let mut socket = connect(alice).await;
    // A thumb, a slash, a percent sign, something that looks encoded, and a family of 25 bytes.
    let family = "%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7%E2%80%8D%F0%9F%91%A6";
    let emojis = [
        ("%F0%9F%91%8D", "\u{1f44d}"),
        ("%2F", "/"),
        ("%25", "%"),
        ("%252F", "%2F"),
        (family, "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}"),
    ];
    let mut position = String::new();
    for (encoded, emoji) in emojis {
        let path = format!("{}/reactions/{encoded}", scene.path());
        position = done(&bob.raw.put(&path, "").await);
        let push = socket.event("message.reacted").await;
        has(&push, &["conversation_id", "message_id", "account_id", "emoji", "position"]);
        assert_eq!((&push["emoji"], &push["account_id"]), (&json!(emoji), &json!(bob.id)));
        assert_eq!((&push["message_id"], &push["position"]), (&json!(scene.message), &json!(position)));
        done(&bob.raw.put(&path, "").await);
    }
    let seen = scene.seen_by(alice, &position).await;
    let mut listed: Vec<(String, u64, bool)> = serde_json::from_value::<Vec<Value>>(seen["reactions"].clone())
        .expect("a list")
        .iter()
        .map(|it| (super::text(&it["emoji"]), it["count"].as_u64().expect("a count"), it["mine"] == true))
        .collect();
    listed.sort();
    let mut expected: Vec<_> = emojis.iter().map(|(_, emoji)| ((*emoji).to_owned(), 1, false)).collect();
    expected.sort();
    assert_eq!(listed, expected);

    let thumb = format!("{}/reactions/%F0%9F%91%8D", scene.path());
    let position = done(&alice.raw.put(&thumb, "").await);
    let of = |seen: &Value| {
        let found = seen["reactions"].as_array().expect("a list").iter().find(|it| it["emoji"] == "\u{1f44d}").cloned();
        found.unwrap_or_default()
    };
    assert_eq!(of(&scene.seen_by(alice, &position).await), json!({"emoji": "\u{1f44d}", "count": 2, "mine": true}));
    done(&bob.raw.call("DELETE", &thumb, None).await);
    let position = done(&bob.raw.call("DELETE", &thumb, None).await);
    assert_eq!(of(&scene.seen_by(bob, &position).await), json!({"emoji": "\u{1f44d}", "count": 1, "mine": false}));
    assert_eq!(socket.event("message.unreacted").await["emoji"], json!("\u{1f44d}"));
}

#[tokio::test]
async fn everything_is_done_by_frames_too() {
    let scene = Scene::set().await;
    let (mut alice, mut bob) = (connect(&scene.alice).await, connect(&scene.bob).await);
    let ids = json!({"conversation_id": scene.conversation, "message_id": scene.message});
    let frame = |id: &str, op: &str, more: Value| {
        let mut frame = ids.clone();
        frame["id"] = json!(id);
        frame["op"] = json!(op);
        more.as_object().into_iter().flatten().for_each(|(name, value)| frame[name] = value.clone());
        frame
    };
    for (op, event, more) in [
        ("message.edit", "message.edited", json!({"body": {"kind": "text", "text": "hello"}})),
        ("message.react", "message.reacted", json!({"emoji": "/"})),
        ("message.unreact", "message.unreacted", json!({"emoji": "/"})),
        ("message.pin", "message.pinned", json!({})),
        ("message.unpin", "message.unpinned", json!({})),
        ("message.pin", "message.pinned", json!({"command_id": new_id()})),
        ("message.recall", "message.recalled", json!({})),
    ] {
        let ok = alice.ok(frame(op, op, more)).await;
        let push = bob.event(event).await;
        assert_eq!(push["position"], ok["position"], "{op}");
        assert!(ok["position"].is_string(), "{op}: {ok}");
    }
    alice.send(frame("late", "message.react", json!({"emoji": "x"})).to_string()).await;
    alice.refused(&json!("late"), 409, "recalled").await;
    for (emoji, id) in [("", "empty"), ("a\nb", "control"), (&*"a".repeat(33), "long")] {
        alice.send(frame(id, "message.react", json!({"emoji": emoji})).to_string()).await;
        let error = alice.refused(&json!(id), 422, "invalid_input").await;
        assert_eq!(error["error"]["errors"][0]["pointer"], json!("/emoji"), "{error}");
    }
}

#[tokio::test]
async fn what_is_pipelined_for_one_message_is_done_in_its_order() {
    let scene = Scene::set().await;
    let mut alice = connect(&scene.alice).await;
    for number in 0..40 {
        let op = if number % 2 == 0 { "message.react" } else { "message.unreact" };
        let frame = json!({"id": number.to_string(), "op": op, "conversation_id": scene.conversation,
            "message_id": scene.message, "emoji": "x"});
        alice.send(frame.to_string()).await;
    }
    let mut position = String::new();
    for number in 0..40 {
        position = super::text(&alice.answer(&json!(number.to_string())).await["ok"]["position"]);
    }
    assert_eq!(scene.seen_by(&scene.bob, &position).await["reactions"], json!([]), "the last one took it back");
}

#[tokio::test]
async fn a_pin_is_seen_by_all_until_somebody_takes_it_off() {
    let scene = Scene::set().await;
    let pin = format!("{}/pin", scene.path());
    let position = done(&scene.bob.raw.put(&pin, "").await);
    is_time(&scene.seen_by(&scene.alice, &position).await["pinned_at"]);
    done(&scene.alice.raw.put(&pin, "").await);
    let position = done(&scene.alice.raw.call("DELETE", &pin, None).await);
    assert_eq!(scene.seen_by(&scene.bob, &position).await.get("pinned_at"), None);
    done(&scene.alice.raw.call("DELETE", &pin, None).await);
}

#[tokio::test]
async fn who_may_not_is_told_so_and_who_is_not_in_finds_nothing() {
    let scene = Scene::set().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let carol = Someone::register(&scene.node, "carol").await;
    patch(&bob.raw, &scene.path(), edit("hello")).await.refused(403, "not_your_message");
    bob.raw.call("DELETE", &scene.path(), None).await.refused(403, "not_your_message");
    let (theirs, _) = carol.befriends(bob).await;
    let asks = |path: String| {
        [
            ("PATCH", path.clone(), edit("hello")),
            ("DELETE", path.clone(), None),
            ("PUT", format!("{path}/reactions/x"), None),
            ("DELETE", format!("{path}/reactions/x"), None),
            ("PUT", format!("{path}/pin"), None),
            ("DELETE", format!("{path}/pin"), None),
        ]
    };
    for (method, path, body) in asks(scene.path()) {
        call(&carol.raw, method, &path, body).await.refused(404, "not_found");
    }
    let elsewhere = format!("/api/v1/conversations/{theirs}/messages/{}", scene.message);
    for path in [scene.path_of(&new_id()), elsewhere] {
        for (method, path, body) in asks(path) {
            call(&bob.raw, method, &path, body).await.refused(404, "not_found");
        }
    }
    done(&alice.raw.call("DELETE", &scene.path(), None).await);
    for (method, path, body) in asks(scene.path()).into_iter().filter(|ask| ask.0 != "DELETE" || ask.1.contains("/x")) {
        call(&alice.raw, method, &path, body).await.refused(409, "recalled");
    }
}

#[tokio::test]
async fn what_is_given_is_checked() {
    let scene = Scene::set().await;
    let (alice, path) = (&scene.alice.raw, scene.path());
    patch(alice, &path, edit("")).await.invalid("/body/text");
    patch(alice, &path, edit(&"a".repeat(16_385))).await.invalid("/body/text");
    patch(alice, &path, edit("a\0b")).await.invalid("/body/text");
    patch(alice, &path, Some(b"{}".to_vec())).await.invalid("/body");
    patch(alice, &path, Some(b"{".to_vec())).await.refused(400, "malformed");
    patch(alice, &path, edit(&"a".repeat(16_384))).await.ok(200);
    for emoji in ["a".repeat(33), "%F0%9F%91%8D".repeat(9), "%00".to_owned(), "a%0A".to_owned(), "%C2%85".to_owned()] {
        for method in ["PUT", "DELETE"] {
            alice.call(method, &format!("{path}/reactions/{emoji}"), None).await.invalid("/emoji");
        }
    }
    alice.put(&format!("{path}/reactions/%FF"), "").await.refused(400, "malformed");
    alice.put(&format!("{path}/reactions/"), "").await.refused(404, "not_found");
    alice.put("/api/v1/conversations/x/messages/y/reactions/z", "").await.refused(400, "malformed");
    for kind in 0..50 {
        done(&alice.put(&format!("{path}/reactions/kind%20{kind}"), "").await);
    }
    alice.put(&format!("{path}/reactions/one%20more"), "").await.refused(409, "too_many_reactions");
    done(&scene.bob.raw.put(&format!("{path}/reactions/kind%2049"), "").await);
    done(&alice.call("DELETE", &format!("{path}/reactions/kind%207"), None).await);
    done(&alice.put(&format!("{path}/reactions/one%20more"), "").await);
}

#[tokio::test]
async fn a_key_gives_the_first_answer_again_and_no_second_effect() {
    let scene = Scene::set().await;
    let (alice, path) = (&scene.alice, scene.path());
    let keyed = alice.raw.with("idempotency-key", &new_id());
    patch(&keyed, &path, edit("one")).await.ok(200);
    patch(&alice.raw, &path, edit("two")).await.ok(200);
    let count = scene.stack.event_count().await;
    let again = patch(&keyed, &path, edit("one")).await.ok(200);
    assert_eq!((&again["body"]["text"], scene.stack.event_count().await), (&json!("two"), count), "done once");
    patch(&keyed, &path, edit("three")).await.refused(409, "conflict");
    keyed.put(&format!("{path}/pin"), "").await.refused(409, "conflict");
    let (reaction, keyed) = (format!("{path}/reactions/x"), alice.raw.with("idempotency-key", &new_id()));
    done(&keyed.put(&reaction, "").await);
    done(&alice.raw.call("DELETE", &reaction, None).await);
    let position = done(&keyed.put(&reaction, "").await);
    assert_eq!(scene.seen_by(alice, &position).await["reactions"], json!([]), "done once");
}
