//! Requests that other servers sign: what is believed, and that nothing is believed twice.

use natter_streams::clock;
use natter_testkit::{BOUND, Node, Options, Reply, Signing, Stack, client::new_id, eventually};
use serde_json::json;

const METRICS: &str = "/metrics";
const VERIFY: &str = "/api/v1/auth/verify";

async fn node(stack: &Stack) -> Node {
    let more = vec![("NATTER_SIGNED", format!("{METRICS}, {VERIFY}"))];
    stack.node_with(Options { more, ..Options::default() }).await
}

async fn run(node: &Node, arguments: &[&str]) -> String {
    let output = node.run(&[&["keys"], arguments].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A key that was just made, signing now.
async fn made(node: &Node, name: &str) -> Signing {
    let told = run(node, &["create", name, "--by", "anna"]).await;
    let mut words = told.lines().map(|line| line.split_whitespace().nth(1).expect("a value").to_owned());
    let (key, secret) = (words.next().expect("a key"), words.next().expect("a secret"));
    Signing { key, secret, at: clock::now().as_millis() / 1000, nonce: new_id().simple().to_string() }
}

fn anew(signing: &Signing) -> Signing {
    Signing { nonce: new_id().simple().to_string(), ..signing.clone() }
}

async fn asks(node: &Node, header: &str) -> Reply {
    node.raw().with("authorization", header).get(METRICS).await
}

async fn is_believed(node: &Node, signing: &Signing) {
    eventually("the new key is known", BOUND, async || {
        let answer = asks(node, &anew(signing).header("GET", METRICS, b"")).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_signed_request_is_believed_once_on_whichever_node() {
    let stack = Stack::new().await;
    let (one, two) = (node(&stack).await, node(&stack).await);
    let more = vec![("NATTER_SIGNED", METRICS.to_owned()), ("NATTER_ROLES", "projections".to_owned())];
    let without_doors = stack.node_with(Options { more, ..Options::default() }).await;
    let key = made(&one, "prometheus").await;
    is_believed(&one, &key).await;
    is_believed(&without_doors, &key).await;
    without_doors.raw().get(METRICS).await.refused(401, "unauthenticated");
    is_believed(&two, &key).await;
    one.raw().get(METRICS).await.refused(401, "unauthenticated");
    one.raw().post(VERIFY, json!({"token": "x"}).to_string()).await.refused(401, "unauthenticated");
    assert_eq!(one.raw().get("/healthz").await.status, 200);

    let signed = anew(&key).header("GET", METRICS, b"");
    assert_eq!(asks(&one, &signed).await.status, 200);
    for node in [&one, &two] {
        asks(node, &signed).await.refused(401, "unauthenticated");
    }

    let body = json!({"token": "x"}).to_string();
    let signed = anew(&key).header("POST", VERIFY, body.as_bytes());
    let answer = two.raw().with("authorization", &signed).post(VERIFY, body.clone()).await;
    assert_eq!(answer.ok(200)["active"], false);
}

#[tokio::test]
async fn whatever_is_not_what_was_signed_is_refused() {
    let stack = Stack::new().await;
    let node = node(&stack).await;
    let key = made(&node, "prometheus").await;
    is_believed(&node, &key).await;
    let other = made(&node, "grafana").await;
    let fresh = anew(&key);
    let at = |at: i64| format!("at=\"{at}\"");
    for (what, header) in [
        ("another method", anew(&key).header("POST", METRICS, b"")),
        ("another path", anew(&key).header("GET", "/metrics?x=1", b"")),
        ("another body", anew(&key).header("GET", METRICS, b"x")),
        ("another secret", Signing { secret: other.secret.clone(), ..anew(&key) }.header("GET", METRICS, b"")),
        ("no such key", Signing { key: new_id().to_string(), ..anew(&key) }.header("GET", METRICS, b"")),
        ("long ago", Signing { at: key.at - 400, ..anew(&key) }.header("GET", METRICS, b"")),
        ("to come", Signing { at: key.at + 400, ..anew(&key) }.header("GET", METRICS, b"")),
        ("another nonce", fresh.header("GET", METRICS, b"").replace(&fresh.nonce, &new_id().simple().to_string())),
        ("another time", fresh.header("GET", METRICS, b"").replace(&at(fresh.at), &at(fresh.at + 1))),
        ("no signature", "Natter-HMAC ".to_owned()),
    ] {
        let answer = asks(&node, &header).await;
        assert_eq!(answer.status, 401, "{what}");
        answer.refused(401, "unauthenticated");
    }
    let body = json!({"token": "x"}).to_string();
    let signed = anew(&key).header("POST", VERIFY, body.as_bytes());
    let changed = json!({"token": "y"}).to_string();
    node.raw().with("authorization", &signed).post(VERIFY, changed).await.refused(401, "unauthenticated");
    // A signature that was tried with something else is not spent.
    assert_eq!(node.raw().with("authorization", &signed).post(VERIFY, body).await.status, 200);
}

#[tokio::test]
async fn a_revoked_key_is_believed_nowhere() {
    let stack = Stack::new().await;
    let (one, two) = (node(&stack).await, node(&stack).await);
    let key = made(&one, "prometheus").await;
    is_believed(&two, &key).await;
    run(&one, &["revoke", &key.key, "--by", "bert"]).await;
    for node in [&one, &two] {
        eventually("the key is refused", BOUND, async || {
            let answer = asks(node, &anew(&key).header("GET", METRICS, b"")).await;
            if answer.status == 401 { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }
    let listed = run(&one, &["list"]).await;
    assert!(listed.contains("prometheus made by anna revoked by bert"), "{listed}");
    assert!(!listed.contains(&key.secret));
    assert!(!one.run(&["keys", "revoke", &key.key]).await.status.success(), "it is revoked");
}
