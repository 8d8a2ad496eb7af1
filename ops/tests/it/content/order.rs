//! Order under a hook that answers out of order: what one connection sends to one conversation is numbered as it was sent, and
//! others wait for nobody.

use super::{Scene, frame, text};
use natter_testkit::{BOUND, Outside, Stack, client::new_id, eventually, outside::Does};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

/// Allows at once, but what begins with `slow` only when it is told to.
async fn moderator() -> (Outside, watch::Sender<bool>) {
    let (go, wait) = watch::channel(false);
    let moderator = Outside::start(move |asked: natter_testkit::outside::Asked| {
        let mut wait = wait.clone();
        async move {
            let said = asked.json()["body"]["text"].as_str().unwrap_or_default().to_owned();
            if said.starts_with("slow") {
                let _ = wait.wait_for(|go| *go).await;
            }
            let action = if said.contains("refuse") { "refuse" } else { "allow" };
            Does::json(&json!({"action": action}))
        }
    })
    .await;
    (moderator, go)
}

async fn scene(moderator: &Outside) -> Scene {
    let more = vec![("NATTER_HOOK", moderator.url("/")), ("NATTER_HOOK_TIMEOUT_MS", "10000".to_owned())];
    Scene::new(Stack::new().await, more).await
}

/// All of these were asked about.
async fn were_asked(moderator: &Outside, texts: &[&str]) {
    eventually("the hook was asked about all of it", BOUND, async || {
        let asked: Vec<String> =
            moderator.asked().iter().map(|asked| asked.json()["body"]["text"].to_string()).collect();
        let all = texts.iter().all(|text| asked.contains(&json!(text).to_string()));
        if all { Ok(()) } else { Err(format!("{asked:?}")) }
    })
    .await;
}

#[tokio::test]
async fn sends_keep_their_order_though_the_hook_does_not() {
    let (moderator, go) = moderator().await;
    let scene = scene(&moderator).await;
    let mut socket = scene.alice.raw_socket().await;
    let texts = ["slow one", "two", "refuse three", "slow four", "five", "six"];
    for text in texts {
        socket.send(frame(text, scene.conversation, new_id(), text).to_string()).await;
    }
    // All of them are looked at at once, and those that were allowed first wait for the first one.
    were_asked(&moderator, &texts).await;
    assert_eq!(scene.read().await, Vec::<String>::new());
    go.send_replace(true);
    for text in texts {
        let answer = socket.answer(&json!(text)).await;
        assert_eq!(answer["ok"].is_object(), text != "refuse three", "{answer}");
    }
    assert_eq!(scene.read().await, ["slow one", "two", "slow four", "five", "six"]);
}

#[tokio::test]
async fn a_slow_hook_holds_up_no_other_conversation_and_no_other_connection() {
    let (moderator, go) = moderator().await;
    let scene = scene(&moderator).await;
    let group = scene.alice.client().start_group("us", &[scene.bob.id()]).await.expect("start a group").conversation.id;
    let mut socket = scene.alice.raw_socket().await;
    socket.send(frame("slow", scene.conversation, new_id(), "slow one").to_string()).await;
    were_asked(&moderator, &["slow one"]).await;
    socket.ok(frame("other", group, new_id(), "elsewhere")).await;
    socket.lives().await;
    let list = json!({"id": "list", "op": "message.list", "conversation_id": scene.conversation});
    socket.ok(list).await;
    scene.send("from another connection").await.ok(201);
    go.send_replace(true);
    let slow: Value = socket.answer(&json!("slow")).await;
    assert_eq!(slow["ok"]["seq"], 2, "{slow}");
}

#[tokio::test]
async fn what_is_done_to_a_message_is_done_in_the_order_of_its_frames() {
    let (moderator, go) = moderator().await;
    let scene = scene(&moderator).await;
    let (mut socket, one, two) = (scene.alice.raw_socket().await, new_id(), new_id());
    let about = |frame: &str, op: &str, message: Uuid, more: Value| {
        let mut asked = json!({"id": frame, "op": op, "conversation_id": scene.conversation, "message_id": message});
        asked.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        asked.to_string()
    };
    socket.ok(frame("send one", scene.conversation, one, "one")).await;
    socket.ok(frame("send two", scene.conversation, two, "two")).await;
    socket.send(about("edit", "message.edit", one, json!({"body": text("slow two")}))).await;
    socket.send(about("edit again", "message.edit", one, json!({"body": text("three")}))).await;
    socket.send(about("react", "message.react", one, json!({"emoji": "a"}))).await;
    socket.send(about("unreact", "message.unreact", one, json!({"emoji": "a"}))).await;
    socket.send(about("change", "message.edit", two, json!({"body": text("slow four")}))).await;
    // Had it come before the edit, that would be told `recalled`.
    socket.send(about("recall", "message.recall", two, json!({}))).await;
    were_asked(&moderator, &["slow two", "three", "slow four"]).await;
    go.send_replace(true);
    for frame in ["edit", "edit again", "react", "unreact", "change", "recall"] {
        let answer = socket.answer(&json!(frame)).await;
        assert!(answer["ok"].is_object(), "{frame}: {answer}");
    }
    let shown = scene.bob.raw().await.get(&scene.path(&format!("/messages/{one}"))).await.ok(200);
    assert_eq!((&shown["body"]["text"], &shown["reactions"]), (&json!("three"), &json!([])), "{shown}");
}
