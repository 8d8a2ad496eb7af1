//! A lane that has no more room says so at once, and to nobody else's harm.

use crate::support::{Holder, Node, blocked, eventually, is_unavailable, message_id, two_places};
use futures::{FutureExt, future::join_all};
use natter_commands::{Caller, Error, Sent};
use natter_domain::ConversationId;
use natter_testkit::{BOUND, Stack, within};
use tokio::task::JoinHandle;

/// What a lane takes without an answer.
const JOBS: usize = 4_096;
const BYTES: usize = 16 * 1024 * 1024;

/// Sends until one is answered at once, which is refused; gives back what was taken.
fn fill(node: &Node, who: Caller, place: ConversationId) -> Vec<JoinHandle<Result<Sent, Error>>> {
    let mut taken = Vec::new();
    loop {
        let mut pending = node.send(who, place, message_id(), "x");
        match (&mut pending).now_or_never() {
            Some(answer) => {
                assert!(is_unavailable(&answer), "{answer:?}");
                return taken;
            }
            None => taken.push(tokio::spawn(pending)),
        }
        assert!(taken.len() <= JOBS, "it is bounded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_full_of_commands_refuses_at_once_while_another_answers() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, 2).await;
    let ((who, full), (other, free)) = two_places(&node).await;
    let holder = Holder::hold(&stack, node.lane(full)).await;
    let first = tokio::spawn(node.send(who, full, message_id(), "x"));
    blocked(&stack).await;
    let taken = fill(&node, who, full);
    assert_eq!(taken.len() + 1, JOBS);
    assert_eq!(node.sent(other, free, "x").await.seq, 1, "the other lane has room");
    holder.release().await;
    within("all are answered", BOUND, join_all(taken.into_iter().chain([first]))).await;
    eventually("there is room again", async || {
        node.send(who, full, message_id(), "x").await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    node.stop().await;
}

/// One that would be refused for its size anyhow shows that sizes are counted, and before anything is decided.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_has_no_room_for_more_bytes_than_its_bound() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    // The first one waits for its key.
    assert_eq!(node.sent(alice, conversation, "first").await.seq, 1);
    let answer = node.send(alice, conversation, message_id(), &"x".repeat(BYTES)).now_or_never();
    assert!(answer.is_some_and(|answer| is_unavailable(&answer)));
    assert_eq!(node.sent(alice, conversation, "small").await.seq, 2);
    node.stop().await;
}
