//! Parameters of passwords that were raised: whoever signs in next has theirs hashed anew.

use super::{events, login};
use natter_testkit::{Options, PASSWORD, Stack};
use serde_json::json;

#[tokio::test]
async fn a_password_is_hashed_anew_at_the_next_login_once_that_costs_more() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    alice.on_another_device().await;
    assert_eq!(events(&stack, "password_rehashed").await.len(), 0, "it costs what it did");
    node.kill().await;
    let more = vec![("NATTER_ARGON2", "standard".to_owned())];
    node.restart_with(Options { more, ..Options::default() }).await;
    login(&node.raw(), "alice", "not her password").await.refused(401, "wrong_credentials");
    assert_eq!(events(&stack, "password_rehashed").await.len(), 0, "only who knows it");
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    let [rehashed] = &events(&stack, "password_rehashed").await[..] else { panic!("one event") };
    let hash = rehashed["password_hash"].as_str().expect("a hash");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    assert_eq!(events(&stack, "password_rehashed").await.len(), 1, "once");
    // It is the same password still, and nobody was signed out.
    alice.client().me().await.expect("her session lives on");
    let body = json!({"old_password": PASSWORD, "new_password": "a longer password"}).to_string();
    let changed = alice.raw().await.post("/api/v1/auth/password/change", body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
}
