//! What stands in people's way: operators mute and suspend them, and some want their account closed.

mod closing;
mod export;
mod lifted;
mod password;

use natter_testkit::{
    BOUND, Node, Options, PASSWORD, Person, Raw, RawSocket, Reply, Stack,
    client::{self, Signed},
    eventually,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use uuid::Uuid;

/// `natter accounts`, to its end: whether it went well, and what it said.
pub async fn accounts(node: &Node, arguments: &[&str]) -> (bool, String) {
    let output = node.run(&[&["accounts"], arguments].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

pub async fn well(node: &Node, arguments: &[&str]) -> String {
    let (well, said) = accounts(node, arguments).await;
    assert!(well, "{arguments:?}: {said}");
    said
}

/// A node whose clock the test moves.
pub async fn clocked(stack: &Stack, more: &[(&'static str, &str)]) -> (Node, Clock) {
    let file = stack.dir().join("clock");
    let mut settings = vec![("NATTER_CLOCK", file.display().to_string())];
    settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    (stack.node_with(Options { more: settings, ..Options::default() }).await, Clock(file))
}

pub struct Clock(PathBuf);

impl Clock {
    /// So many seconds ahead of everybody else's.
    pub fn is_ahead(&self, seconds: i64) {
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, seconds.to_string()).expect("write the clock");
        std::fs::rename(&fresh, &self.0).expect("set the clock");
    }
}

pub async fn login(raw: &Raw, name: &str, password: &str) -> Reply {
    raw.post("/api/v1/auth/login", json!({"login": name, "password": password}).to_string()).await
}

pub async fn is_signed_out(signed: &Signed) {
    eventually("the session is refused", BOUND, async || match signed.me().await {
        Err(error) if error.code() == Some("unauthenticated") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// An account's events of a type, as the log has them.
pub async fn events(stack: &Stack, event_type: &str) -> Vec<Value> {
    let told =
        "SELECT payload::text FROM events WHERE aggregate_type = 'account' AND event_type = $1 ORDER BY position";
    let told: Vec<String> =
        sqlx::query_scalar(told).bind(event_type).fetch_all(stack.pool()).await.expect("read the log");
    let content = |text: &String| serde_json::from_str::<Value>(text).expect("an event is JSON")[event_type].clone();
    told.iter().map(content).collect()
}

#[tokio::test]
async fn who_is_suspended_is_signed_out_everywhere_and_told_why() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let alice = near.register("alice").await;
    let phone = alice.on_another_device().await;
    let elsewhere = far.client().signed(client::wire::SignedIn {
        account: phone.client().account().clone(),
        tokens: phone.client().tokens().await,
    });
    let refresh = json!({"refresh_token": phone.client().tokens().await.refresh_token}).to_string();
    let (mut one, mut other) = (alice.raw_socket().await, far_socket(&far, &elsewhere).await);
    let id = alice.id().to_string();
    let said =
        well(&near, &["suspend", &id, "--until", "2999-01-01T00:00:00Z", "--reason", "spam, again", "--by", "root"])
            .await;
    assert!(said.contains("is suspended"), "{said}");
    for socket in [&mut one, &mut other] {
        assert_eq!(socket.event("session.revoked").await["reason"], "suspended");
        assert_eq!(socket.closed().await.code, Some(4403));
    }
    is_signed_out(alice.client()).await;
    is_signed_out(&elsewhere).await;
    far.raw().post("/api/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");

    let refused = login(&far.raw(), "alice", PASSWORD).await.refused(403, "account_suspended");
    assert_eq!(refused["until"], "2999-01-01T00:00:00.000Z");
    login(&far.raw(), "alice", "not her password").await.refused(401, "wrong_credentials");
    let [told] = &events(&stack, "suspended").await[..] else { panic!("one event") };
    assert_eq!((&told["by"], &told["until"]), (&json!("root"), &json!("2999-01-01T00:00:00.000Z")));
    assert!(told["reason"].is_string() && !told["reason"].to_string().contains("spam"), "it is sealed: {told}");

    well(&near, &["restore", &id, "--reason", "a mistake", "--by", "carol"]).await;
    login(&far.raw(), "alice", PASSWORD).await.ok(200);
    assert_eq!(events(&stack, "restored").await[0]["by"], "carol");
}

async fn far_socket(node: &Node, signed: &Signed) -> RawSocket {
    let token = signed.tokens().await.access_token;
    let mut socket = node.raw().with("authorization", &format!("Bearer {token}")).socket().await;
    socket.event("ready").await;
    socket
}

#[tokio::test]
async fn who_asks_for_what_cannot_be_is_told_so() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let (id, nobody) = (alice.id().to_string(), client::new_id().to_string());
    let before = stack.event_count().await;
    for (arguments, why) in [
        (&["suspend", nobody.as_str(), "--by", "root"][..], "no such account"),
        (&["mute", nobody.as_str(), "--by", "root"], "no such account"),
        (&["suspend", id.as_str(), "--by", ""], "must be named"),
        (&["mute", id.as_str(), "--by", "root", "--until", "2001-01-01T00:00:00Z"], "lies in the past"),
        (&["mute", id.as_str(), "--until", "soon"], "12h"),
        (&["export", nobody.as_str()], "no such account"),
    ] {
        let (done, said) = accounts(&node, arguments).await;
        assert!(!done && said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(stack.event_count().await, before, "nothing was written");
    alice.client().me().await.expect("nothing has happened to her");
}

async fn says(person: &Person, conversation: Uuid, id: Uuid, text: &str) -> Reply {
    let body = json!({"message_id": id, "body": {"kind": "text", "text": text}}).to_string();
    person.raw().await.post(&format!("/api/v1/conversations/{conversation}/messages"), body).await
}

async fn edits(person: &Person, conversation: Uuid, id: Uuid, text: &str) -> Reply {
    let raw = person.raw().await.with("content-type", "application/json");
    let body = json!({"body": {"kind": "text", "text": text}}).to_string();
    raw.call("PATCH", &format!("/api/v1/conversations/{conversation}/messages/{id}"), Some(body.into())).await
}

/// Waits until what somebody says is refused; what was taken until then is taken.
async fn is_muted(person: &Person, conversation: Uuid) -> Value {
    eventually("what they say is refused", BOUND, async || {
        let said = says(person, conversation, client::new_id(), "still here").await;
        if said.status == 201 { Err("it was taken".to_owned()) } else { Ok(said.refused(403, "muted")) }
    })
    .await
}

#[tokio::test]
async fn who_is_muted_says_nothing_on_any_node_and_reads_on() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let (alice, bob) = (near.register("alice").await, near.register("bob").await);
    let talk = alice.befriends(&bob).await;
    let (first, second) = (client::new_id(), client::new_id());
    says(&alice, talk, first, "hello").await.ok(201);
    let id = alice.id().to_string();
    well(&near, &["mute", &id, "--until", "2999-01-01T00:00:00Z", "--by", "root"]).await;
    assert_eq!(is_muted(&alice, talk).await["until"], "2999-01-01T00:00:00.000Z");
    let elsewhere = far.client().signed(client::wire::SignedIn {
        account: alice.client().account().clone(),
        tokens: alice.client().tokens().await,
    });
    eventually("the other node refuses it too", BOUND, async || {
        let body = client::wire::Body::text("still here");
        let sent = client::wire::MessageNew::new(client::new_id(), body);
        match elsewhere.send(talk, &sent).await {
            Err(error) if error.code() == Some("muted") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let mut socket = alice.raw_socket().await;
    let frame = |id: Uuid, text: &str| {
        json!({"op": "message.send", "id": "1", "conversation_id": talk, "message_id": id,
               "body": {"kind": "text", "text": text}})
    };
    let refused = socket.ask(frame(second, "and here")).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["status"]), (&json!("muted"), &json!(403)));
    assert_eq!(refused["error"]["until"], "2999-01-01T00:00:00.000Z");
    edits(&alice, talk, first, "something else").await.refused(403, "muted");
    // What was sent before is sent.
    says(&alice, talk, first, "hello").await.ok(200);
    assert_eq!(socket.ask(frame(first, "hello")).await["ok"]["seq"], 1);
    let edit = json!({"op": "message.edit", "id": "2", "conversation_id": talk, "message_id": first,
                      "body": {"kind": "text", "text": "other"}});
    assert_eq!(socket.ask(edit).await["error"]["code"], "muted");
    alice.raw().await.get(&format!("/api/v1/conversations/{talk}/messages")).await.ok(200);
    bob.says(&alice, "they still hear").await;
    alice.sees("they still hear").await;

    well(&far, &["restore", &id, "--by", "root"]).await;
    eventually("she is heard again", BOUND, async || {
        let said = says(&alice, talk, second, "back").await;
        if said.status == 201 { Ok(()) } else { Err(said.text()) }
    })
    .await;
    bob.sees("back").await;
}

#[tokio::test]
async fn a_node_that_starts_knows_who_is_muted() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    well(&node, &["mute", &alice.id().to_string(), "--by", "root"]).await;
    let told = is_muted(&alice, talk).await;
    assert!(told.get("until").is_none(), "nobody has said until when: {told}");
    node.kill().await;
    node.restart().await;
    says(&alice, talk, client::new_id(), "the first word").await.refused(403, "muted");
}
