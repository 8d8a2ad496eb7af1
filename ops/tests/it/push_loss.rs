//! Pushes are hints: whatever part of them is lost, both people end with every message, once and in order.

use natter_testkit::{Options, Person, Stack};
use std::time::Duration;

const POINT: &str = "edge.push";
const EACH: usize = 40;
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test]
async fn with_every_tenth_push_dropped_everybody_sees_everything() {
    everybody_sees_everything("drop@10").await;
}

#[tokio::test]
async fn with_every_push_dropped_everybody_sees_everything() {
    everybody_sees_everything("drop@1").await;
}

async fn everybody_sees_everything(action: &str) {
    let stack = Stack::new().await;
    let node = stack.node_with(Options::faults(format!("{POINT}={action}"))).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    for person in [&alice, &bob] {
        person.looks_every(Duration::from_secs(1)).await;
    }
    let talk = async |from: &Person, to: &Person| {
        let mut last = String::new();
        for number in 0..EACH {
            let sent = from.says(to, &format!("{} {number}", from.name)).await;
            last = sent.position.expect("a write has a position");
        }
        last
    };
    let (alices, bobs) = tokio::join!(talk(&alice, &bob), talk(&bob, &alice));

    let stored = alice.history(conversation, &format!("{alices},{bobs}")).await;
    assert_eq!(stored.len(), 2 * EACH);
    for person in [&alice, &bob] {
        let shown = person.has_been_shown(conversation, 2 * EACH, BOUND).await;
        assert_eq!(shown, stored, "{} was shown everything, once and in order", person.name);
    }
    assert!(node.reached(POINT) > 0, "pushes were dropped");
}
