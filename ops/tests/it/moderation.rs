//! `natter moderation`: what waits for somebody who looks at it.

use natter_testkit::{BOUND, Node, Options, Person, Stack, client, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

const RULE: &str = r#"{"name": "cheap.pills", "words": ["pills"], "action": "hold"}"#;

/// A node that holds what speaks of pills.
async fn start(stack: &Stack) -> Node {
    let rules = stack.dir().join("rules.jsonl");
    std::fs::write(&rules, RULE).expect("write the rules");
    let more = vec![("NATTER_RULES", rules.display().to_string())];
    stack.node_with(Options { more, ..Options::default() }).await
}

async fn says(by: &Person, talk: Uuid, message: Uuid, text: &str) {
    let said = json!({"message_id": message, "body": {"kind": "text", "text": text}}).to_string();
    by.raw().await.post(&format!("/api/v1/conversations/{talk}/messages"), said).await.ok(202);
}

async fn moderation(node: &Node, arguments: &[&str]) -> (bool, String) {
    let output = node.run(&[&["moderation"], arguments].concat()).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn state(person: &Person, message: Uuid) -> Option<Value> {
    let listed = person.raw().await.get("/api/v1/scheduled").await.ok(200);
    let items = listed["items"].as_array().expect("items");
    items.iter().find(|item| item["message_id"] == json!(message)).cloned()
}

async fn texts(person: &Person, talk: Uuid) -> Vec<Value> {
    let listed = person.raw().await.get(&format!("/api/v1/conversations/{talk}/messages")).await.ok(200);
    listed["items"].as_array().expect("messages").iter().map(|item| item["body"]["text"].clone()).collect()
}

#[tokio::test]
async fn what_is_held_is_shown_and_said_or_not() {
    let stack = Stack::new().await;
    let node = start(&stack).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    let (one, other) = (client::new_id(), client::new_id());
    says(&alice, talk, one, "pills for all").await;
    says(&alice, talk, other, "more pills").await;
    let (well, listed) = moderation(&node, &["list"]).await;
    let lines: Vec<&str> = listed.lines().filter(|line| line.ends_with("cheap.pills")).collect();
    assert!(well && lines.len() == 2, "{listed}");
    let (talked, author) = (talk.to_string(), alice.id().to_string());
    assert!(lines[0].contains(&format!("{talked} {author} {one} ")), "{listed}");
    let (one_id, other_id) = (one.to_string(), other.to_string());
    let (well, shown) = moderation(&node, &["show", &talked, &author, &one_id]).await;
    assert!(well && shown.contains("pills for all"), "{shown}");
    eventually("its author sees it", BOUND, async || match state(&alice, one).await {
        Some(held) if held["state"] == "held" && held["body"]["text"] == "pills for all" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(texts(&bob, talk).await, [] as [Value; 0]);
    assert!(moderation(&node, &["release", &talked, &author, &one_id, "--by", "carol"]).await.0);
    assert!(moderation(&node, &["refuse", &talked, &author, &other_id, "--by", "carol"]).await.0);
    eventually("one is said", BOUND, async || {
        let said = texts(&bob, talk).await;
        if said == ["pills for all"] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    eventually("of the other its author hears", BOUND, async || match state(&alice, other).await {
        Some(failed) if failed["state"] == "failed" && failed["code"] == "content_refused" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let (well, said) = moderation(&node, &["release", &talked, &author, &other_id, "--by", "carol"]).await;
    assert!(!well && said.contains("not_found"), "{said}");
    assert!(!moderation(&node, &["show", &talked, &author, &other_id]).await.0);
    let (well, listed) = moderation(&node, &["list"]).await;
    assert!(well && !listed.contains("cheap.pills"), "{listed}");
}
