//! Messages that meet a rule which wants them looked at: they wait for a reviewer. What cannot wait is refused.

use super::{RulesFile, Scene, frame, message, patch, text, words};
use natter_testkit::{BOUND, Reply, Stack, client::Error, client::new_id, client::wire, eventually, in_seconds};
use serde_json::{Value, json};
use uuid::Uuid;

async fn scene() -> (Scene, RulesFile) {
    let stack = Stack::new().await;
    let rules = RulesFile::new(&stack, &[words("mask", &["bad"]), words("hold", &["odd"])]);
    let variable = rules.variable();
    (Scene::new(stack, vec![variable]).await, rules)
}

async fn say(scene: &Scene, said: &Value) -> Reply {
    scene.alice.raw().await.post(&scene.path("/messages"), said.to_string()).await
}

#[track_caller]
fn assert_held(reply: &Value, id: Uuid) {
    assert_eq!(*reply, json!({"message_id": id, "held": true}));
}

async fn moderate(scene: &Scene, verb: &str, message: Uuid) {
    let (conversation, author, message) =
        (scene.conversation.to_string(), scene.alice.id().to_string(), message.to_string());
    let output = scene.node.run(&["moderation", verb, &conversation, &author, &message, "--by", "carol"]).await;
    assert!(output.status.success(), "{output:?}");
}

/// Waits until bob reads exactly this.
async fn reads(scene: &Scene, expected: &[&str]) {
    eventually("bob reads what was released", BOUND, async || {
        let read = scene.read().await;
        if read == expected { Ok(()) } else { Err(format!("{read:?}")) }
    })
    .await;
}

/// What alice has waiting, what came last first.
async fn waiting(scene: &Scene) -> Vec<Value> {
    let listed = scene.alice.raw().await.get("/api/v1/scheduled").await.ok(200);
    listed["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn a_message_waits_for_a_reviewer_over_both_doors() {
    let (scene, _rules) = scene().await;
    let (one, other) = (new_id(), new_id());
    let said = message(one, "a bad and odd day");
    let mut bob = scene.bob.raw_socket().await;
    for _ in 0..2 {
        assert_held(&say(&scene, &said).await.ok(202), one);
    }
    say(&scene, &message(one, "odd otherwise")).await.refused(409, "conflict");
    let mut socket = scene.alice.raw_socket().await;
    for id in ["1", "2"] {
        assert_held(&socket.ok(frame(id, scene.conversation, other, "odd too")).await, other);
    }
    assert_eq!(scene.read().await, [""; 0]);
    eventually("alice sees both wait", BOUND, async || match waiting(&scene).await.as_slice() {
        [second, first] if second["state"] == "held" && first["body"]["text"] == "a *** and odd day" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    moderate(&scene, "release", one).await;
    reads(&scene, &["a *** and odd day"]).await;
    let pushed = bob.event("message.sent").await;
    assert_eq!(pushed["message"]["message_id"], json!(one));
    assert_held(&say(&scene, &said).await.ok(202), one);
    moderate(&scene, "refuse", other).await;
    eventually("alice hears of the other", BOUND, async || match waiting(&scene).await.as_slice() {
        [failed] if failed["state"] == "failed" && failed["code"] == "content_refused" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    say(&scene, &message(other, "something else")).await.refused(409, "conflict");
    assert_eq!(scene.read().await, ["a *** and odd day"], "its id is spent");
}

#[tokio::test]
async fn it_is_said_as_it_was_given() {
    let (scene, _rules) = scene().await;
    let (root, id) = (new_id(), new_id());
    say(&scene, &message(root, "a thread")).await.ok(201);
    let mut reply = message(id, "an odd reply");
    for field in ["reply_to", "thread"] {
        reply[field] = json!(root);
    }
    (reply["mentions"], reply["silent"]) = (json!([scene.bob.id()]), json!(true));
    assert_held(&say(&scene, &reply).await.ok(202), id);
    moderate(&scene, "release", id).await;
    reads(&scene, &["a thread", "an odd reply"]).await;
    let shown = scene.bob.raw().await.get(&scene.path(&format!("/messages/{id}"))).await.ok(200);
    assert_eq!(shown["thread"], json!({"message_id": root, "seq": 1}), "{shown}");
    assert_eq!(shown["reply_to"]["excerpt"], "a thread");
    assert_eq!((&shown["mentions"], &shown["silent"]), (&json!([scene.bob.id()]), &json!(true)));
}

#[tokio::test]
async fn what_was_sent_before_the_rule_stays_sent_and_what_waits_no_more_is_sent() {
    let (scene, rules) = scene().await;
    let (early, late) = (message(new_id(), "a queer day"), message(new_id(), "an odd day"));
    let (sent, masked) = (say(&scene, &early).await.ok(201), message(new_id(), "a bad and odd day"));
    say(&scene, &late).await.ok(202);
    say(&scene, &masked).await.ok(202);
    rules.write(&[words("hold", &["queer"])]);
    eventually("the new rule holds", BOUND, async || {
        let reply = scene.send("queer").await;
        if reply.status == 202 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(say(&scene, &early).await.ok(200), sent);
    say(&scene, &late).await.ok(201);
    let id = |of: &Value| serde_json::from_value(of["message_id"].clone()).expect("an id");
    moderate(&scene, "release", id(&late)).await;
    moderate(&scene, "release", id(&masked)).await;
    let ids = async || waiting(&scene).await.iter().map(|item| item["message_id"].clone()).collect::<Vec<_>>();
    eventually("it waits no more", BOUND, async || {
        let ids = ids().await;
        if ids.len() > 1 { Err(format!("{ids:?}")) } else { Ok(()) }
    })
    .await;
    // Said as it was masked, and known by what was given.
    assert_eq!(say(&scene, &masked).await.ok(200)["message_id"], masked["message_id"]);
    let read: Vec<String> = scene.read().await.into_iter().filter(|said| said == "an odd day").collect();
    assert_eq!(read.len(), 1, "sent once");
}

#[tokio::test]
async fn what_cannot_wait_is_refused() {
    let (scene, rules) = scene().await;
    let (raw, id) = (scene.alice.raw().await, new_id());
    say(&scene, &message(id, "good")).await.ok(201);
    let (strange, later) = (new_id(), new_id());
    say(&scene, &message(strange, "strange")).await.ok(201);
    let scheduled = json!({"message_id": later, "body": text("strange"), "send_at": in_seconds(3600)});
    let schedule = async |said: &Value| raw.post(&scene.path("/scheduled"), said.to_string()).await;
    let first = schedule(&scheduled).await.ok(201);
    rules.write(&[words("hold", &["odd", "strange"])]);
    eventually("the new rule holds", BOUND, async || {
        let reply = patch(&raw, &scene.path(&format!("/messages/{id}")), &json!({"body": text("strange")})).await;
        if reply.status == 422 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(schedule(&scheduled).await.ok(200), first, "a repeat gets the first answer");
    scene
        .unchanged(async {
            let mut odd = scheduled.clone();
            (odd["message_id"], odd["body"]) = (json!(new_id()), text("odd"));
            schedule(&odd).await.refused(422, "content_refused");
            let of = format!("/api/v1/scheduled/{}/{later}", scene.conversation);
            patch(&raw, &of, &json!({"body": text("odd")})).await.refused(422, "content_refused");
            let forward =
                json!({"from": scene.conversation, "messages": [{"message_id": new_id(), "source_id": strange}]});
            raw.post(&scene.path("/messages/forward"), forward.to_string()).await.refused(422, "content_refused");
        })
        .await;
}

#[tokio::test]
async fn the_client_says_that_a_message_is_held() {
    let (scene, _rules) = scene().await;
    let said = wire::MessageNew::new(new_id(), wire::Body::text("odd"));
    let held = |error: Error| matches!(error, Error::Held(id) if id == said.message_id);
    assert!(scene.alice.client().send(scene.conversation, &said).await.is_err_and(held));
    let socket = scene.alice.socket().await;
    let pending = socket.requests().send(scene.conversation, &said).await.expect("queue it");
    assert!(pending.answer().await.is_err_and(held));
}
