//! The master key, as an operator handles it: without it, or with another one, nothing starts; another one takes its place
//! while people talk.

use super::told::said;
use crate::restart::progress;
use crate::talk::Friends;
use natter_testkit::{BOUND, Node, Options, Stack, eventually};
use std::{fs, path::PathBuf};

fn file(stack: &Stack) -> PathBuf {
    stack.dir().join("master.key")
}

async fn does_not_start(node: &mut Node) -> String {
    node.launch(Options::default()).await;
    assert!(!node.exited().await.success());
    node.output()
}

#[tokio::test]
async fn without_its_master_key_a_node_does_not_start() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    node.stop().await;
    let right = fs::read_to_string(file(&stack)).expect("the first start made it");

    fs::remove_file(file(&stack)).expect("lose it");
    let why = does_not_start(&mut node).await;
    assert!(why.contains("NATTER_MASTER_KEY_FILE") && why.contains("master.key"), "{why}");
    assert!(!file(&stack).exists(), "no other one is made in its place");

    fs::write(file(&stack), "1".repeat(64)).expect("bring another one");
    let why = does_not_start(&mut node).await;
    assert!(why.contains("this is not the master key"), "{why}");

    fs::write(file(&stack), right).expect("bring it back");
    node.restart().await;
    assert_eq!(alice.raw().await.get("/api/v1/accounts/me").await.ok(200)["username"], "alice");
}

async fn keys(node: &Node, arguments: &[&str]) -> String {
    let done = node.run(&[&["sealing"], arguments].concat()).await;
    assert!(done.status.success(), "{arguments:?}: {}", said(&done));
    said(&done)
}

#[tokio::test]
async fn another_master_key_takes_its_place_while_people_talk() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let operate = async {
        progress(&friends).await;
        let before = fs::read_to_string(file(&stack)).expect("it is there");
        keys(&node, &["make-master"]).await;
        let both = fs::read_to_string(file(&stack)).expect("it is there");
        assert!(both.ends_with(&before) && both.lines().count() == 2, "the newest comes first");
        // Killed between two steps, the same command goes on.
        let killed = node.run_with(&["sealing", "rotate"], "sealing.after_switch=kill@1").await;
        assert!(killed.status.code().is_none(), "{}", said(&killed));
        progress(&friends).await;
        let rotated = keys(&node, &["rotate"]).await;
        assert!(rotated.contains("are wrapped anew") && !rotated.starts_with("0 "), "{rotated}");
        progress(&friends).await;
        // Whoever comes now has a key of the new one.
        eventually("somebody registers", BOUND, async || {
            let body = r#"{"username": "newcomer", "password": "correct horse battery"}"#;
            let reply = node.raw().post("/api/v1/auth/register", body).await;
            if reply.status == 201 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
        let newest = both.lines().next().expect("a line").to_owned();
        fs::write(file(&stack), newest).expect("destroy the old one");
        let shown = keys(&node, &["show"]).await;
        assert!(shown.contains("the current one") && !shown.contains("NOT IN THE FILE"), "{shown}");
    };
    let talked = friends.talk_while(20, operate).await;
    node.stop().await;
    node.restart().await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &talked).await;
}
