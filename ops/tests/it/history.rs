//! History in a CQL server that is away, dies, stands still, or may not write to its disk; and two nodes that write one lane
//! of it. People send and are pushed to meanwhile, who reads history is told `unavailable`, and afterwards it is what
//! was acknowledged.

mod storm;

use crate::restart::{Kind, Own, own_dir};
use natter_testkit::{
    BOUND, Cql, Node, Options, Person, Proxy, Reply, Stack,
    client::{new_id, wire::Body},
    cql, eventually, within,
};
use serde_json::{Value, json};
use std::time::Duration;
use storm::{Storm, rows_are_those_of_the_log};

/// A lease ends, others take over; reads that wait for it.
const LONG: Duration = BOUND.saturating_mul(3);
/// Of Cassandra's commit log: two segments, one in use and one that stands ready.
const ROUNDS_OF_BALLAST: usize = 100;

/// Where a node keeps history.
fn kept_in(cql: &Cql) -> Vec<(&'static str, String)> {
    vec![
        ("NATTER_HISTORY", "scylla".to_owned()),
        ("NATTER_CQL_NODES", cql.address.clone()),
        ("NATTER_CQL_KEYSPACE", cql.keyspace.clone()),
    ]
}

async fn node(stack: &Stack, cql: &Cql) -> Node {
    stack.node_with(Options { more: kept_in(cql), ..Options::default() }).await
}

async fn node_with_roles(stack: &Stack, cql: &Cql, roles: &str) -> Node {
    let more = [kept_in(cql), vec![("NATTER_ROLES", roles.to_owned())]].concat();
    stack.node_with(Options { more, ..Options::default() }).await
}

/// Every way to read history tells it, in time: a page, messages by their ids, one of them, what changed.
async fn reads_are_refused(storm: &Storm) {
    let (door, id) = (storm.alice.raw().await, new_id());
    let messages = format!("/api/v1/conversations/{}/messages", storm.conversation);
    let (lookup, one) = (format!("{messages}/lookup"), format!("{messages}/{id}"));
    let ids = json!({"ids": [id]}).to_string();
    eventually("reads are refused", LONG, async || {
        let page = format!("{messages}?limit=7");
        let replies = within("answers", BOUND, async {
            tokio::join!(door.get(&page), door.post(&lookup, ids.clone()), door.get(&one), door.get("/api/v1/sync"))
        });
        let (page, found, one, changes) = replies.await;
        [page, found, one, changes].iter().map(is_refused).collect::<Result<Vec<()>, _>>()
    })
    .await;
}

/// What was under way may still be answered.
fn is_refused(reply: &Reply) -> Result<(), String> {
    if reply.status < 300 || reply.status == 404 {
        return Err(format!("answered: {}", reply.text()));
    }
    reply.refused(503, "unavailable");
    let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some(), "Retry-After in seconds: {:?}", reply.header("retry-after"));
    Ok(())
}

/// One who comes now is let in and is pushed what is sent now.
async fn what_is_sent_is_pushed(storm: &Storm) {
    let mut socket = storm.bob.raw_socket().await;
    // A recall is pushed too, and has no body.
    let is_said = |frame: &Value| {
        frame["message"]["conversation_id"] == json!(storm.conversation) && frame["message"]["body"]["text"].is_string()
    };
    tokio::join!(storm.goes_on(), socket.find("a message that was sent now", is_said));
}

async fn history_is_away(storm: &Storm) {
    what_is_sent_is_pushed(storm).await;
    reads_are_refused(storm).await;
    storm.goes_on().await;
}

#[tokio::test]
async fn a_cluster_that_is_away_at_the_first_start_gets_everything_when_it_comes() {
    let mut server = Own::start(&own_dir(), Kind::Cassandra).await;
    let cql = Cql::at(server.url());
    server.kill().await;
    let stack = Stack::new().await;
    let mut node = node(&stack, &cql).await;
    assert!(node.client().is_ready().await, "it serves all but history");
    let storm = Storm::of(&stack).await;
    let kept = storm.rages_while(async {
        history_is_away(&storm).await;
        server.start_again().await;
        storm.goes_on().await;
    });
    let kept = kept.await;
    storm.is_what_was_acknowledged(kept).await;
    rows_are_those_of_the_log(&stack, &kept_in(&cql)).await;
    node.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_cluster_that_is_killed_and_one_that_stands_still_lose_and_double_nothing() {
    let mut server = Own::start(&own_dir(), Kind::Cassandra).await;
    let cql = Cql::at(server.url());
    let stack = Stack::new().await;
    let mut node = node(&stack, &cql).await;
    let storm = Storm::of(&stack).await;
    let kept = storm.rages_while(async {
        history_is_there(&storm).await;
        server.kill().await;
        history_is_away(&storm).await;
        server.start_again().await;
        history_is_there(&storm).await;
        server.pause();
        history_is_away(&storm).await;
        a_write_is_given_up(&node).await;
        server.go_on();
        storm.goes_on().await;
    });
    let kept = kept.await;
    storm.is_what_was_acknowledged(kept).await;
    rows_are_those_of_the_log(&stack, &kept_in(&cql)).await;
    node.stop().await;
    server.stop().await;
}

/// Its outcome is not known: it is done when the server goes on, and by who does it again.
async fn a_write_is_given_up(node: &Node) {
    eventually("a write is given up", LONG, async || {
        let said = node.output();
        let told = said.lines().filter(|line| line.contains("write history")).collect::<Vec<_>>();
        if told.iter().any(|line| line.contains("imeout")) { Ok(()) } else { Err(format!("{told:#?}")) }
    })
    .await;
}

/// Returns in the middle of the storm, with a session that works.
async fn history_is_there(storm: &Storm) {
    storm.goes_on().await;
    storm.all_can_be_read().await;
    storm.goes_on().await;
}

/// Its commit log cannot grow: writes are refused, and Cassandra ends its service.
#[tokio::test]
async fn a_cluster_whose_disk_refuses_writes_gets_everything_when_it_has_another_one() {
    let mut server = Own::start(&own_dir(), Kind::Cassandra).await;
    let (cql, ballast) = (Cql::at(server.url()), Cql::at(server.url()));
    let stack = Stack::new().await;
    let mut node = node(&stack, &cql).await;
    let storm = Storm::of(&stack).await;
    ballast.make_keyspace().await;
    let table = format!("CREATE TABLE {}.heavy (id int PRIMARY KEY, weight text)", ballast.keyspace);
    ballast.execute(&table).await.expect("make a table");
    let kept = storm.rages_while(async {
        history_is_there(&storm).await;
        server.may_not_grow_files();
        is_refused_ballast(&ballast).await;
        history_is_away(&storm).await;
        server.kill().await;
        server.start_again().await;
        storm.goes_on().await;
    });
    let kept = kept.await;
    storm.is_what_was_acknowledged(kept).await;
    rows_are_those_of_the_log(&stack, &kept_in(&cql)).await;
    node.stop().await;
    server.stop().await;
}

async fn is_refused_ballast(cql: &Cql) {
    let weight = "x".repeat(1 << 20);
    for id in 0..ROUNDS_OF_BALLAST {
        let insert = format!("INSERT INTO {}.heavy (id, weight) VALUES ({id}, '{weight}')", cql.keyspace);
        if cql.execute(&insert).await.is_err() {
            return;
        }
    }
    panic!("{ROUNDS_OF_BALLAST} MiB were written to files that may not grow");
}

/// A write leaves a node, and the network holds it back; the node stands still beyond its leases. Another one takes its lanes
/// over and applies what came later. Then the old write arrives, and the node goes on.
#[tokio::test]
async fn a_write_that_arrives_behind_later_ones_of_another_node_does_not_win() {
    let (cql, stack) = (cql(), Stack::new().await);
    let network = Proxy::before(&format!("cql://{}", cql.address)).await;
    let by_way = network.url.strip_prefix("cql://").expect("as it was given").to_owned();
    let far = node_with_roles(&stack, &Cql { address: by_way, ..cql.clone() }, "projections").await;
    let door = node_with_roles(&stack, &cql, "edge,commands").await;
    let storm = Storm::of(&stack).await;
    let (alice, bob, conversation) = (&storm.alice, &storm.bob, storm.conversation);
    let [edited, recalled] = [alice.says(bob, "to be edited").await, alice.says(bob, "to be recalled").await];
    storm.all_can_be_read().await;

    network.silent();
    let socket = alice.socket().await;
    let edit = async |id, text: &str| {
        let body = Body::text(text);
        socket.requests().edit(conversation, id, &body).await.expect("ask")
    };
    for pending in [edit(edited.message_id, "once").await, edit(recalled.message_id, "once").await] {
        pending.answer().await.expect("an edit is taken");
    }
    eventually("a write is on its way", LONG, async || {
        if network.holds_back(conversation.as_bytes()) { Ok(()) } else { Err("nothing was written".to_owned()) }
    })
    .await;
    far.pause();

    let mut heir = node_with_roles(&stack, &cql, "projections").await;
    edit(edited.message_id, "twice").await.answer().await.expect("an edit is taken");
    socket.requests().recall(conversation, recalled.message_id).await.expect("ask").answer().await.expect("recalled");
    storm.all_can_be_read().await;
    shows_the_newest(alice, &[(edited.message_id, Some("twice")), (recalled.message_id, None)], conversation).await;

    network.heal();
    far.go_on();
    // What the first one writes from now on is behind what was held back.
    assert!(heir.stop().await.success());
    storm.all_can_be_read().await;
    shows_the_newest(alice, &[(edited.message_id, Some("twice")), (recalled.message_id, None)], conversation).await;
    rows_are_those_of_the_log(&stack, &kept_in(&cql)).await;
    drop(door);
}

async fn shows_the_newest(person: &Person, expected: &[(uuid::Uuid, Option<&str>)], conversation: uuid::Uuid) {
    for (id, text) in expected {
        let read = person.insists("reads", async || person.client().message(conversation, *id).await).await;
        assert_eq!(read.body, text.map(Body::text), "{read:?}");
        assert_eq!(read.recalled_at.is_some(), text.is_none(), "{read:?}");
    }
}
