//! The door of whole nodes: limits that they count together, addresses behind a proxy, the list that an operator changes.

use futures::{StreamExt, future::join_all};
use natter_streams::{bus::Bus, subject};
use natter_testkit::{BOUND, Node, Options, PASSWORD, Proxy, Raw, Reply, Stack, client::new_id, eventually, within};
use serde_json::{Value, json};
use std::time::Duration;

const LOGIN: &str = "/api/v1/auth/login";

/// With the limits that everybody has, and the test as its proxy.
fn standard(more: &[(&'static str, &str)]) -> Options {
    let usual = [("NATTER_LIMITS", "standard"), ("NATTER_TRUSTED_PROXIES", "127.0.0.1")];
    let more = usual.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
    Options { more, ..Options::default() }
}

fn from(node: &Node, address: &str) -> Raw {
    node.raw().with("x-forwarded-for", address)
}

/// A login that says nothing: heard (415), or refused.
async fn tries(node: &Node, address: &str) -> Reply {
    from(node, address).post_nothing(LOGIN).await
}

/// What so many logins, some at each node, are answered: those that are heard, and those that are refused.
async fn answered(nodes: &[&Node], address: &str, count: usize) -> (Vec<Reply>, Vec<Reply>) {
    let tried = (0..count).map(|number| tries(nodes[number % nodes.len()], address));
    let answers = join_all(tried).await;
    assert!(answers.iter().all(|answer| [415, 429].contains(&answer.status)), "{answers:?}");
    answers.into_iter().partition(|answer| answer.status == 415)
}

async fn heard(nodes: &[&Node], address: &str, count: usize) -> usize {
    answered(nodes, address, count).await.0.len()
}

/// Whether one of them has counted alone, since the bus took too long.
async fn counted_alone(nodes: &[&Node]) -> bool {
    let metrics = join_all(nodes.iter().map(|node| async { node.raw().get("/metrics").await.text() })).await;
    metrics.iter().any(|text| text.contains("natter_door_counted_alone_total"))
}

#[tokio::test]
async fn logins_from_an_address_are_counted_by_all_nodes_together() {
    let stack = Stack::new().await;
    let (one, two) = (stack.node_with(standard(&[])).await, stack.node_with(standard(&[])).await);
    let (nodes, mut hosts) = ([&one, &two], 1..=254);
    let refused = eventually("no node counts alone", BOUND * 3, async || {
        let address = format!("192.0.2.{}", hosts.next().expect("an address that nobody has come from"));
        // One comes back each five seconds; how long this takes is not known.
        let begun = tokio::time::Instant::now();
        // Fewer at each node than its own bucket holds: what is refused is refused for what the other has heard.
        let (heard, mut refused) = answered(&nodes, &address, 100).await;
        let (count, most) = (heard.len(), 60 + begun.elapsed().as_secs() as usize / 5 + 1);
        if (50..=most).contains(&count) {
            return Ok(refused.remove(0));
        }
        let told = format!("{count} were heard, of {most} that may be");
        assert!(counted_alone(&nodes).await, "{told}");
        Err(told)
    })
    .await;
    refused.refused(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").expect("when to come again").parse().expect("seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(tries(&two, "198.51.100.1").await.status, 415, "another address");
    let counted = two.raw().get("/metrics").await.text();
    assert!(counted.contains("natter_door_refused_total{limit=\"login\"}"), "{counted}");
}

#[tokio::test]
async fn without_the_bus_a_node_counts_alone() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let node = stack.node_with(standard(&[("NATTER_NATS_URL", &proxy.url)])).await;
    proxy.gone();
    let count = heard(&[&node], "192.0.2.1", 100).await;
    assert!((60..=70).contains(&count), "{count} were heard");
    assert!(node.raw().get("/metrics").await.text().contains("natter_door_counted_alone_total"));
    proxy.heal();
}

#[tokio::test]
async fn a_session_has_the_address_that_our_proxy_names() {
    let stack = Stack::new().await;
    let (behind, open) = (stack.node_with(standard(&[])).await, stack.node().await);
    behind.register("alice").await;
    let body = json!({"login": "alice", "password": PASSWORD}).to_string();
    for (node, told, expected) in [
        (&behind, "203.0.113.9, 192.0.2.7", "192.0.2.7"),
        (&behind, "192.0.2.8, 127.0.0.1", "192.0.2.8"),
        (&behind, "unknown", "127.0.0.1"),
        (&open, "192.0.2.9", "127.0.0.1"),
    ] {
        let signed_in = from(node, told).post(LOGIN, body.clone()).await.ok(200);
        let token = format!("Bearer {}", signed_in["tokens"]["access_token"].as_str().expect("a token"));
        let sessions = node.raw().with("authorization", &token).get("/api/v1/auth/sessions").await.ok(200);
        assert_eq!(sessions["items"][0]["address"], expected, "{told}");
    }
}

async fn door(node: &Node, arguments: &[&str]) -> (bool, String) {
    let output = node.run(&[&["door"], arguments].concat()).await;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// Waits until both nodes answer so from there.
async fn answers_from(nodes: &[&Node], address: &str, status: u16) {
    answers_within(BOUND, nodes, address, status).await;
}

async fn answers_within(bound: Duration, nodes: &[&Node], address: &str, status: u16) {
    eventually(&format!("{address} is answered {status}"), bound, async || {
        for node in nodes {
            let answer = from(node, address).get("/.well-known/jwks.json").await;
            if answer.status != status {
                return Err(format!("{answer:?}"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_operator_changes_who_is_let_in_while_nodes_run() {
    let stack = Stack::new().await;
    let (one, two) = (stack.node_with(standard(&[])).await, stack.node_with(standard(&[])).await);
    let nodes = [&one, &two];
    let alice = one.register("alice").await;
    let mut inside = alice.raw().await.with("x-forwarded-for", "192.0.2.1").socket().await;
    inside.event("ready").await;

    let (done, told) =
        door(&two, &["deny", "192.0.2.77/24", "--until", "2h", "--reason", "tries passwords", "--by", "anna"]).await;
    assert!(done && told.contains("192.0.2.0/24: deny until "), "{told}");
    answers_from(&nodes, "192.0.2.1", 403).await;
    answers_from(&nodes, "192.0.3.1", 200).await;
    assert_eq!(inside.closed().await.code, Some(1008));
    from(&one, "192.0.2.1").get("/api/v1/accounts/me").await.refused(403, "forbidden");

    assert!(door(&one, &["allow", "192.0.2.7", "--by", "bert"]).await.0);
    answers_from(&nodes, "192.0.2.7", 200).await;
    answers_from(&nodes, "192.0.2.8", 403).await;
    assert_eq!(heard(&nodes, "192.0.2.7", 100).await, 100, "who is allowed is not counted");

    let (_, list) = door(&one, &["list"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines[0].contains(" deny 192.0.2.0/24 until ") && lines[0].ends_with(" by anna: tries passwords"),
        "{list}"
    );
    assert!(lines[1].ends_with(" allow 192.0.2.7/32 by bert") && lines.len() == 2, "{list}");

    assert!(door(&one, &["forget", "192.0.2.0/24", "--by", "anna"]).await.0);
    answers_from(&nodes, "192.0.2.1", 200).await;
    let (done, told) = door(&one, &["forget", "192.0.2.0/24", "--by", "anna"]).await;
    assert!(!done && told.contains("is not on the list"), "{told}");
    let (_, changes) = door(&one, &["changes"]).await;
    let words: Vec<&str> = changes.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(words, ["deny", "allow", "forget"], "{changes}");
    for (line, by) in changes.lines().zip(["anna", "bert", "anna"]) {
        assert!(line.contains(&format!(" by {by}")), "{line}");
    }
}

#[tokio::test]
async fn an_entry_ends_by_itself_and_what_cannot_be_meant_is_refused() {
    let stack = Stack::new().await;
    let node = stack.node_with(standard(&[])).await;
    // Longer than a slow machine takes to the first look.
    assert!(door(&node, &["deny", "192.0.2.1", "--until", "20s", "--by", "anna"]).await.0);
    answers_from(&[&node], "192.0.2.1", 403).await;
    answers_within(BOUND * 2, &[&node], "192.0.2.1", 200).await;
    let (_, list) = door(&node, &["list"]).await;
    assert!(list.contains("(over)"), "{list}");
    for bad in [["deny", "192.0.2", "--until", "1h"], ["deny", "192.0.2.1", "--until", "2001-01-01T00:00:00Z"]] {
        assert!(!door(&node, &bad).await.0, "{bad:?}");
    }
}

/// Nodes look at the list every five seconds by themselves: in this way they would still be at it.
#[tokio::test]
async fn a_change_of_the_list_is_told_to_nodes_at_once() {
    let stack = Stack::new().await;
    let (one, two) = (stack.node_with(standard(&[])).await, stack.node_with(standard(&[])).await);
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to the test NATS");
    let change = "INSERT INTO door_list (network, verdict, reason, actor) VALUES ('192.0.2.1/32', $1, '', 'anna')
        ON CONFLICT (network) DO UPDATE SET verdict = $1";
    let changes = async {
        for (verdict, status) in [("deny", 403), ("allow", 200)].repeat(6) {
            sqlx::query(change).bind(verdict).execute(stack.pool()).await.expect("change the list");
            bus.live().publish(subject::DOOR, Vec::new().into()).await.expect("tell of it");
            answers_from(&[&one, &two], "192.0.2.1", status).await;
        }
    };
    within("twelve changes", BOUND * 2, changes).await;
}

/// The word that nodes listen for.
#[tokio::test]
async fn whoever_changes_the_list_says_so() {
    let stack = Stack::new().await;
    let node = stack.node_with(standard(&[])).await;
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to the test NATS");
    let mut words = bus.live().subscribe(subject::DOOR).await.expect("listen");
    bus.live().flush().await.expect("listen");
    for change in ["deny", "allow", "forget"] {
        assert!(door(&node, &[change, "192.0.2.1", "--by", "anna"]).await.0);
        within("the word", BOUND, words.next()).await.expect("the bus is there");
    }
}

fn send(conversation: uuid::Uuid, number: usize) -> Value {
    let body = json!({"kind": "text", "text": format!("number {number}")});
    json!({"id": number.to_string(), "op": "message.send", "conversation_id": conversation, "message_id": new_id(), "body": body})
}

#[tokio::test]
async fn who_sends_too_much_is_told_so_over_every_connection_and_closed_if_they_go_on() {
    let stack = Stack::new().await;
    let node = stack.node_with(standard(&[])).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    let mut socket = alice.raw_socket().await;
    let begun = tokio::time::Instant::now();
    for number in 0..150 {
        socket.send(send(conversation, number).to_string()).await;
    }
    let mut refused = Vec::new();
    for number in 0..150 {
        let answer = socket.answer(&json!(number.to_string())).await;
        if answer["error"]["code"] == "rate_limited" {
            refused.push(answer);
        } else {
            assert!(answer["ok"].is_object(), "{answer}");
        }
    }
    let accepted = 150 - refused.len();
    // One of a hundred comes back each fifth of a second.
    let most = 100 + begun.elapsed().as_millis() as usize / 200 + 1;
    assert!((100..=most).contains(&accepted), "{accepted} of at most {most}");
    let told = &refused[0]["error"];
    assert_eq!((&told["status"], told["retry_after"].is_u64()), (&json!(429), true), "{told}");
    socket.lives().await;
    assert_eq!(bob.has_been_shown(conversation, accepted, BOUND).await.len(), accepted);

    // Those of another connection of hers are taken from the same bucket, and go on being refused until it is closed.
    let mut other = alice.raw_socket().await;
    for number in 0..300 {
        if other.try_send(send(conversation, number).to_string()).await.is_err() {
            break;
        }
    }
    let closed = other.closed().await;
    assert_eq!(closed.code, Some(4429), "{closed}");
}

#[tokio::test]
async fn an_account_has_so_many_connections() {
    let stack = Stack::new().await;
    let node = stack.node_with(standard(&[])).await;
    let alice = node.register("alice").await;
    // Her app has one of fifty.
    let mut held = Vec::new();
    for _ in 0..49 {
        held.push(alice.raw_socket().await);
    }
    let mut more = alice.raw().await.socket().await;
    assert_eq!(more.closed().await.code, Some(4429));
    drop(held.pop());
    eventually("there is room again", BOUND, async || {
        let raw = alice.raw().await;
        let opened = tokio::spawn(async move { raw.socket().await.event("ready").await });
        opened.await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}
