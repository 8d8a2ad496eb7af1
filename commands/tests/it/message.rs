//! What is done to a message is decided with its conversation's state at hand, whether both are in memory or neither.

use crate::support::{Holder, Node, blocked, code, cut_writers, epoch, keyed, keyless, message_id, sql, two_places};
use futures::future::join_all;
use natter_commands::{GivenBody, Named};
use natter_domain::{Code, Emoji, Noun};
use natter_streams::{Positions, id};
use natter_testkit::{BOUND, Stack, within};

fn emoji(text: &str) -> Emoji {
    Emoji::parse(text).expect("an emoji")
}

fn position(positions: &Positions) -> u64 {
    positions.iter().next().expect("a position").1.position
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_message_nor_its_conversation_need_be_in_memory() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let carol = node.person("carol").await;
    let message = node.sent(alice, conversation, "hi").await.message_id;
    let of = Named { conversation, message };
    node.stop().await;
    for asked in 0..3 {
        let node = Node::start(&stack).await;
        match asked {
            // Its conversation is read for it.
            0 => drop(node.commands.message().react(keyless(bob), of, &emoji("x")).await.unwrap()),
            // It was read for somebody else before.
            1 => {
                assert_eq!(node.sent(bob, conversation, "hi").await.seq, 2);
                assert_eq!(code(node.commands.message().react(keyless(carol), of, &emoji("x")).await), Code::NotFound);
            }
            // Both at once, and a send that needs one of them.
            _ => {
                let reactions = (0..20).map(|kind| emoji(&kind.to_string()));
                let mut pending: Vec<_> = reactions
                    .map(|emoji| tokio::spawn(node.commands.message().react(keyless(bob), of, &emoji)))
                    .collect();
                let sent = tokio::spawn(node.send(alice, conversation, message_id(), "hi"));
                pending.push(tokio::spawn(node.commands.message().pin(keyless(alice), of)));
                let answers = within("all are answered", BOUND, join_all(pending)).await;
                assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
                assert_eq!(sent.await.unwrap().unwrap().seq, 3, "no older state came over a newer one");
            }
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_ends_decides_again_in_order_with_the_state_that_is() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let message = node.sent(alice, conversation, "hi").await.message_id;
    let of = Named { conversation, message };
    node.commands.message().react(keyless(alice), of, &emoji("x")).await.unwrap();
    let before = epoch(&stack, node.lane(conversation)).await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let mut pending = Vec::new();
    for _ in 0..20 {
        pending.push(tokio::spawn(node.commands.message().react(keyless(bob), of, &emoji("x"))));
        pending.push(tokio::spawn(node.commands.message().unreact(keyless(bob), of, &emoji("x"))));
    }
    blocked(&stack).await;
    cut_writers(&stack).await;
    holder.release().await;
    let answers = within("all are answered", BOUND, join_all(pending)).await;
    let positions: Vec<u64> = answers.into_iter().map(|answer| position(&answer.unwrap().unwrap())).collect();
    assert!(positions.is_sorted_by(|one, other| one < other), "each is an event, in its order: {positions:?}");
    assert!(epoch(&stack, node.lane(conversation)).await > before, "its generation has ended");
    let events = node.events(node.lane(conversation)).await;
    let events: Vec<_> = events.iter().filter(|event| event.noun == Noun::Message).collect();
    assert_eq!(events.len(), 41);
    assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_again_under_its_key_is_done_once_and_of_nothing_there_is_nothing() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let ((alice, here), (_, there)) = two_places(&node).await;
    let message = node.sent(alice, here, "hi").await.message_id;
    let of = Named { conversation: here, message };
    let key = id::new();
    let body = crate::support::body("hello");
    node.commands.message().edit(keyed(alice, key), of, GivenBody::text(&*body, 5)).await.unwrap();
    let count = stack.event_count().await;
    node.commands.message().edit(keyed(alice, key), of, GivenBody::text(&*body, 5)).await.unwrap();
    node.commands.message().edit(keyless(alice), of, GivenBody::text(&*body, 5)).await.unwrap();
    assert_eq!(stack.event_count().await, count, "saying the same again is no edit");
    assert_eq!(code(node.commands.message().pin(keyed(alice, key), of).await), Code::Conflict);
    for of in [Named { conversation: there, message }, Named { conversation: here, message: message_id() }] {
        assert_eq!(code(node.commands.message().recall(keyless(alice), of).await), Code::NotFound);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_cannot_be_read_fails_what_is_asked_of_its_messages() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let message = node.sent(alice, conversation, "hi").await.message_id;
    node.stop().await;
    let spoil = format!(
        "UPDATE events SET payload = '{{\"started\":1e999}}' WHERE aggregate_id = '{conversation}' AND sequence = 1"
    );
    sql(&stack, &spoil).await;
    let node = Node::start(&stack).await;
    for person in [alice, bob] {
        let asked = node.commands.message().pin(keyless(person), Named { conversation, message });
        let answer = within("it is answered", BOUND, asked).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    node.stop().await;
}
