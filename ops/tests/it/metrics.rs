//! What `/metrics` says is what happened.

use futures::future::join_all;
use natter_ops::bench::counters::Counters;
use natter_testkit::{BOUND, Node, Options, Person, Proxy, Stack, client::new_id, eventually, law, wire};

const SAID: usize = 20;

/// Told again and again, of each lane by so many.
const GAUGES: [(&str, f64); 3] =
    [("natter_relay_lag_events", 1.0), ("natter_commands_queued", 1.0), ("natter_projection_lag_events", 3.0)];

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
    say_at_once(&stack, &node, &alice, &bob).await;
    law::projections_are_at_the_head(&stack).await;
    law::log_is_stream(&stack).await;
    let stored = stack.event_count().await as f64;
    let lanes = law::lanes(&stack).await.count() as f64;

    // A gauge that nobody sets is none of the zeros that are waited for below.
    eventually("each lane says how it does", BOUND, async || {
        let text = node.raw().get("/metrics").await.text();
        let count = |(gauge, _): &(&str, f64)| text.matches(&format!("\n{gauge}{{")).count() as f64;
        let found: Vec<f64> = GAUGES.iter().map(count).collect();
        let all = GAUGES.iter().zip(&found).all(|((_, per_lane), found)| *found == per_lane * lanes);
        if all { Ok(()) } else { Err(format!("{found:?} of {GAUGES:?}")) }
    })
    .await;

    // Reactions may have written more since: what is counted is what is stored then.
    let counters = become_so(&node, "all is published", |now| now.sum("natter_relay_lag_events", None) == 0.0).await;
    assert!(counters.sum("natter_log_events_total", None) >= stored);
    let [events, commits] =
        ["sum", "count"].map(|of| counters.sum(&format!("natter_log_events_per_commit_{of}"), None));
    assert_eq!(events, counters.sum("natter_log_events_total", None));
    assert_eq!(commits, counters.sum("natter_log_commits_total", None));
    assert!(commits + SAID as f64 / 2.0 < events, "what waited shared commits: {commits} for {events}");
    assert_eq!(counters.sum("natter_log_commit_seconds_count", None), commits);
    assert_eq!(counters.sum("natter_relay_position", None), events, "positions begin with 1 in each lane");
    let held = |now: &Counters| now.sum("natter_lease_lanes_held", Some("share=\"lanes\""));
    become_so(&node, "it has all lanes", |now| held(now) == lanes).await;
    assert_eq!(counters.sum("natter_commands_shed_total", None), 0.0);
    become_so(&node, "nothing waits", |now| now.sum("natter_commands_queued", None) == 0.0).await;
    become_so(&node, "all is projected", |now| now.sum("natter_projection_lag_events", None) == 0.0).await;
}

/// Everything waits for the lane's row, and is counted as waiting; then what waited behind the first is one commit.
async fn say_at_once(stack: &Stack, node: &Node, alice: &Person, bob: &Person) {
    let lane = law::lanes(stack).await.of(alice.conversation_with(bob));
    let mut holder = stack.pool().begin().await.expect("begin");
    let hold = sqlx::query("SELECT FROM lanes WHERE lane = $1 FOR UPDATE").bind(lane.number());
    hold.execute(&mut *holder).await.expect("lock the lane's row");
    let says = (0..SAID).map(async |number| alice.says(bob, &format!("number {number}")).await);
    let release = async {
        become_so(node, "all wait", |now| now.sum("natter_commands_queued", None) >= SAID as f64).await;
        holder.commit().await.expect("let the lane's row go");
    };
    tokio::join!(join_all(says), release);
}

#[tokio::test]
async fn metrics_tell_how_far_streams_are_behind_the_log() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let more = vec![("NATTER_NATS_URL", proxy.url.clone())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    law::log_is_stream(&stack).await;
    let lag = |now: &Counters| now.sum("natter_relay_lag_events", None);
    become_so(&node, "all is published", |now| lag(now) == 0.0).await;
    proxy.gone();
    for number in 0..SAID {
        alice.says(&bob, &format!("number {number}")).await;
    }
    become_so(&node, "nothing is published", |now| lag(now) >= SAID as f64).await;
    proxy.heal();
    become_so(&node, "all is published again", |now| lag(now) == 0.0).await;
    law::log_is_stream(&stack).await;
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
    let message = wire::MessageNew::new(new_id(), wire::Body::text("hello"));
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
