//! Rules of a file: what is masked and refused, and what becomes of it when the file changes.

use super::{RulesFile, Scene, answers, frame, message, patch, text, words};
use natter_testkit::{BOUND, Options, Stack, client::new_id, eventually};
use serde_json::{Value, json};

async fn scene(lines: &[Value]) -> (Scene, RulesFile) {
    let stack = Stack::new().await;
    let rules = RulesFile::new(&stack, lines);
    let variable = rules.variable();
    (Scene::new(stack, vec![variable]).await, rules)
}

fn three() -> [Value; 3] {
    [words("mask", &["bad", "賭博"]), words("refuse", &["worse"]), words("hold", &["odd"])]
}

#[tokio::test]
async fn messages_are_masked_or_refused_over_both_doors() {
    let (scene, _rules) = scene(&three()).await;
    scene.send("a good day").await.ok(201);
    scene.send("a ＢＡＤ d\u{200b}ay 中文赌博").await.ok(201);
    scene
        .unchanged(async {
            for said in ["worse", "W\u{301}\u{302}\u{303}ORSE", "bad and worse", "odd and worse"] {
                let problem = scene.send(said).await.refused(422, "content_refused");
                assert!(!problem.to_string().contains("secret"), "no rule is named: {problem}");
            }
        })
        .await;
    let mut socket = scene.alice.raw_socket().await;
    let sent = new_id();
    socket.ok(frame("1", scene.conversation, sent, "so bad")).await;
    let before = scene.stack.event_count().await;
    let refused = new_id();
    for (id, said) in [("2", "worse"), ("3", "odd and worse")] {
        socket.send(frame(id, scene.conversation, refused, said).to_string()).await;
        socket.refused(&json!(id), 422, "content_refused").await;
    }
    socket.lives().await;
    assert_eq!(scene.stack.event_count().await, before);
    let read = scene.read().await;
    assert_eq!(read, ["a good day", "a *** d\u{200b}ay 中文**", "so ***"]);
    assert!(scene.metric("natter_content_looked_total{outcome=\"masked\"}").await >= 2.0);
    assert!(scene.metric("natter_content_matched_total{rule=\"secret refuse\"}").await >= 3.0);
    let told = scene.node.output();
    assert!(told.contains("secret refuse") && told.contains(&scene.alice.id().to_string()), "{told}");
    assert!(told.contains(&format!("message_id=\"{refused}\"")), "{told}");
    assert!(!told.contains("worse"), "what was said stands in no log: {told}");
}

#[tokio::test]
async fn edits_are_looked_at_like_what_is_sent() {
    let (scene, _rules) = scene(&three()).await;
    let (raw, id) = (scene.alice.raw().await, new_id());
    raw.post(&scene.path("/messages"), message(id, "good").to_string()).await.ok(201);
    let path = scene.path(&format!("/messages/{id}"));
    scene
        .unchanged(async {
            patch(&raw, &path, &json!({"body": text("worse")})).await.refused(422, "content_refused");
            patch(&raw, &path, &json!({"body": text("odd")})).await.refused(422, "content_refused");
        })
        .await;
    let edited = patch(&raw, &path, &json!({"body": text("bad too")})).await.ok(200);
    assert_eq!(edited["body"]["text"], "*** too");
    let mut socket = scene.alice.raw_socket().await;
    let edit = |frame: &str, said: &str| json!({"id": frame, "op": "message.edit", "conversation_id": scene.conversation, "message_id": id, "body": text(said)});
    socket.ok(edit("1", "still bad")).await;
    socket.send(edit("2", "worse").to_string()).await;
    socket.refused(&json!("2"), 422, "content_refused").await;
    let emoji = |emoji: &str| json!({"id": emoji, "op": "message.react", "conversation_id": scene.conversation, "message_id": id, "emoji": emoji});
    socket.ok(emoji("\u{1f44d}")).await;
    for refused in ["bad", "worse"] {
        socket.send(emoji(refused).to_string()).await;
        socket.refused(&json!(refused), 422, "content_refused").await;
    }
    assert_eq!(scene.read().await, ["still ***"]);
}

#[tokio::test]
async fn rules_are_read_again_and_broken_ones_change_nothing() {
    let (mut scene, rules) = scene(&[words("refuse", &["first"])]).await;
    scene.send("first").await.refused(422, "content_refused");
    rules.write(&[words("refuse", &["second"])]);
    answers(&scene, "second", 422).await;
    scene.send("first").await.ok(201);
    rules.write_text("\n{\"name\": \"x\", \"words\": [\"third\"]}\n");
    eventually("the broken rules are seen", BOUND, async || {
        let stale = scene.metric("natter_content_rules_stale").await;
        if stale == 1.0 { Ok(()) } else { Err(stale.to_string()) }
    })
    .await;
    assert!(scene.node.output().contains("line 2: "), "{}", scene.node.output());
    scene.send("second").await.refused(422, "content_refused");
    scene.send("third").await.ok(201);
    rules.write(&[words("refuse", &["third"])]);
    answers(&scene, "third", 422).await;
    assert_eq!(scene.metric("natter_content_rules_stale").await, 0.0);

    rules.write_text("nonsense\n");
    scene.node.kill().await;
    scene.node.launch(Options { more: vec![rules.variable()], ..Options::default() }).await;
    assert!(!scene.node.exited().await.success());
    let told = scene.node.output();
    assert!(told.contains("NATTER_RULES") && told.contains("line 1: "), "{told}");
}

#[tokio::test]
async fn what_was_taken_is_answered_again_whatever_the_rules_have_become() {
    let (scene, rules) = scene(&[words("mask", &["bad"])]).await;
    let raw = scene.alice.raw().await;
    let (masked, plain) = (new_id(), new_id());
    let send = async |id, said: &str| raw.post(&scene.path("/messages"), message(id, said).to_string()).await;
    let first = send(masked, "bad day").await.ok(201);
    assert_eq!(send(masked, "bad day").await.ok(200), first, "by what was given, not by what became of it");
    send(masked, "*** day").await.refused(409, "conflict");
    let plainly = send(plain, "once good").await.ok(201);
    let path = scene.path(&format!("/messages/{plain}"));
    let key = new_id().to_string();
    let keyed = raw.with("idempotency-key", &key);
    patch(&keyed, &path, &json!({"body": text("still bad")})).await.ok(200);

    rules.write(&[words("refuse", &["bad", "good"])]);
    answers(&scene, "bad", 422).await;
    let before = scene.stack.event_count().await;
    assert_eq!(send(masked, "bad day").await.ok(200), first);
    assert_eq!(send(plain, "once good").await.ok(200), plainly);
    assert_eq!(patch(&keyed, &path, &json!({"body": text("still bad")})).await.ok(200)["body"]["text"], "still ***");
    send(new_id(), "bad day").await.refused(422, "content_refused");
    send(plain, "twice good").await.refused(409, "conflict");
    let mut socket = scene.alice.raw_socket().await;
    let again = socket.ok(frame("1", scene.conversation, plain, "once good")).await;
    assert_eq!(again["seq"], plainly["seq"]);
    assert_eq!(scene.stack.event_count().await, before);
}

#[tokio::test]
async fn what_is_forwarded_is_said_anew() {
    let (scene, rules) = scene(&[]).await;
    let group = scene.alice.client().start_group("us", &[]).await.expect("start a group").conversation.id;
    let raw = scene.alice.raw().await;
    let (bad, worse) = (new_id(), new_id());
    for (id, said) in [(bad, "bad thing"), (worse, "worse thing")] {
        let path = format!("/api/v1/conversations/{group}/messages");
        raw.post(&path, message(id, said).to_string()).await.ok(201);
    }
    let before = new_id();
    let one = |id, source| json!({"from": group, "messages": [{"message_id": id, "source_id": source}]}).to_string();
    let forward = async |body: String| raw.post(&scene.path("/messages/forward"), body).await;
    let first = forward(one(before, worse)).await.ok(201);
    rules.write(&three());
    answers(&scene, "worse", 422).await;
    scene
        .unchanged(async {
            forward(one(new_id(), worse)).await.refused(422, "content_refused");
            let merged = json!({"from": group, "merged": {"message_id": new_id(), "source_ids": [bad, worse]}});
            forward(merged.to_string()).await.refused(422, "content_refused");
            assert_eq!(forward(one(before, worse)).await.ok(200), first, "it was sent before");
        })
        .await;
    forward(one(new_id(), bad)).await.ok(201);
    let merged = json!({"from": group, "merged": {"message_id": new_id(), "source_ids": [bad]}});
    forward(merged.to_string()).await.ok(201);
    let shown = scene.bob.raw().await.get(&scene.path("/messages?limit=2")).await.ok(200);
    assert_eq!(shown["items"][1]["body"]["text"], "*** thing", "{shown}");
    assert_eq!(shown["items"][0]["body"]["items"][0]["body"]["text"], "*** thing", "{shown}");
}
