//! The hook before a text is taken: what it is shown, what it may do, and what becomes of texts when it does nothing of it.

use super::{Scene, frame, message, patch, text};
use futures::StreamExt;
use natter_streams::{bus::Bus, clock};
use natter_testkit::{
    BOUND, Options, Outside, Signing, Stack,
    client::new_id,
    eventually,
    outside::{Asked, Does},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// By what the text says.
fn verdict(asked: &Value) -> Value {
    let said = asked["body"]["text"].as_str().unwrap_or_default();
    match said.split(' ').next().unwrap_or_default() {
        "refuse" => json!({"action": "refuse"}),
        "rude" => json!({"action": "refuse", "reason": "this is rude"}),
        "rewrite" => json!({"action": "rewrite", "body": text("something else")}),
        "empty" => json!({"action": "rewrite", "body": text("")}),
        "system" => json!({"action": "rewrite", "body": {"kind": "system", "code": "x", "text": "x"}}),
        "bare" => json!({"action": "rewrite"}),
        "unknown" => json!({"action": "perhaps"}),
        "scalar" => json!("allow"),
        _ => json!({"action": "allow"}),
    }
}

async fn moderator() -> Outside {
    Outside::start(async |asked: Asked| {
        let question = asked.json();
        match question["body"]["text"].as_str().unwrap_or_default() {
            "fail" => Does::status(500),
            "elsewhere" => Does::redirect("/elsewhere"),
            "hang" => Does::Hangs,
            "babble" => Does::Babbles { kind: "application/json", first: "{".to_owned() },
            _ => Does::json(&verdict(&question)),
        }
    })
    .await
}

fn hook(url: String, fails: &str) -> Vec<(&'static str, String)> {
    vec![("NATTER_HOOK", url), ("NATTER_HOOK_FAIL", fails.to_owned()), ("NATTER_HOOK_TIMEOUT_MS", "1500".to_owned())]
}

#[tokio::test]
async fn a_hook_allows_rewrites_and_refuses_over_both_doors() {
    let moderator = moderator().await;
    let scene = Scene::new(Stack::new().await, hook(moderator.url("/hook?a=b"), "closed")).await;
    let (raw, id) = (scene.alice.raw().await, new_id());
    raw.post(&scene.path("/messages"), message(id, "hello").to_string()).await.ok(201);
    let asked = moderator.asked().pop().expect("it was asked");
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/hook?a=b"));
    let expected = json!({
        "conversation_id": scene.conversation, "message_id": id, "sender": scene.alice.id(), "kind": "send",
        "body": text("hello"),
    });
    assert_eq!(asked.json(), expected);
    scene.send("rewrite this").await.ok(201);
    let path = scene.path(&format!("/messages/{id}"));
    let mut socket = scene.alice.raw_socket().await;
    scene
        .unchanged(async {
            scene.send("refuse this").await.refused(422, "content_refused");
            let problem = scene.send("rude").await.refused(422, "content_refused");
            assert_eq!(problem["detail"], "this is rude");
            patch(&raw, &path, &json!({"body": text("refuse this")})).await.refused(422, "content_refused");
            socket.send(frame("1", scene.conversation, new_id(), "rude").to_string()).await;
            let refused = socket.refused(&json!("1"), 422, "content_refused").await;
            assert_eq!(refused["error"]["detail"], "this is rude");
        })
        .await;
    assert_eq!(patch(&raw, &path, &json!({"body": text("rewrite")})).await.ok(200)["body"]["text"], "something else");
    socket.ok(frame("2", scene.conversation, new_id(), "rewrite")).await;
    assert_eq!(moderator.asked().pop().expect("it was asked").json()["kind"], "send");
    assert_eq!(scene.read().await, ["something else"; 3]);
    let profile = patch(&raw, "/api/v1/accounts/me", &json!({"signature": "hello"})).await;
    profile.ok(200);
    let asked = moderator.asked().pop().expect("it was asked").json();
    assert_eq!((&asked["kind"], &asked["body"]), (&json!("profile"), &json!({"texts": {"/signature": "hello"}})));
    assert_eq!(asked["conversation_id"], Value::Null);
}

#[tokio::test]
async fn a_message_that_a_hook_rewrote_goes_by_what_was_given() {
    let moderator = moderator().await;
    let scene = Scene::new(Stack::new().await, hook(moderator.url("/"), "closed")).await;
    let (raw, id) = (scene.alice.raw().await, new_id());
    let send = async |said: &str| raw.post(&scene.path("/messages"), message(id, said).to_string()).await;
    let first = send("rewrite one").await.ok(201);
    assert_eq!(send("rewrite one").await.ok(200), first);
    send("rewrite two").await.refused(409, "conflict");
    assert_eq!(scene.read().await, ["something else"]);
}

#[tokio::test]
async fn what_the_hook_does_not_do_is_taken_or_not_as_the_operator_says() {
    let moderator = moderator().await;
    let stack = Stack::new().await;
    let mut scene = Scene::new(stack, hook(moderator.url("/"), "open")).await;
    let wrong = ["fail", "elsewhere", "unknown", "scalar", "babble", "hang"];
    for said in wrong {
        scene.send(said).await.ok(201);
    }
    assert_eq!(scene.read().await, wrong, "as they were given");
    assert!(!moderator.asked().iter().any(|asked| asked.path == "/elsewhere"), "nobody sends us elsewhere");
    assert_eq!(scene.metric("natter_content_hook_total{outcome=\"failed\"}").await, wrong.len() as f64);
    let cannot_be = ["empty", "system", "bare"];
    scene
        .unchanged(async {
            for said in cannot_be {
                scene.send(said).await.refused(422, "content_refused");
            }
        })
        .await;
    assert_eq!(scene.metric("natter_content_hook_total{outcome=\"refused\"}").await, cannot_be.len() as f64);

    scene.node.stop().await;
    let more = hook(moderator.url("/"), "closed");
    scene.node.restart_with(Options { more, ..Options::default() }).await;
    scene
        .unchanged(async {
            for said in wrong {
                let reply = scene.send(said).await;
                reply.refused(503, "unavailable");
                assert!(reply.header("retry-after").is_some());
            }
        })
        .await;
    scene.send("hello").await.ok(201);
}

#[tokio::test]
async fn a_hook_that_is_not_there_costs_nobody_time() {
    let nowhere = Outside::nowhere().await;
    let mut scene = Scene::new(Stack::new().await, hook(nowhere.clone(), "open")).await;
    let begun = Instant::now();
    for said in ["one", "two", "three"] {
        scene.send(said).await.ok(201);
    }
    // Who is not there refuses at once: nobody waits for its time to be over.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(scene.read().await, ["one", "two", "three"]);
    scene.node.stop().await;
    scene.node.restart_with(Options { more: hook(nowhere, "closed"), ..Options::default() }).await;
    scene.unchanged(async { scene.send("four").await.refused(503, "unavailable") }).await;
}

#[tokio::test]
async fn what_is_asked_is_signed_with_a_key_of_the_installation() {
    let moderator = moderator().await;
    let mut scene = Scene::new(Stack::new().await, vec![]).await;
    let created = scene.node.run(&["keys", "create", "moderator", "--by", "anna"]).await;
    let told = String::from_utf8_lossy(&created.stdout).into_owned();
    let mut values = told.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned);
    let (key, secret) = (values.next().expect("a key"), values.next().expect("a secret"));
    let with_key = |key: &str| {
        let more = [hook(moderator.url("/hook?a=b"), "closed"), vec![("NATTER_HOOK_KEY", key.to_owned())]].concat();
        Options { more, ..Options::default() }
    };
    scene.node.stop().await;
    scene.node.restart_with(with_key(&key)).await;
    scene.send("hello").await.ok(201);
    let asked = moderator.asked().pop().expect("it was asked");
    let given = asked.headers["authorization"].clone();
    let value = |name: &str| {
        let (_, rest) = given.split_once(&format!("{name}=\"")).expect("it is there");
        rest.split_once('"').expect("it ends").0.to_owned()
    };
    let at: i64 = value("at").parse().expect("seconds");
    assert!((clock::now().as_millis() / 1_000 - at).abs() < 60, "{given}");
    let signing = Signing { key: key.clone(), secret, at, nonce: value("nonce") };
    assert_eq!(given, signing.header("POST", "/hook?a=b", &asked.body));

    scene.node.stop().await;
    scene.node.launch(with_key(&new_id().to_string())).await;
    assert!(!scene.node.exited().await.success());
    assert!(scene.node.output().contains("NATTER_HOOK_KEY"), "{}", scene.node.output());
}

#[tokio::test]
async fn a_hook_may_listen_on_nats() {
    let stack = Stack::new().await;
    let bus = Bus::connect(stack.nats_url()).await.expect("connect");
    let mut questions = bus.live().subscribe("moderation.before-send").await.expect("subscribe");
    let answering = bus.clone();
    let answers = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let asked: Value = serde_json::from_slice(&question.payload).expect("JSON");
            let reply = question.reply.expect("somebody waits");
            let answer = verdict(&asked).to_string();
            answering.live().publish(reply, answer.into()).await.expect("answer");
        }
    });
    bus.live().flush().await.expect("flush");
    let scene = Scene::new(stack, hook("nats:moderation.before-send".to_owned(), "closed")).await;
    scene.send("hello").await.ok(201);
    scene.send("rewrite").await.ok(201);
    scene.unchanged(async { scene.send("refuse").await.refused(422, "content_refused") }).await;
    assert_eq!(scene.read().await, ["hello", "something else"]);
    answers.abort();
    eventually("nobody answers any more", BOUND, async || match scene.send("hello").await.status {
        503 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}
