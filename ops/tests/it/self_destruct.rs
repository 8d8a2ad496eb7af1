//! What ends by itself ends once and not before its time, whenever those die who see to it.

use natter_testkit::{BOUND, Clock, Node, Options, Person, Stack, client, eventually};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use uuid::Uuid;

const KILLED: i32 = 9;
/// Seconds that it is there.
const HOUR: u64 = 60 * 60;

struct Scene {
    stack: Stack,
    clock: Clock,
    node: Node,
    talk: Uuid,
}

impl Scene {
    /// Alice has said something to bob that ends so, and bob has read as far; then the node dies.
    async fn new(ends: &Value, reads: bool) -> Self {
        let stack = Stack::new().await;
        let clock = Clock::of(&stack);
        let mut node = stack.node_with(clock.options()).await;
        let (alice, bob) = (node.register("alice").await, node.register("bob").await);
        let talk = alice.befriends(&bob).await;
        says(&alice, talk, ends).await;
        if reads {
            bob_reads(&bob, talk).await;
        }
        node.kill().await;
        Self { stack, clock, node, talk }
    }

    /// Kills whoever comes at each of these points.
    async fn dies_at(&mut self, points: &[&str]) {
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

    async fn events(&self, name: &str) -> i64 {
        self.count(&format!("events WHERE event_type = '{name}'")).await
    }

    async fn has_ended_once(&self) {
        eventually("it has ended", BOUND, async || {
            let found = (self.events("expired").await, self.count("timers").await);
            if found == (1, 0) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        let bob = self.node.sign_in("bob").await.raw().await;
        let path = format!("/api/v1/conversations/{}/messages", self.talk);
        eventually("nobody sees it any more", BOUND, async || {
            let item = bob.get(&path).await.ok(200)["items"][0].clone();
            let is_gone = item["body"].is_null() && item["recalled_at"].is_string() && item["recalled_by"].is_null();
            if is_gone { Ok(()) } else { Err(item.to_string()) }
        })
        .await;
        assert_eq!(self.events("expired").await, 1, "once");
    }
}

async fn says(alice: &Person, talk: Uuid, ends: &Value) {
    let body = json!({"kind": "text", "text": "for an hour"});
    let given = json!({"message_id": client::new_id(), "body": body, "self_destruct": ends});
    alice.raw().await.post(&format!("/api/v1/conversations/{talk}/messages"), given.to_string()).await.ok(201);
}

async fn bob_reads(bob: &Person, talk: Uuid) {
    let path = format!("/api/v1/conversations/{talk}/read");
    bob.raw().await.put(&path, json!({"seq": 1}).to_string()).await.ok(200);
}

async fn ends_once_though_killed(points: &[&str]) {
    let mut scene = Scene::new(&json!({"after_s": HOUR}), false).await;
    scene.clock.ahead_by(HOUR - 60);
    scene.node.restart_with(scene.clock.options()).await;
    let bob = scene.node.sign_in("bob").await.raw().await;
    let listed = bob.get(&format!("/api/v1/conversations/{}/messages", scene.talk)).await.ok(200);
    assert_eq!(listed["items"][0]["body"]["text"], "for an hour");
    assert_eq!((scene.events("expired").await, scene.count("timers").await), (0, 1), "not before its time");
    scene.node.kill().await;
    scene.clock.ahead_by(HOUR + 60);
    scene.dies_at(points).await;
    scene.has_ended_once().await;
}

#[tokio::test]
async fn it_ends_though_nobody_was_there_when_its_moment_came() {
    ends_once_though_killed(&[]).await;
}

#[tokio::test]
async fn it_ends_once_when_who_sees_to_it_dies_before_and_after_the_moment_is_seen() {
    ends_once_though_killed(&["timer.before_fire", "timer.after_fire"]).await;
}

#[tokio::test]
async fn it_ends_once_when_who_shows_it_dies_behind_it() {
    for point in ["projection.history.after_commit", "projection.relations.after_commit"] {
        ends_once_though_killed(&[point]).await;
    }
}

/// Bob's reading is durable when the node dies; what follows from it may be, or not, and is asked for again.
#[tokio::test]
async fn a_countdown_begins_once_and_ends_once_though_those_die_who_see_to_both() {
    let mut scene = Scene::new(&json!({"after_read_s": HOUR}), true).await;
    let forgets = "DELETE FROM checkpoints WHERE projection = 'conversation.begins_countdowns'";
    sqlx::query(forgets).execute(scene.stack.pool()).await.expect("forget how far it was");
    scene.dies_at(&["process.before_effect", "process.after_effect"]).await;
    eventually("it has begun", BOUND, async || {
        let found = (scene.events("countdown_began").await, scene.count("timers").await);
        if found == (1, 1) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(scene.events("expired").await, 0);
    scene.node.kill().await;
    scene.clock.ahead_by(HOUR + 60);
    scene.dies_at(&["timer.before_fire", "timer.after_fire"]).await;
    scene.has_ended_once().await;
    assert_eq!(scene.events("countdown_began").await, 1, "once");
}
