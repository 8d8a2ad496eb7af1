//! The private Cassandra: what it has acknowledged outlives it, it comes back where it was, takes other ports when its own
//! are taken, one run per directory, and nothing of it is left when its run is killed.

use crate::restart::{BOUND, Kind, Own, own_dir};
use natter_ops::servers::{self, Cql as Wanted, Plan, Servers};
use natter_testkit::{Cql, binary, cql, eventually, within};
use std::{net::TcpListener, path::Path, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

/// Long enough to see that an answer does not come, where one takes a millisecond.
const A_WHILE: Duration = Duration::from_secs(1);

fn say(line: &str) {
    println!("{line}");
}

async fn make_table(cql: &Cql) {
    cql.make_keyspace().await;
    let table = format!("CREATE TABLE {}.said (id int PRIMARY KEY, words text)", cql.keyspace);
    cql.execute(&table).await.expect("make a table");
}

async fn insert(cql: &Cql, id: usize) -> Result<(), String> {
    let insert = format!("INSERT INTO {}.said (id, words) VALUES ({id}, 'words {id}.')", cql.keyspace);
    cql.execute(&insert).await.map(drop)
}

async fn holds(cql: &Cql, id: usize) -> bool {
    let select = format!("SELECT words FROM {}.said WHERE id = {id}", cql.keyspace);
    let found = cql.execute(&select).await.expect("read a row");
    String::from_utf8_lossy(&found).contains(&format!("words {id}."))
}

#[tokio::test]
async fn each_test_has_a_keyspace_of_its_own_on_the_runs_server() {
    let (one, other) = (cql(), cql());
    make_table(&one).await;
    make_table(&other).await;
    insert(&one, 1).await.expect("write a row");
    assert!(holds(&one, 1).await && !holds(&other, 1).await);
    one.drop_keyspace().await;
    other.drop_keyspace().await;
    assert!(insert(&one, 2).await.expect_err("it is gone").contains(&one.keyspace));
}

/// Killed in the middle of writes: whatever was answered is there after it, on the same port.
#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill_and_a_pause() {
    // A path with a space: it is handed over as a url.
    let mut server = Own::start(&own_dir().join("a place"), Kind::Cassandra).await;
    let cql = Cql::at(server.url());
    make_table(&cql).await;
    let mut acknowledged = 0;
    let writes = async {
        while insert(&cql, acknowledged).await.is_ok() {
            acknowledged += 1;
        }
    };
    let blow = async {
        eventually("writes are answered", BOUND, async || {
            if holds(&cql, 50).await { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        server.kill().await;
    };
    tokio::join!(writes, blow);
    assert!(acknowledged > 50, "{acknowledged}");
    server.start_again().await;
    for id in 0..acknowledged {
        assert!(holds(&cql, id).await, "{id} of {acknowledged} was acknowledged and is lost");
    }

    server.pause();
    let unanswered = tokio::time::timeout(A_WHILE, insert(&cql, acknowledged)).await;
    assert!(unanswered.is_err(), "it stands still: {unanswered:?}");
    server.go_on();
    insert(&cql, acknowledged).await.expect("it goes on");
    server.stop().await;
}

/// Both its doors are taken by strangers when it comes back.
#[tokio::test]
async fn taken_ports_are_passed_over_and_its_data_comes_along() {
    let dir = own_dir();
    let first = Servers::start(alone(&dir), &say).await.expect("start");
    let before = Cql::at(&first.cql_nodes()[0]);
    make_table(&before).await;
    insert(&before, 1).await.expect("write a row");
    first.stop(&say).await.expect("stop");

    let port = |name: &str| std::fs::read_to_string(dir.join("cassandra").join(name)).expect("a port is remembered");
    let ports = [port("port"), port("storage-port")];
    let _strangers = ports.each_ref().map(|port| TcpListener::bind(format!("127.0.0.1:{port}")).expect("take a port"));
    let second = Servers::start(alone(&dir), &say).await.expect("start beside strangers");
    let after = Cql { address: second.cql_nodes()[0].clone(), ..before.clone() };
    assert_ne!(after.address, before.address);
    assert!(holds(&after, 1).await);

    let refusal = Servers::start(alone(&dir), &say).await.err().expect("one run per directory").to_string();
    assert!(refusal.contains("already running"), "{refusal}");
    assert!(holds(&after, 1).await, "the first run is left alone");
    second.stop(&say).await.expect("stop");
}

/// What `ops/test` starts, and whoever starts it, may be killed: the servers go too.
#[tokio::test]
async fn a_killed_run_leaves_no_server() {
    let dir = own_dir();
    let (mut run, children) = run_that_waits(&dir).await;
    let home = dir.join("tests").join(run.id().expect("it runs").to_string());
    run.kill().await.expect("kill the run");
    eventually("every server is gone", BOUND, async || {
        let left: Vec<&u32> = children.iter().filter(|pid| lives(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} live")) }
    })
    .await;
    assert!(servers::remove(&home, &say).await.expect("remove"), "nobody uses it");
}

/// A server that outlived its run, as where there is no `setpriv`, is ended by the next run in its directory.
#[tokio::test]
async fn a_server_that_outlived_its_run_is_ended_by_the_next() {
    let dir = own_dir();
    let home = dir.join("cassandra");
    std::fs::create_dir_all(&home).expect("make a directory");
    // As our server looks from outside: the program of this name, working in this directory.
    let program = dir.join("java");
    std::fs::copy("/bin/sleep", &program).expect("copy a program");
    let mut left = Command::new(&program).arg("600").current_dir(&home).spawn().expect("start it");
    let servers = Servers::start(alone(&dir), &say).await.expect("start");
    let status = within("its end", BOUND, left.wait()).await.expect("wait for it");
    assert!(!status.success(), "ended by a signal");
    servers.stop(&say).await.expect("stop");
}

#[tokio::test]
async fn without_java_or_jars_a_run_says_what_to_do() {
    let dir = own_dir();
    for (variable, told) in [("NATTER_JAVA", "run /nowhere -version"), ("NATTER_CASSANDRA_LIB", "list /nowhere")] {
        let mut command = natter(&["with-servers", "--", "true"]);
        let output = command.env("NATTER_DATA_DIR", &dir).env(variable, "/nowhere").output().await;
        let output = output.expect("run natter with-servers");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(&format!("start private cassandra: {variable}: {told}")), "{said}");
    }
}

/// Until there is a store for it: nothing is started, nothing is pretended.
#[tokio::test]
async fn a_history_in_scylla_is_refused() {
    let dir = own_dir();
    let run = natter(&["run", "--history", "scylla"])
        .env("NATTER_DATA_DIR", &dir)
        .env("NATTER_LISTEN", "127.0.0.1:0")
        .output()
        .await;
    let output = run.expect("run natter");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("this build keeps the history in PostgreSQL only"), "{said}");
    assert!(!dir.exists(), "nothing was started");
}

fn alone(dir: &Path) -> Plan {
    let none = || Some("none".to_owned());
    Plan { cql: Wanted::Private, database_url: none(), nats_url: none(), ..Plan::node(dir) }
}

/// `natter with-servers` whose command waits, and its children: three servers and the command.
async fn run_that_waits(dir: &Path) -> (Child, Vec<u32>) {
    std::fs::create_dir_all(dir).expect("make a directory");
    let mut command = natter(&["with-servers", "--", "sh", "-c", "touch waits; exec sleep 600"]);
    let run = command.env("NATTER_DATA_DIR", dir).current_dir(dir).spawn().expect("start natter with-servers");
    eventually(
        "the command runs",
        BOUND,
        async || {
            if dir.join("waits").exists() { Ok(()) } else { Err("not yet".to_owned()) }
        },
    )
    .await;
    let children = children(run.id().expect("it runs"));
    assert_eq!(children.len(), 4, "three servers and the command: {children:?}");
    (run, children)
}

/// `natter`, told of no CQL server.
fn natter(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).env_remove("NATTER_TEST_CQL").stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("list processes").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// The second field behind the name, which is in parentheses and may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// One that has ended and was not waited for has no directory.
fn lives(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}
