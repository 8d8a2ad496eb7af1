//! The private Cassandra: what it has acknowledged outlives it, it comes back where it was, also when a port that clients
//! do not know is taken, one run per directory, and nothing of it is left when its run is killed.

use crate::restart::{BOUND, Kind, Own, own_dir};
use natter_ops::servers::{self, Plan, Servers};
use natter_testkit::{Cql, binary, cql, eventually, within};
use std::{net::TcpListener, path::Path, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

/// Long enough to see that an answer does not come, where one takes a millisecond.
const A_WHILE: Duration = Duration::from_secs(1);
/// Written before it is killed.
const ENOUGH: usize = 50;

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

/// Killed in the middle of writes, its storage port taken by a stranger, a process left behind: it comes back on the port
/// that clients know, with whatever was answered, and can be paused.
#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    // A path with a space: it is handed over as a url.
    let mut server = Own::start(&own_dir().join("a place"), Kind::Cassandra).await;
    let cql = Cql::at(server.url());
    make_table(&cql).await;
    let acknowledged = writes_until_killed(&cql, &mut server).await;

    let home = server.dir().join("cassandra");
    let _stranger = TcpListener::bind(("127.0.0.1", storage_port(&home))).expect("take the storage port");
    let mut left = outlives_its_run(&home);
    server.start_again().await;
    let status = within("the end of what was left", natter_testkit::BOUND, left.wait()).await.expect("wait for it");
    assert!(!status.success(), "ended by a signal");
    for id in 0..acknowledged {
        assert!(holds(&cql, id).await, "{id} of {acknowledged} was acknowledged and is lost");
    }
    let refusal =
        Servers::start(Plan::node(server.dir()), &say).await.err().expect("one run per directory").to_string();
    assert!(refusal.contains("already running"), "{refusal}");

    server.pause();
    let unanswered = tokio::time::timeout(A_WHILE, insert(&cql, acknowledged)).await;
    assert!(unanswered.is_err(), "it stands still: {unanswered:?}");
    server.go_on();
    insert(&cql, acknowledged).await.expect("it goes on");
    server.stop().await;
}

/// How many were answered, one after the other.
async fn writes_until_killed(cql: &Cql, server: &mut Own) -> usize {
    let mut acknowledged = 0;
    let writes = async {
        while insert(cql, acknowledged).await.is_ok() {
            acknowledged += 1;
        }
    };
    let blow = async {
        eventually("writes are answered", BOUND, async || {
            if holds(cql, ENOUGH).await { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        server.kill().await;
    };
    tokio::join!(writes, blow);
    assert!(acknowledged > ENOUGH, "{acknowledged}");
    acknowledged
}

fn storage_port(home: &Path) -> u16 {
    let port = std::fs::read_to_string(home.join("storage-port")).expect("a port is remembered");
    port.trim().parse().expect("a port")
}

/// As our server looks from outside, where there is no `setpriv`: the program of this name, working in its directory.
fn outlives_its_run(home: &Path) -> Child {
    let program = home.join("java");
    std::fs::copy("/bin/sleep", &program).expect("copy a program");
    Command::new(&program).arg("600").current_dir(home).spawn().expect("start it")
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
