//! What people may say, and the servers that are asked about it: rules, the hook before a text is taken, previews of links,
//! translations. Whoever is asked is slow, wrong or not there at all.

mod everywhere;
mod held;
mod hook;
mod order;
pub mod permission;
mod preview;
mod rules;
mod translation;

use natter_testkit::{BOUND, Node, Options, Person, Raw, Reply, Stack, client::new_id, eventually};
use serde_json::{Value, json};
use std::path::PathBuf;
use uuid::Uuid;

/// Alice and bob are friends, at a node with these variables.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Person,
    bob: Person,
    conversation: Uuid,
}

impl Scene {
    async fn new(stack: Stack, more: Vec<(&'static str, String)>) -> Self {
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        let (alice, bob) = (node.register("alice").await, node.register("bob").await);
        let conversation = alice.befriends(&bob).await;
        Self { stack, node, alice, bob, conversation }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/conversations/{}{rest}", self.conversation)
    }

    /// Alice sends it, by REST.
    async fn send(&self, text: &str) -> Reply {
        self.alice.raw().await.post(&self.path("/messages"), message(new_id(), text).to_string()).await
    }

    /// What bob reads, the oldest first.
    async fn read(&self) -> Vec<String> {
        let listed = self.bob.raw().await.get(&self.path("/messages?after_seq=0")).await.ok(200);
        let items = listed["items"].as_array().expect("items").iter();
        items.filter_map(|item| item["body"]["text"].as_str().map(str::to_owned)).collect()
    }

    /// Nothing of what is refused in there reaches the log.
    async fn unchanged<T>(&self, attempts: impl Future<Output = T>) -> T {
        let before = self.stack.event_count().await;
        let result = attempts.await;
        assert_eq!(self.stack.event_count().await, before, "nothing was written");
        result
    }

    /// The metric's value, with its labels as they are shown.
    async fn metric(&self, name: &str) -> f64 {
        let text = self.node.raw().get("/metrics").await.text();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(of, _)| *of == name).map_or(0.0, |(_, value)| value.parse().expect("a number"))
    }
}

/// A file of rules that a test writes anew.
struct RulesFile(PathBuf);

impl RulesFile {
    fn new(stack: &Stack, lines: &[Value]) -> Self {
        let file = Self(stack.dir().join("rules.jsonl"));
        file.write(lines);
        file
    }

    fn write(&self, lines: &[Value]) {
        self.write_text(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }

    /// Beside and renamed, so that nobody reads half of it.
    fn write_text(&self, text: &str) {
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, text).expect("write the rules");
        std::fs::rename(fresh, &self.0).expect("put the rules in their place");
    }

    fn variable(&self) -> (&'static str, String) {
        ("NATTER_RULES", self.0.display().to_string())
    }
}

fn words(action: &str, words: &[&str]) -> Value {
    json!({"name": format!("secret {action}"), "words": words, "action": action})
}

fn text(text: &str) -> Value {
    json!({"kind": "text", "text": text})
}

fn message(id: Uuid, said: &str) -> Value {
    json!({"message_id": id, "body": text(said)})
}

fn frame(id: &str, conversation: Uuid, message: Uuid, said: &str) -> Value {
    json!({"id": id, "op": "message.send", "conversation_id": conversation, "message_id": message, "body": text(said)})
}

async fn patch(raw: &Raw, path: &str, body: &Value) -> Reply {
    raw.with("content-type", "application/json").call("PATCH", path, Some(body.to_string().into())).await
}

/// Waits until sending this gets that status.
async fn answers(scene: &Scene, text: &str, status: u16) {
    eventually(&format!("{text:?} is answered with {status}"), BOUND, async || {
        let reply = scene.send(text).await;
        if reply.status == status { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}
