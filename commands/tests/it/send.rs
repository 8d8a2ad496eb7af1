//! Numbers and order of messages.

use crate::support::{Node, appends_failed, code, count_appends, message_id};
use futures::future::join_all;
use natter_commands::{GivenBody, Outgoing};
use natter_domain::Code;
use natter_streams::Positions;
use natter_testkit::Stack;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_senders_at_once_are_numbered_without_a_gap() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    count_appends(&stack).await;
    let senders = (0..200).map(|number| {
        let from = if number % 2 == 0 { alice } else { bob };
        let (commands, text) = (node.commands.clone(), format!("{number}"));
        tokio::spawn(async move {
            commands
                .conversation()
                .send(
                    from,
                    conversation,
                    Outgoing::plain(message_id(), GivenBody::text(crate::support::body(&text), 4)),
                )
                .await
        })
    });
    let seqs: BTreeSet<u64> = join_all(senders).await.into_iter().map(|sent| sent.unwrap().unwrap().seq).collect();
    assert_eq!(seqs, (1..=200).collect());
    let stored: Vec<u64> = node.messages(conversation).await.into_iter().map(|(_, seq)| seq).collect();
    assert_eq!(stored, (1..=200).collect::<Vec<_>>(), "in the order of their numbers");
    assert_eq!(appends_failed(&stack).await, 0, "each was decided once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_caller_sends_without_waiting_keeps_its_order() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, conversation) = node.friends().await;
    let pending: Vec<_> = (0..500).map(|_| node.send(alice, conversation, message_id(), "x")).collect();
    let seqs: Vec<u64> = join_all(pending).await.into_iter().map(|sent| sent.unwrap().seq).collect();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_tells_what_is_stored() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, conversation) = node.friends().await;
    let id = message_id();
    let sent = node.send(alice, conversation, id, "x").await.unwrap();
    let lane = node.lane(conversation);
    let event = node.events(lane).await.into_iter().find(|event| event.event_type == "message_sent").unwrap();
    assert_eq!((sent.message_id, sent.sent_at, sent.repeated), (id, event.time, false));
    assert_eq!(sent.positions, Positions::one(lane, event.position, event.incarnation));
    assert_eq!(node.feeds.lane(lane).head().position, event.position, "readers of this process hear of it first");
    assert!(event.metadata.contains(&alice.account.to_string()), "{}", event.metadata);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_an_event_is_refused_and_nothing_is_stored() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let before = stack.event_count().await;
    let large = "x".repeat(natter_streams::event::MAX_BYTES);
    assert_eq!(code(node.send(alice, conversation, message_id(), &large).await), Code::PayloadTooLarge);
    assert_eq!(stack.event_count().await, before);
    assert_eq!(node.sent(alice, conversation, "small").await.seq, 1, "its number was not taken");
}
