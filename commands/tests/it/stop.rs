//! The end of a process: what it holds is answered, what nobody can answer does not keep it.

use crate::support::{Holder, Node, blocked, is_unavailable, message_id};
use futures::FutureExt;
use natter_commands::{GivenBody, Outgoing};
use natter_testkit::{BOUND, Stack, within};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_answered_before_the_end_and_nothing_more_is_taken() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let first = tokio::spawn(node.send(alice, conversation, message_id(), "x"));
    blocked(&stack).await;
    let second = tokio::spawn(node.send(alice, conversation, message_id(), "x"));
    node.stop.cancel();
    crate::support::eventually("nothing more is taken", async || {
        match node.send(alice, conversation, message_id(), "y").now_or_never() {
            Some(Err(natter_commands::Error::Unavailable)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!node.tasks.is_empty() && !first.is_finished());
    holder.release().await;
    assert_eq!(within("the first is answered", BOUND, first).await.unwrap().unwrap().seq, 1);
    assert_eq!(within("the second is answered", BOUND, second).await.unwrap().unwrap().seq, 2);
    within("the tasks end", BOUND, node.tasks.wait()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_nobody_can_write_to_does_not_keep_the_process() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let _holder = Holder::hold(&stack, node.lane(conversation)).await;
    let pending = tokio::spawn(node.send(alice, conversation, message_id(), "x"));
    blocked(&stack).await;
    node.stop().await;
    assert!(is_unavailable(&within("it is answered", BOUND, pending).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_constant_traffic_is_a_stop() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let commands = node.commands.clone();
    let traffic = tokio::spawn(async move {
        let send = || {
            commands.conversation().send(alice, conversation, Outgoing::plain(message_id(), GivenBody::text("{}", 2)))
        };
        let mut answered = 0;
        loop {
            let burst: Vec<_> = (0..50).map(|_| send()).collect();
            for answer in futures::future::join_all(burst).await {
                match answer {
                    Ok(_) => answered += 1,
                    Err(_) => return answered,
                }
            }
        }
    });
    node.sent(alice, conversation, "x").await;
    node.stop().await;
    let answered = within("the traffic ends", BOUND, traffic).await.unwrap();
    let node = Node::start(&stack).await;
    assert!(node.messages(conversation).await.len() > answered, "what was answered is there");
}
