//! `natter projections`, as an operator uses it on a server that people talk through: built anew, killed half-way, begun
//! again, compared, switched to and back, dropped. People notice nothing.

use crate::{restart::progress, talk::Friends};
use natter_testkit::{BOUND, Node, Stack, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

/// Of each person at least.
const EACH: usize = 20;

/// Its answer, and whether it ended well.
async fn projections(node: &Node, arguments: &[&str]) -> (bool, String) {
    let output = node.run(&[&["projections"], arguments].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn well(node: &Node, arguments: &[&str]) -> String {
    let (well, said) = projections(node, arguments).await;
    assert!(well, "{arguments:?}: {said}");
    said
}

async fn killed_at(node: &Node, arguments: &[&str], point: &str) {
    let output = node.run_with(&[&["projections"], arguments].concat(), &format!("{point}=kill@2")).await;
    assert!(
        output.status.code().is_none(),
        "it was not killed at {point}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test]
async fn read_models_are_built_anew_while_people_talk() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let operate = async {
        progress(&friends).await;
        for name in ["relations", "history"] {
            for point in [format!("projection.{name}.before_apply"), format!("projection.{name}.after_commit")] {
                killed_at(&node, &["rebuild", name], &point).await;
            }
            let said = well(&node, &["rebuild", name, "--shadow"]).await;
            assert!(said.contains("the same as what is live"), "{said}");
            let (_, listed) = projections(&node, &["list"]).await;
            assert!(
                listed.contains(&format!("{name}@2")) && !listed.contains(&format!("{name}@3")),
                "the same one goes on: {listed}"
            );
            well(&node, &["compare", name]).await;
            well(&node, &["switch", name]).await;
            progress(&friends).await;
            // Once nobody reads the first one it goes, and another is made.
            well(&node, &["drop", name]).await;
            well(&node, &["rebuild", name]).await;
            progress(&friends).await;
            well(&node, &["switch", name]).await;
            progress(&friends).await;
        }
        let said = well(&node, &["status"]).await;
        assert!(said.contains("history@2 (live)") && said.contains("relations@2 (live)"), "{said}");
        well(&node, &["failures"]).await;
    };
    let said = friends.talk_while(EACH, operate).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

#[tokio::test]
async fn what_is_not_the_same_is_told_and_not_switched_to() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    alice.befriends(&bob).await;
    alice.says(&bob, "hello").await;
    bob.sees("hello").await;
    well(&node, &["rebuild", "history", "--shadow"]).await;
    let altered = "UPDATE message SET sent_at = sent_at + interval '1 hour'";
    sqlx::query(altered).execute(stack.pool()).await.expect("alter a row by hand");
    let (same, said) = projections(&node, &["compare", "history"]).await;
    assert!(!same && said.contains("altered: sent_at"), "{said}");
    let (switched, said) = projections(&node, &["switch", "history"]).await;
    assert!(!switched && said.contains("not found to be the same"), "{said}");
    well(&node, &["switch", "history", "--unchecked"]).await;
    let (dropped, said) = projections(&node, &["drop", "history", "--generation", "2"]).await;
    assert!(!dropped && said.contains("live"), "{said}");
    let (begun, said) = projections(&node, &["rebuild", "delivery"]).await;
    assert!(!begun && said.contains("relations and history"), "{said}");
}

#[tokio::test]
async fn who_retries_and_who_gives_up_is_an_event() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (stack.person("alice").await, stack.person("bob").await);
    alice.befriends(&bob).await;
    alice.says(&bob, "one").await;
    bob.sees("one").await;
    let refuse = "ALTER TABLE message ADD CONSTRAINT refused CHECK (seq <> 2) NOT VALID";
    sqlx::query(refuse).execute(stack.pool()).await.expect("refuse a row");
    alice.says(&bob, "two").await;
    alice.says(&bob, "three").await;
    bob.sees("three").await;
    let failed = "SELECT event_id, key FROM projection_failures WHERE state = 'failed'";
    let (event, key): (Uuid, Uuid) = eventually("it is set aside", BOUND, async || {
        let row = sqlx::query_as(failed).fetch_optional(stack.pool()).await.expect("read what was set aside");
        row.ok_or_else(|| "nothing is".to_owned())
    })
    .await;
    let (well_now, said) = projections(&node, &["retry", "history", "--by", "carol"]).await;
    assert!(!well_now && said.contains("0 events applied"), "{said}");
    let key = key.to_string();
    let skip = ["skip", "history", "--aggregate", key.as_str(), "--by"];
    let (nameless, said) = projections(&node, &[&skip[..], &[""]].concat()).await;
    assert!(!nameless && said.contains("must be named"), "{said}");
    let said = well(&node, &[&skip[..], &["dave"]].concat()).await;
    assert!(said.contains("1 events applied, 0 are left"), "{said}");
    let said = well(&node, &["status"]).await;
    assert!(said.contains("0 set aside, 1 skipped"), "{said}");

    let told = "SELECT event_type, payload::text FROM events WHERE aggregate_type = 'projection' ORDER BY position";
    let told: Vec<(String, String)> = sqlx::query_as(told).fetch_all(stack.pool()).await.expect("read the log");
    let [(retried, by_carol), (skipped, by_dave)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((retried.as_str(), skipped.as_str()), ("retry_requested", "skip_requested"));
    let content = |text: &str| serde_json::from_str::<Value>(text).expect("an event is JSON");
    let (by_carol, by_dave) = (&content(by_carol)["retry_requested"], &content(by_dave)["skip_requested"]);
    assert_eq!((&by_carol["by"], &by_carol["projection"]), (&json!("carol"), &json!("history")));
    assert_eq!((&by_dave["by"], &by_dave["event_ids"]), (&json!("dave"), &json!([event])));
}
