//! Several nodes share the lanes; whoever is asked, the owner decides.

use crate::support::{Node, caller, code, is_unavailable, keyless, made_ahead, made_before, message_id, timeless};
use futures::{FutureExt, future::join_all};
use natter_commands::{Caller, Error, GivenBody, Outgoing, Sent};
use natter_domain::{Code, ConversationId, FriendshipId};
use natter_testkit::{BOUND, Stack, within};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const LANES: u16 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn every_node_reaches_every_lane() {
    let stack = Stack::new().await;
    let (one, other) = (Node::named(&stack, "one", LANES).await, Node::named(&stack, "other", LANES).await);
    let edge = Node::edge(&stack, LANES).await;
    one.owns(4).await;
    other.owns(4).await;
    let mut people = Vec::new();
    for number in 0..6 {
        people.push(caller(&edge.sign_up(&format!("person{number}")).await));
    }
    for (number, pair) in people.chunks(2).enumerate() {
        let node = [&one, &other, &edge][number % 3];
        let conversation = node.befriend(pair[0], pair[1]).await;
        for (node, seq) in [&one, &other, &edge, &one].into_iter().zip(1..) {
            assert_eq!(node.sent(pair[0], conversation, "x").await.seq, seq);
        }
        let advanced = edge.commands.inbox().advance(keyless(pair[1]), vec![(conversation, 4)]).await.unwrap();
        assert_eq!(advanced.cursors, [(conversation, 4)]);
    }
    assert_eq!(edge.owned(), 0);
    for node in [edge, one, other] {
        node.stop().await;
    }
}

/// What is repeated, refused or accepted is so wherever it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_afar_is_the_answer() {
    let stack = Stack::new().await;
    let owner = Node::named(&stack, "owner", LANES).await;
    let edge = Node::edge(&stack, LANES).await;
    let (alice, bob) = (edge.person("alice").await, edge.person("bob").await);
    let requested = edge.commands.friendship().request(keyless(alice), bob.account, Some("hi".into())).await.unwrap();
    let id = FriendshipId::of(alice.account, bob.account);
    let accept = async || edge.commands.friendship().accept(keyless(bob), id, requested.request_id).await;
    let conversation = accept().await.unwrap().conversation_id;
    assert_eq!(accept().await.unwrap().conversation_id, conversation, "accepted before");
    let id = message_id();
    let first = edge.send(alice, conversation, id, "x").await.unwrap();
    let again = owner.send(alice, conversation, id, "x").await.unwrap();
    assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));
    let again = edge.send(alice, conversation, id, "x").await.unwrap();
    assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));
    for node in [&owner, &edge] {
        assert_eq!(code(node.send(bob, conversation, id, "x").await), Code::Conflict);
    }
    assert_eq!(
        edge.feeds.lane(edge.lane(conversation)).head().position,
        owner.events(owner.lane(conversation)).await.len() as u64
    );
    edge.stop().await;
    owner.stop().await;
}

/// Nobody has the lanes: who waits in vain is told after five seconds, and who waits long enough is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_an_owner_waits_for_one_until_its_deadline() {
    let stack = Stack::new().await;
    let edge = Node::edge(&stack, LANES).await;
    let owner = Node::named(&stack, "owner", LANES).await;
    let (alice, _, conversation) = edge.friends().await;
    owner.stop().await;
    let asked_at = Instant::now();
    let answer = within("it is told", BOUND, edge.send(alice, conversation, message_id(), "x")).await;
    assert!(is_unavailable(&answer), "{answer:?}");
    assert!(asked_at.elapsed() >= Duration::from_secs(4), "it has waited");
    let mut waits = tokio::spawn(edge.send(alice, conversation, message_id(), "y"));
    assert!((&mut waits).now_or_never().is_none());
    let next = Node::named(&stack, "next", LANES).await;
    assert_eq!(within("it is answered", BOUND, waits).await.unwrap().unwrap().seq, 1);
    edge.stop().await;
    next.stop().await;
}

/// What one owner has done the next one knows, however old the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_at_the_next_owner_gets_the_first_answer() {
    let stack = Stack::new().await;
    let first = Node::named(&stack, "first", LANES).await;
    let edge = Node::edge(&stack, LANES).await;
    let (alice, bob, conversation) = edge.friends().await;
    let ids = [message_id(), timeless(), made_before(3), made_ahead(30)];
    let mut answers = Vec::new();
    for id in ids {
        answers.push(edge.send(alice, conversation, id, "x").await.unwrap());
    }
    first.stop().await;
    let second = Node::named(&stack, "second", LANES).await;
    second.owns(LANES.into()).await;
    for (id, answer) in ids.iter().zip(&answers) {
        for node in [&edge, &second] {
            let again = within("a repeat is answered", BOUND, node.send(alice, conversation, *id, "x")).await.unwrap();
            assert_eq!((again.seq, again.sent_at, again.repeated), (answer.seq, answer.sent_at, true));
            for (who, text) in [(alice, "other"), (bob, "x")] {
                let other = within("it is refused", BOUND, node.send(who, conversation, *id, text)).await;
                assert_eq!(code(other), Code::Conflict);
            }
        }
    }
    assert_eq!(edge.messages(conversation).await.len(), ids.len());
    edge.stop().await;
    second.stop().await;
}

/// Lanes come and go under constant traffic: nobody sees an error, nothing is out of order.
#[tokio::test(flavor = "multi_thread")]
async fn hand_overs_are_seen_by_nobody() {
    let stack = Stack::new().await;
    let first = Node::named(&stack, "first", LANES).await;
    let edge = Node::edge(&stack, LANES).await;
    let mut places = Vec::new();
    for number in 0..6 {
        let one = edge.person(&format!("one{number}")).await;
        let other = edge.person(&format!("other{number}")).await;
        places.push((one, edge.befriend(one, other).await));
    }
    let enough = tokio_util::sync::CancellationToken::new();
    let traffic: Vec<_> = places.iter().map(|&(who, place)| talk(&edge, who, place, &enough)).collect();
    first.owns(8).await;
    let second = Node::named(&stack, "second", LANES).await;
    second.owns(4).await;
    first.stop().await;
    second.owns(8).await;
    let third = Node::named(&stack, "third", LANES).await;
    third.owns(4).await;
    enough.cancel();
    for (said, (_, place)) in within("the traffic ends", BOUND, join_all(traffic)).await.into_iter().zip(&places) {
        let seqs: Vec<u64> = said.unwrap().into_iter().map(|sent| sent.unwrap().seq).collect();
        assert!(seqs.len() > 50, "there was traffic");
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "in the order of sending");
        assert_eq!(edge.messages(*place).await.len(), seqs.len());
    }
    for node in [edge, third, second] {
        node.stop().await;
    }
}

/// Bursts, one after the other, each without waiting in between.
fn talk(
    edge: &Node,
    who: Caller,
    place: ConversationId,
    enough: &tokio_util::sync::CancellationToken,
) -> JoinHandle<Vec<Result<Sent, Error>>> {
    let (commands, enough) = (edge.commands.clone(), enough.clone());
    tokio::spawn(async move {
        let send = || commands.conversation().send(who, place, Outgoing::plain(message_id(), GivenBody::text("{}", 2)));
        let mut said = Vec::new();
        while !enough.is_cancelled() {
            let burst: Vec<_> = (0..10).map(|_| send()).collect();
            said.extend(join_all(burst).await);
        }
        said
    })
}
