//! Everything restarted in the middle of conversations: natter killed and stopped, NATS and PostgreSQL too. What
//! was acknowledged is neither missing nor doubled nor out of order, for anybody.

use crate::talk::Friends;
use natter_ops::servers::{Plan, Servers};
use natter_testkit::{Node, Stack, client::new_id, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::{path::PathBuf, time::Duration};

/// Long enough for a restart of everything on a busy machine.
const BOUND: Duration = Duration::from_secs(120);
/// Acknowledged between one blow and the next, so that each falls into the middle.
pub const BETWEEN: usize = 12;

#[tokio::test]
async fn a_graceful_stop_tells_every_socket_to_come_back() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    let mut sockets = [alice.raw_socket().await, bob.raw_socket().await];
    node.tell_to_stop();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.code, Some(1012));
    }
    assert!(node.exited().await.success(), "a graceful stop");
    node.restart().await;
    alice.says(&bob, "back again").await;
    bob.sees("back again").await;
}

#[tokio::test]
async fn natter_is_killed_and_stopped_again_and_again() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let blows = async {
        for round in 0..4 {
            progress(&friends).await;
            if round % 2 == 0 {
                node.kill().await;
            } else {
                assert!(node.stop().await.success(), "a graceful stop");
            }
            node.restart().await;
        }
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

#[tokio::test]
async fn nats_and_postgresql_are_restarted_too() {
    let dir = own_dir();
    let mut postgres = Own::start(&dir, Kind::Postgres).await;
    let mut nats = Own::start(&dir, Kind::Nats).await;
    let stack = Stack::on(postgres.url(), nats.url(), &dir.join("stack"));
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let blows = async {
        progress(&friends).await;
        nats.stop().await;
        progress(&friends).await;
        nats.start_again().await;
        progress(&friends).await;
        nats.crash().await;
        nats.start_again().await;
        progress(&friends).await;
        postgres.stop().await;
        postgres.start_again().await;
        progress(&friends).await;
        postgres.crash().await;
        postgres.start_again().await;
        progress(&friends).await;
        everything_at_once(&mut node, &mut nats, &mut postgres).await;
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
    node.stop().await;
    nats.stop().await;
    postgres.stop().await;
}

#[tokio::test]
async fn a_lost_broker_is_told_as_resync_and_pushes_flow_again() {
    let database = Stack::new().await;
    let dir = own_dir();
    let mut nats = Own::start(&dir, Kind::Nats).await;
    let stack = Stack::on(database.database_url(), nats.url(), &dir.join("stack"));
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    let mut sockets = [alice.raw_socket().await, bob.raw_socket().await];

    nats.crash().await;
    alice.says(&bob, "while it was away").await;
    nats.start_again().await;
    for socket in &mut sockets {
        let resync = socket.event("resync").await;
        assert!(resync["reason"].is_string(), "{resync}");
        socket.lives().await;
    }
    bob.sees("while it was away").await;
    alice.says(&bob, "back again").await;
    for socket in &mut sockets {
        let pushed = |frame: &serde_json::Value| frame["message"]["body"]["text"] == "back again";
        socket.find("the push", pushed).await;
    }
    node.stop().await;
    nats.stop().await;
}

async fn everything_at_once(node: &mut Node, nats: &mut Own, postgres: &mut Own) {
    node.kill().await;
    nats.crash().await;
    postgres.crash().await;
    postgres.start_again().await;
    nats.start_again().await;
    node.restart().await;
}

/// Waits until people are in the middle of it.
pub async fn progress(friends: &Friends) {
    let goal = friends.acknowledged() + BETWEEN;
    eventually("people go on talking", BOUND, async || {
        let now = friends.acknowledged();
        if now >= goal { Ok(()) } else { Err(format!("{now} of {goal} acknowledged")) }
    })
    .await;
}

pub fn own_dir() -> PathBuf {
    let run = std::env::var_os("NATTER_TEST_DIR").expect("NATTER_TEST_DIR is not set: run ./ops/test");
    PathBuf::from(run).join(format!("own-{}", new_id().simple()))
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Postgres,
    Nats,
}

/// A server of this test's own, started again on the same port with the same data.
pub struct Own {
    kind: Kind,
    dir: PathBuf,
    running: Option<Servers>,
    url: String,
}

impl Own {
    pub async fn start(dir: &std::path::Path, kind: Kind) -> Self {
        let dir = dir.join(if kind == Kind::Postgres { "postgres" } else { "nats" });
        let mut own = Self { kind, dir, running: None, url: String::new() };
        own.start_again().await;
        own
    }

    pub async fn start_again(&mut self) {
        let mut plan = Plan::node(&self.dir);
        // The other one is named, so that it is not started.
        match self.kind {
            Kind::Postgres => plan.nats_url = Some("none".to_owned()),
            Kind::Nats => plan.database_url = Some("none".to_owned()),
        }
        let servers = Servers::start(plan, &say).await.expect("start a private server");
        let url = if self.kind == Kind::Postgres { servers.database_url() } else { servers.nats_url() };
        assert!(self.url.is_empty() || self.url == url, "it came back where it was: {url}, before: {}", self.url);
        self.url = url.to_owned();
        self.running = Some(servers);
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    pub async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop(&say).await.expect("stop a private server");
    }

    /// SIGKILL for NATS; for PostgreSQL SIGQUIT, which ends it as it stands and leaves it to recover.
    pub async fn crash(&mut self) {
        let signal = if self.kind == Kind::Postgres { Signal::QUIT } else { Signal::KILL };
        self.end_by(signal).await;
    }

    /// SIGKILL, whatever it is.
    pub async fn kill(&mut self) {
        self.end_by(Signal::KILL).await;
    }

    async fn end_by(&mut self, signal: Signal) {
        let running = self.running.take().expect("it runs");
        let pid = if self.kind == Kind::Postgres { running.postgres_pid() } else { running.nats_pid() };
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it has a pid");
        kill_process(pid, signal).expect("crash a private server");
        natter_testkit::within("its end", BOUND, running.died()).await;
    }
}

fn say(line: &str) {
    println!("{line}");
}
