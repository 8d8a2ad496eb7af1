//! Everything restarted in the middle of conversations: natter killed and stopped, NATS and PostgreSQL too. What
//! was acknowledged is neither missing nor doubled nor out of order, for anybody.

use crate::talk::Friends;
use natter_ops::servers::{Cql, Plan, Servers};
use natter_testkit::{Node, Stack, client::new_id, eventually};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::{path::PathBuf, time::Duration};

/// Long enough for a restart of everything on a busy machine.
pub const BOUND: Duration = Duration::from_secs(120);
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
    Cassandra,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Nats => "nats",
            Kind::Cassandra => "cassandra",
        }
    }

    /// The others are named, so that they are not started.
    fn plan(self, dir: &std::path::Path) -> Plan {
        let unless = |kind| (self != kind).then(|| "none".to_owned());
        let cql = if self == Kind::Cassandra { Cql::Private } else { Cql::None };
        Plan { database_url: unless(Kind::Postgres), nats_url: unless(Kind::Nats), cql, ..Plan::node(dir) }
    }

    fn url(self, servers: &Servers) -> &str {
        match self {
            Kind::Postgres => servers.database_url(),
            Kind::Nats => servers.nats_url(),
            Kind::Cassandra => &servers.cql_nodes()[0],
        }
    }

    fn pid(self, servers: &Servers) -> Pid {
        let pid = match self {
            Kind::Postgres => servers.postgres_pid(),
            Kind::Nats => servers.nats_pid(),
            Kind::Cassandra => servers.cql_pid(),
        };
        pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it has a pid")
    }
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
        let dir = dir.join(kind.name());
        let mut own = Self { kind, dir, running: None, url: String::new() };
        own.start_again().await;
        own
    }

    pub async fn start_again(&mut self) {
        let servers = Servers::start(self.kind.plan(&self.dir), &say).await.expect("start a private server");
        let url = self.kind.url(&servers);
        assert!(self.url.is_empty() || self.url == url, "it came back where it was: {url}, before: {}", self.url);
        self.url = url.to_owned();
        self.running = Some(servers);
    }

    /// Of Cassandra: `host:port`.
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

    /// SIGKILL; for PostgreSQL SIGQUIT, which ends it as it stands and leaves it to recover.
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
        kill_process(self.kind.pid(&running), signal).expect("crash a private server");
        natter_testkit::within("its end", BOUND, running.died()).await;
    }

    /// SIGSTOP: it stands still, with every connection open. Of PostgreSQL that would be one of its processes.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Until it is started again, no file of it gets longer, and none is begun: as on a disk that refuses writes.
    pub fn may_not_grow_files(&self) {
        let running = self.running.as_ref().expect("it runs");
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        prlimit(Some(self.kind.pid(running)), Resource::Fsize, none).expect("limit the files of a private server");
    }

    fn signal(&self, signal: Signal) {
        assert!(self.kind != Kind::Postgres, "PostgreSQL is many processes");
        let running = self.running.as_ref().expect("it runs");
        kill_process(self.kind.pid(running), signal).expect("signal a private server");
    }
}

impl Drop for Own {
    /// What stands still would not hear that it is to end.
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            let _ = kill_process(self.kind.pid(running), Signal::CONT);
        }
    }
}

fn say(line: &str) {
    println!("{line}");
}
