//! What is scheduled is said once, or says why not, whenever those die who see to it.

use natter_testkit::{BOUND, Clock, Node, Options, Person, Stack, client, eventually, in_seconds};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use uuid::Uuid;

const KILLED: i32 = 9;
/// Seconds until it is to be said.
const HOUR: u64 = 60 * 60;

struct Scene {
    stack: Stack,
    clock: Clock,
    node: Node,
    talk: Uuid,
    message: Uuid,
}

impl Scene {
    /// Alice has something scheduled for bob, and the node is dead.
    async fn new() -> Self {
        let stack = Stack::new().await;
        let clock = Clock::of(&stack);
        let mut node = stack.node_with(clock.options()).await;
        let (alice, bob) = (node.register("alice").await, node.register("bob").await);
        let talk = alice.befriends(&bob).await;
        let message = client::new_id();
        schedule(&alice, talk, message).await;
        node.kill().await;
        Self { stack, clock, node, talk, message }
    }

    /// Lets its moment come while nobody runs, and kills whoever comes then at each of these points.
    async fn dies_at(&mut self, points: &[&str]) {
        self.clock.ahead_by(HOUR + 60);
        for point in points {
            let faults = Some(format!("{point}=kill@1"));
            self.node.launch(Options { faults, ..self.clock.options() }).await;
            assert_eq!(self.node.exited().await.signal(), Some(KILLED), "{point}");
            assert!(self.node.reached(point) > 0, "{point}");
        }
        self.node.restart_with(self.clock.options()).await;
    }

    async fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {what}");
        sqlx::query_scalar(&sql).fetch_one(self.stack.pool()).await.expect("count")
    }

    async fn events(&self, noun: &str, name: &str) -> i64 {
        self.count(&format!("events WHERE aggregate_type = '{noun}' AND event_type = '{name}'")).await
    }

    /// One of each kind, and no timer is left.
    async fn comes_to(&self, sent: i64, failed: i64) {
        eventually("it has come to its end", BOUND, async || {
            let messages = self.events("conversation", "message_sent").await;
            let (ends, fails) = (self.events("pending", "sent").await, self.events("pending", "failed").await);
            let timers = self.count("timers").await;
            let found = (messages, ends, fails, timers);
            if found == (sent, sent, failed, 0) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        assert_eq!(self.events("pending", "released").await, 1, "once");
    }

    async fn bob_reads(&self) -> Vec<Value> {
        let bob = self.node.sign_in("bob").await;
        let listed = bob.raw().await.get(&format!("/api/v1/conversations/{}/messages", self.talk)).await.ok(200);
        listed["items"].as_array().expect("messages").clone()
    }
}

async fn schedule(alice: &Person, talk: Uuid, message: Uuid) {
    let given = json!({
        "message_id": message, "body": {"kind": "text", "text": "in an hour"}, "send_at": in_seconds(HOUR),
    });
    let path = format!("/api/v1/conversations/{talk}/scheduled");
    alice.raw().await.post(&path, given.to_string()).await.ok(201);
}

async fn is_said_once_though_killed(points: &[&str]) {
    let mut scene = Scene::new().await;
    assert_eq!(scene.events("pending", "released").await, 0);
    scene.dies_at(points).await;
    scene.comes_to(1, 0).await;
    let read = scene.bob_reads().await;
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!((&read[0]["message_id"], &read[0]["body"]["text"]), (&json!(scene.message), &json!("in an hour")));
}

#[tokio::test]
async fn it_is_said_though_nobody_was_there_when_its_moment_came() {
    is_said_once_though_killed(&[]).await;
}

#[tokio::test]
async fn it_is_said_once_when_who_sees_to_it_dies_before_and_after_the_moment_is_seen() {
    is_said_once_though_killed(&["timer.before_fire", "timer.after_fire"]).await;
}

#[tokio::test]
async fn it_is_said_once_when_who_says_it_dies_before_behind_and_after_it() {
    is_said_once_though_killed(&["pending.before_send", "pending.after_send", "process.after_effect"]).await;
}

/// Bob has blocked alice: the send is refused. Who says so dies; meanwhile bob lets her speak again. What is written
/// down by then counts.
#[tokio::test]
async fn it_fails_once_when_who_says_so_dies_behind_it() {
    let mut scene = Scene::new().await;
    scene.node.restart_with(scene.clock.options()).await;
    let (alice, bob) = (scene.node.sign_in("alice").await, scene.node.sign_in("bob").await);
    let path = format!("/api/v1/blocks/{}", alice.id());
    bob.raw().await.put(&path, "").await.ok(200);
    scene.node.kill().await;
    scene.dies_at(&["process.after_effect"]).await;
    scene.comes_to(0, 1).await;
    let bob = scene.node.sign_in("bob").await;
    assert_eq!(bob.raw().await.call("DELETE", &path, None).await.status, 204);
    let alice = scene.node.sign_in("alice").await;
    let listed = alice.raw().await.get("/api/v1/scheduled").await.ok(200);
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][0]["code"]),
        (&json!("failed"), &json!("conversation_closed"))
    );
    // The id is spent: nothing under it comes late.
    let late = json!({"message_id": scene.message, "body": {"kind": "text", "text": "in an hour"}}).to_string();
    let path = format!("/api/v1/conversations/{}/messages", scene.talk);
    alice.raw().await.post(&path, late).await.refused(409, "conflict");
    assert!(scene.bob_reads().await.is_empty());
}
