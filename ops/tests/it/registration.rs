//! A registration that dies between its claim and its completion: after its time the name is free again, wherever
//! those die who give it back; and should it only have slept, it hears that it was too late.

use natter_testkit::{BOUND, Node, Options, Reply, Stack, eventually, within};
use serde_json::json;
use std::{os::unix::process::ExitStatusExt, path::PathBuf};

const KILLED: i32 = 9;

/// Seconds: more than the time that a registration has.
const LATER: u32 = 11 * 60;

/// The clock of a stack's nodes.
struct Clock(PathBuf);

impl Clock {
    fn of(stack: &Stack) -> Self {
        Self(stack.dir().join("clock"))
    }

    fn options(&self, faults: Option<String>) -> Options {
        let more = vec![("NATTER_CLOCK", self.0.display().to_string())];
        Options { faults, more, ..Options::default() }
    }

    fn ahead_by(&self, seconds: u32) {
        let whole = self.0.with_extension("new");
        std::fs::write(&whole, seconds.to_string()).expect("write the clock");
        std::fs::rename(whole, &self.0).expect("set the clock");
    }
}

fn body(password: &str) -> String {
    json!({"username": "alice", "password": password}).to_string()
}

async fn register(node: &Node, password: &str) -> Reply {
    node.raw().post("/api/v1/auth/register", body(password)).await
}

async fn name_becomes_free(node: &Node) {
    eventually("the name is free", BOUND, async || {
        let reply = register(node, "somebody else's").await;
        if reply.status == 201 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    register(node, "a third one's").await.refused(409, "name_taken");
    let login = |password| json!({"login": "alice", "password": password}).to_string();
    node.raw().post("/api/v1/auth/login", login("somebody else's")).await.ok(200);
    node.raw().post("/api/v1/auth/login", login("the first one's")).await.refused(401, "wrong_credentials");
}

/// Who gives the name back dies there too, if a point is named.
async fn died_after_its_claim(then_at: Option<&str>) {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let mut node = stack.node_with(clock.options(Some("account.after_claim=kill@1".to_owned()))).await;
    let lost = node.raw().with("content-type", "application/json");
    let lost = lost.try_call("POST", "/api/v1/auth/register", Some(body("the first one's").into())).await;
    assert!(lost.is_err(), "nobody answers: {lost:?}");
    assert_eq!(node.exited().await.signal(), Some(KILLED));

    node.restart_with(clock.options(then_at.map(|point| format!("{point}=kill@1")))).await;
    register(&node, "somebody else's").await.refused(409, "name_taken");
    clock.ahead_by(LATER);
    if let Some(point) = then_at {
        assert_eq!(node.exited().await.signal(), Some(KILLED));
        assert!(node.reached(point) > 0, "{point}");
        node.restart_with(clock.options(None)).await;
    }
    name_becomes_free(&node).await;
}

#[tokio::test]
async fn its_name_is_free_after_its_time() {
    died_after_its_claim(None).await;
}

#[tokio::test]
async fn its_name_is_free_when_the_next_dies_before_the_timer_fires() {
    died_after_its_claim(Some("timer.before_fire")).await;
}

#[tokio::test]
async fn its_name_is_free_when_the_next_dies_after_the_timer_fired() {
    died_after_its_claim(Some("timer.after_fire")).await;
}

#[tokio::test]
async fn its_name_is_free_when_the_next_dies_before_the_release() {
    died_after_its_claim(Some("process.before_effect")).await;
}

#[tokio::test]
async fn its_name_is_free_when_the_next_dies_after_the_release() {
    died_after_its_claim(Some("process.after_effect")).await;
}

#[tokio::test]
async fn one_that_only_slept_hears_that_it_was_abandoned() {
    let stack = Stack::new().await;
    let (clock, sleep) = (Clock::of(&stack), stack.dir().join("sleep"));
    std::fs::write(&sleep, "").expect("make it sleep");
    let node = stack.node_with(clock.options(Some(format!("account.after_claim=hold:{}", sleep.display())))).await;
    let sleeper = {
        let raw = node.raw();
        tokio::spawn(async move { raw.post("/api/v1/auth/register", body("the first one's")).await })
    };
    eventually("it sleeps", BOUND, async || {
        if node.reached("account.after_claim") > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    clock.ahead_by(LATER);
    eventually("its name is given back", BOUND, async || {
        let released = "SELECT count(*) FROM events WHERE aggregate_type = 'handle' AND event_type = 'released'";
        let released: i64 = sqlx::query_scalar(released).fetch_one(stack.pool()).await.expect("look at the log");
        if released == 1 { Ok(()) } else { Err(format!("{released} were")) }
    })
    .await;
    std::fs::remove_file(&sleep).expect("wake it");
    let woken = within("it is answered", BOUND, sleeper).await.expect("it does not panic");
    woken.refused(409, "conflict");
    name_becomes_free(&node).await;
}

/// Names that look like somebody who may do more: nobody new gets them, however they are written; who has one keeps it.
#[tokio::test]
async fn reserved_names_are_nobodys() {
    let stack = Stack::new().await;
    let mut node = stack.node_with(reserving("")).await;
    let named = async |node: &Node, name: &str| {
        let body = json!({"username": name, "password": "eight characters"}).to_string();
        node.raw().post("/api/v1/auth/register", body).await
    };
    named(&node, "admin").await.ok(201);
    node.stop().await;
    node.restart_with(Options::default()).await;
    for name in ["admin", "Root", "ｓｙｓｔｅｍ", "SUPPORT"] {
        named(&node, name).await.refused(409, "name_taken");
    }
    named(&node, "roots").await.ok(201);
    let login = json!({"login": "admin", "password": "eight characters"}).to_string();
    node.raw().post("/api/v1/auth/login", login).await.ok(200);
    node.stop().await;
    node.restart_with(reserving("Chef, sous-chef")).await;
    for name in ["chef", "Sous-Chef"] {
        named(&node, name).await.refused(409, "name_taken");
    }
    named(&node, "root").await.ok(201);
}

fn reserving(names: &str) -> Options {
    Options { more: vec![("NATTER_RESERVED_NAMES", names.to_owned())], ..Options::default() }
}
