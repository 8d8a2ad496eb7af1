//! What `/metrics` says is what happened.

use natter_ops::bench::counters::Counters;
use natter_testkit::{BOUND, Node, Stack, client::new_id, eventually, law, wire};

const SAID: usize = 20;

async fn read(node: &Node) -> Counters {
    Counters::read(&node.base_url()).await.expect("read the metrics")
}

/// Waits until the metrics are so.
async fn become_so(node: &Node, what: &str, fits: impl Fn(&Counters) -> bool) -> Counters {
    eventually(what, BOUND, async || {
        let counters = read(node).await;
        if fits(&counters) { Ok(counters) } else { Err(format!("{counters:?}")) }
    })
    .await
}

#[tokio::test]
async fn metrics_count_what_was_stored_published_and_seen() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    for number in 0..SAID {
        alice.says(&bob, &format!("number {number}")).await;
    }
    law::projections_are_at_the_head(&stack).await;
    law::log_is_stream(&stack).await;
    let stored = stack.event_count().await as f64;
    let lanes = law::lanes(&stack).await.count() as f64;

    // Reactions may have written more since: what is counted is what is stored then.
    let counters = become_so(&node, "all is published", |now| now.sum("natter_relay_lag_events", None) == 0.0).await;
    assert!(counters.sum("natter_log_events_total", None) >= stored);
    let [events, commits] =
        ["sum", "count"].map(|of| counters.sum(&format!("natter_log_events_per_commit_{of}"), None));
    assert_eq!(events, counters.sum("natter_log_events_total", None));
    assert_eq!(commits, counters.sum("natter_log_commits_total", None));
    assert_eq!(counters.sum("natter_log_commit_seconds_count", None), commits);
    assert_eq!(counters.sum("natter_relay_position", None), events, "positions begin with 1 in each lane");
    assert_eq!(counters.sum("natter_lease_lanes_held", Some("share=\"lanes\"")), lanes);
    assert_eq!(counters.sum("natter_commands_shed_total", None), 0.0);
    become_so(&node, "nothing waits", |now| now.sum("natter_commands_queued", None) == 0.0).await;
    become_so(&node, "all is projected", |now| now.sum("natter_projection_lag_events", None) == 0.0).await;
}

#[tokio::test]
async fn metrics_tell_refusals_repeats_and_lanes_that_were_taken() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    let before = read(&node).await;

    let again = alice.client().request_friend(bob.id(), None).await;
    again.expect_err("they are friends already");
    let refused = read(&node).await.since(&before, "natter_commands_refused_total", None);
    assert_eq!(refused, 1.0);

    // Somebody takes every lane behind the node's back, as a second node of the same name would, and dies.
    let taken = "UPDATE lanes SET epoch = epoch + 1, owner = 'somebody', expires_at = now() + interval '1 second'";
    sqlx::query(taken).execute(stack.pool()).await.expect("take the lanes");
    let message = wire::MessageNew { message_id: new_id(), body: wire::Body::Text { text: "hello".into() } };
    let conversation = alice.conversation_with(&bob);
    alice.insists("sends", async || alice.client().send(conversation, &message).await).await;
    let after = read(&node).await;
    let lost = after.since(&before, "natter_log_fenced_total", None)
        + after.since(&before, "natter_lease_changes_total", Some("change=\"lost\""));
    assert!(lost >= 1.0, "{after:?}");
    let lanes = law::lanes(&stack).await.count() as f64;
    become_so(&node, "it has its lanes again", |now| {
        now.sum("natter_lease_lanes_held", Some("share=\"lanes\"")) == lanes
    })
    .await;
}
