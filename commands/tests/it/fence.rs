//! A lane that somebody else has taken: nothing more is answered here, and nothing is done twice or lost.

use crate::support::{Holder, Node, blocked, eventually, gone, is_unavailable, keyless, message_id, open, seize, sql};
use futures::FutureExt;
use natter_testkit::{BOUND, Stack, within};
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_node_answers_nothing_not_even_no() {
    let stack = Stack::new().await;
    let node = Node::with_lanes(&stack, 1).await;
    let (alice, bob, conversation) = node.friends().await;
    node.sent(alice, conversation, "x").await;
    seize(&stack, &node.log, node.lane(conversation)).await;
    // Neither what writes, nor what only asks, nor what would be refused is answered from the state of yesterday.
    let (writes, asks, intrudes) = futures::join!(
        node.send(alice, conversation, message_id(), "y"),
        async { node.commands.inbox().advance(keyless(bob), vec![(conversation, 1)]).await },
        node.send(
            natter_commands::Caller { account: natter_domain::AccountId(natter_streams::id::new()), ..bob },
            conversation,
            message_id(),
            "z"
        ),
    );
    assert!(is_unavailable(&writes), "{writes:?}");
    assert!(is_unavailable(&asks));
    assert!(is_unavailable(&intrudes), "{intrudes:?}");
    gone(&stack).await;
    assert_eq!(node.sent(alice, conversation, "y").await.seq, 2, "the lane comes back, and with it what is stored");
    node.stop().await;
}

/// The append stood before the takeover: it is durable, and told so. What came behind it waits for the next owner.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_before_the_takeover_is_answered_and_what_is_behind_it_is_done_once_by_the_next_owner() {
    let stack = Stack::new().await;
    let node = Node::with_lanes(&stack, 1).await;
    let (alice, _, conversation) = node.friends().await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let first = tokio::spawn(node.send(alice, conversation, message_id(), "x"));
    blocked(&stack).await;
    let taking = start_taking(&stack).await;
    let second = tokio::spawn(node.send(alice, conversation, message_id(), "y"));
    holder.release().await;
    within("somebody takes the lane", BOUND, taking).await.unwrap();
    assert_eq!(within("it is answered", BOUND, first).await.unwrap().unwrap().seq, 1);
    gone(&stack).await;
    assert_eq!(within("it is answered", BOUND, second).await.unwrap().unwrap().seq, 2);
    assert_eq!(node.messages(conversation).await.len(), 2);
    node.stop().await;
}

/// The append never came to be: the takeover stood first.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_behind_the_takeover_stores_nothing_and_is_done_by_the_next_owner() {
    let stack = Stack::new().await;
    let node = Node::with_lanes(&stack, 1).await;
    let (alice, bob, conversation) = node.friends().await;
    seize(&stack, &node.log, node.lane(conversation)).await;
    let mut sends: Vec<_> = (0..50).map(|_| tokio::spawn(node.send(alice, conversation, message_id(), "x"))).collect();
    eventually("the node has lost the lane", async || match node.feeds.lane(node.lane(conversation)).is_open() {
        true => Err("it is open".to_owned()),
        false => Ok(()),
    })
    .await;
    assert!(sends.iter_mut().all(|send| send.now_or_never().is_none()), "nothing is answered by nobody");
    assert_eq!(node.messages(conversation).await.len(), 0);
    gone(&stack).await;
    for (send, seq) in sends.into_iter().zip(1..) {
        assert_eq!(within("it is answered", BOUND, send).await.unwrap().unwrap().seq, seq, "in the order of asking");
    }
    assert_eq!(node.sent(bob, conversation, "y").await.seq, 51);
    node.stop().await;
}

/// It does not know what became of its append, and the lane is somebody else's meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_settles_an_append_does_not_take_a_lost_lane_back() {
    let stack = Stack::new().await;
    let node = Node::with_lanes(&stack, 1).await;
    let (alice, _, conversation) = node.friends().await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let in_flight = tokio::spawn(node.send(alice, conversation, message_id(), "x"));
    let append = blocked(&stack).await;
    let taking = start_taking(&stack).await;
    sql(&stack, &format!("SELECT pg_terminate_backend({append})")).await;
    holder.release().await;
    within("somebody takes the lane", BOUND, taking).await.unwrap();
    let owner: String = sqlx::query_scalar("SELECT owner FROM lanes").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(owner, "somebody");
    gone(&stack).await;
    assert_eq!(within("it is answered", BOUND, in_flight).await.unwrap().unwrap().seq, 1);
    assert_eq!(node.messages(conversation).await.len(), 1);
    node.stop().await;
}

/// Somebody who takes the only lane, and waits for its row.
async fn start_taking(stack: &Stack) -> JoinHandle<()> {
    let other = Stack::on(stack.database_url(), stack.nats_url(), stack.dir());
    let taking = tokio::spawn(async move {
        let log = open(&other, 1).await;
        let lane = log.lanes().iter().next().expect("a log has a lane");
        seize(&other, &log, lane).await;
    });
    eventually("somebody waits for the lane's row", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE 'UPDATE lanes SET epoch = epoch + 1, owner%'",
        )
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if waiting > 0 { Ok(()) } else { Err("it does not wait yet".to_owned()) }
    })
    .await;
    taking
}
