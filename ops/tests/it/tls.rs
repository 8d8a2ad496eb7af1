//! A node with a certificate of its own: people come over https and wss, and the certificate is exchanged under them.

use natter_testkit::{BOUND, Options, PASSWORD, Stack, client::Client, eventually};
use serde_json::json;
use std::path::Path;

const ONE: [&str; 2] = [
    include_str!("../../../edge/src/tests/certificates/one.pem"),
    include_str!("../../../edge/src/tests/certificates/one.key"),
];
const TWO: [&str; 2] = [
    include_str!("../../../edge/src/tests/certificates/two.pem"),
    include_str!("../../../edge/src/tests/certificates/two.key"),
];

/// Puts a pair where a node looks for it; how the node is told where.
fn lay(dir: &Path, [certificate, key]: [&str; 2]) -> Options {
    let (certificate_path, key_path) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&certificate_path, certificate).expect("write a certificate");
    std::fs::write(&key_path, key).expect("write a key");
    let path = |path: &Path| path.display().to_string();
    let more = vec![("NATTER_TLS_CERT", path(&certificate_path)), ("NATTER_TLS_KEY", path(&key_path))];
    Options { more, ..Options::default() }
}

/// Whether somebody who believes this certificate alone is answered, over a connection of their own.
async fn answers(url: &str, [certificate, _]: [&str; 2]) -> bool {
    Client::trusting(url, certificate.as_bytes()).expect("a certificate").is_ready().await
}

#[tokio::test]
async fn people_talk_over_tls_and_another_certificate_is_taken_while_they_do() {
    let stack = Stack::new().await;
    let node = stack.node_with(lay(stack.dir(), ONE)).await;
    let url = node.base_url();
    assert!(url.starts_with("https://"), "{url}");
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    alice.says(&bob, "nobody hears us").await;
    bob.sees("nobody hears us").await;
    let told = alice.raw().await.get("/api/v1/accounts/me").await;
    assert!(told.header("strict-transport-security").is_some_and(|told| told.starts_with("max-age=")), "{told:?}");

    assert!(!answers(&url, TWO).await, "who believes another one does not come");
    let plain = Client::new(&url.replace("https:", "http:")).expect("an address");
    assert!(plain.raw("GET", "/healthz", &[], None).await.is_err(), "nothing is answered in clear");

    lay(stack.dir(), TWO);
    eventually("the new certificate is shown", BOUND, async || {
        if answers(&url, TWO).await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    assert!(!answers(&url, ONE).await, "the old one is shown no more");

    // Her app believes the old one alone: what she sees comes over the connection that she had.
    let later = node.sign_in("bob").await;
    let message =
        json!({"message_id": natter_testkit::client::new_id(), "body": {"kind": "text", "text": "still here?"}});
    let path = format!("/api/v1/conversations/{conversation}/messages");
    later.raw().await.post(&path, message.to_string()).await.ok(201);
    alice.sees("still here?").await;
    let login = json!({"login": "alice", "password": PASSWORD}).to_string();
    node.raw().post("/api/v1/auth/login", login).await.ok(200);
}
