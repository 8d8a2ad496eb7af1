//! A command that comes again is answered again, and done once.

use crate::support::{
    Holder, Node, appends_done, appends_failed, blocked, code, count_appends, keyed, keyless, made_ahead, message_id,
    timeless,
};
use futures::future::join_all;
use natter_domain::{Code, FriendshipId};
use natter_testkit::{BOUND, Stack, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_in_flight_waits_for_the_first_and_gets_its_answer() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    count_appends(&stack).await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let id = message_id();
    let first = tokio::spawn(node.send(alice, conversation, id, "x"));
    blocked(&stack).await;
    let again: Vec<_> = (0..3).map(|_| tokio::spawn(node.send(alice, conversation, id, "x"))).collect();
    let between = tokio::spawn(node.send(alice, conversation, message_id(), "y"));
    tokio::task::yield_now().await;
    assert!(!first.is_finished() && again.iter().all(|it| !it.is_finished()), "nothing is durable yet");
    holder.release().await;
    let first = within("the first is answered", BOUND, first).await.unwrap().unwrap();
    assert_eq!((first.seq, first.repeated), (1, false));
    for again in within("the repeats are answered", BOUND, join_all(again)).await {
        let again = again.unwrap().unwrap();
        assert_eq!((again.seq, again.sent_at, again.repeated), (1, first.sent_at, true));
    }
    assert_eq!(between.await.unwrap().unwrap().seq, 2);
    assert_eq!(node.messages(conversation).await.len(), 2);
    assert_eq!(appends_failed(&stack).await, 0, "nothing was tried twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_answer_later_and_after_a_restart() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let ids = [message_id(), timeless(), made_ahead(30)];
    let mut first = Vec::new();
    for id in ids {
        first.push(node.send(alice, conversation, id, "x").await.unwrap());
    }
    let same = async |node: &Node| {
        for (id, first) in ids.iter().zip(&first) {
            let again = within("a repeat is answered", BOUND, node.send(alice, conversation, *id, "x")).await.unwrap();
            assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));
        }
    };
    same(&node).await;
    node.stop().await;
    let node = Node::start(&stack).await;
    same(&node).await;
    assert_eq!(node.sent(alice, conversation, "y").await.seq, 4);
    assert_eq!(node.messages(conversation).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_or_another_sender_under_the_same_id_is_a_conflict() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let id = message_id();
    let pending = [(alice, "x"), (alice, "other"), (bob, "x")];
    let pending: Vec<_> = pending.into_iter().map(|(who, text)| node.send(who, conversation, id, text)).collect();
    let mut answers = join_all(pending).await.into_iter();
    assert_eq!(answers.next().unwrap().unwrap().seq, 1);
    answers.for_each(|answer| assert_eq!(code(answer), Code::Conflict, "while the first was in flight"));
    for (who, text) in [(alice, "other"), (bob, "x")] {
        assert_eq!(code(node.send(who, conversation, id, text).await), Code::Conflict, "when it was durable");
    }
    node.stop().await;
    let node = Node::start(&stack).await;
    assert_eq!(code(node.send(bob, conversation, id, "x").await), Code::Conflict, "after a restart");
    assert_eq!(node.messages(conversation).await.len(), 1);
}

/// The client's clock is ahead, so the restarted process takes its old id for a new one; the log does not.
#[tokio::test(flavor = "multi_thread")]
async fn one_stale_repeat_among_a_thousand_neither_fails_nor_reorders_the_others() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let stale = made_ahead(30);
    let first = node.send(alice, conversation, stale, "x").await.unwrap();
    node.stop().await;
    let node = Node::start(&stack).await;
    node.sent(alice, conversation, "warm").await;
    count_appends(&stack).await;
    let before = appends_done(&stack).await;
    let ids: Vec<_> = (0..1_000).map(|number| if number == 500 { stale } else { message_id() }).collect();
    let pending: Vec<_> = ids.iter().map(|id| node.send(alice, conversation, *id, "x")).collect();
    let answers = within("all are answered", BOUND, join_all(pending)).await;
    let mut seqs: Vec<u64> = answers.iter().map(|answer| answer.as_ref().unwrap().seq).collect();
    let again = answers[500].as_ref().unwrap();
    assert_eq!((seqs.remove(500), again.sent_at, again.repeated), (1, first.sent_at, true));
    assert_eq!(seqs, (3..=1_001).collect::<Vec<_>>());
    assert_eq!(appends_failed(&stack).await, 1, "one generation ended, and the next one knew the key");
    let appends = appends_done(&stack).await - before;
    assert!(appends <= 100, "{appends} appends for a thousand");
}

/// A repeat that would be refused now writes nothing, so no unique key tells that it was done.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_refused_later_because_a_clock_is_ahead() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let (key, id) = (made_ahead(30).0, FriendshipId::of(alice.account, bob.account));
    let request = async |node: &Node| node.commands.friendship().request(keyed(alice, key), bob.account, None).await;
    let first = request(&node).await.unwrap();
    node.commands.friendship().accept(keyless(bob), id, first.request_id).await.unwrap();
    node.stop().await;
    let node = Node::start(&stack).await;
    assert_eq!(request(&node).await.unwrap().request_id, first.request_id, "the first answer");
    let new = node.commands.friendship().request(keyed(alice, made_ahead(30).0), bob.account, None).await;
    assert_eq!(code(new), Code::AlreadyFriends, "what is new is refused");
    node.stop().await;
}
