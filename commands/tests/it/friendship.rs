//! From a request to a conversation.

use crate::support::{Node, appends_failed, code, count_appends, draft, keyed, keyless, wrote_and_died};
use natter_domain::{AccountId, Code, ConversationId, FriendshipId, conversation::Standing, friendship};
use natter_streams::{Positions, id};
use natter_testkit::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_opens_the_conversation_before_it_is_answered() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let conversations = node.commands.conversation();
    assert_eq!(code(conversations.open_direct(keyless(alice), bob.account).await), Code::NotFriends);
    let accepted = node.accepted(alice, bob).await;
    let conversation = accepted.conversation_id;
    assert!(tells_of_start(&node, conversation, &accepted.positions).await);
    for (me, other) in [(alice, bob), (bob, alice)] {
        let opened = conversations.open_direct(keyless(me), other.account).await.unwrap();
        assert_eq!((opened.conversation_id, opened.created), (conversation, false));
    }
    assert_eq!(node.sent(alice, conversation, "hello").await.seq, 1);
    assert_eq!(node.sent(bob, conversation, "hi").await.seq, 2);
    let stranger = node.person("carol").await;
    let refused = node.send(stranger, conversation, crate::support::message_id(), "let me in").await;
    assert_eq!(code(refused), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cross_become_a_friendship() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let friendship = node.commands.friendship();
    let (one, other) = futures::join!(
        friendship.request(keyless(alice), bob.account, Some("hi".into())),
        friendship.request(keyless(bob), alice.account, None)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(u8::from(one.made.is_some()) + u8::from(other.made.is_some()), 1, "the second accepted the first");
    assert_eq!(one.request_id, other.request_id);
    let accepted = if one.made.is_none() { one } else { other };
    let opened = node.commands.conversation().open_direct(keyless(alice), bob.account).await.unwrap();
    assert!(!opened.created, "the acceptance has opened it");
    assert!(tells_of_start(&node, opened.conversation_id, &accepted.positions).await);
}

/// Who waits until these positions can be read finds the conversation.
async fn tells_of_start(node: &Node, conversation: ConversationId, positions: &Positions) -> bool {
    let lane = node.lane(conversation);
    let events = node.events(lane).await;
    let started = events.iter().find(|event| event.aggregate_id == conversation.0).expect("it was started");
    positions.iter().any(|(told, place)| told == lane && place.position >= started.position)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_is_closed() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let friendship = node.commands.friendship();
    let id = FriendshipId::of(alice.account, bob.account);
    let requested = friendship.request(keyless(alice), bob.account, None).await.unwrap();
    assert_eq!(code(friendship.reject(keyless(alice), id, requested.request_id).await), Code::Forbidden);
    friendship.reject(keyless(bob), id, requested.request_id).await.unwrap();
    assert_eq!(code(friendship.accept(keyless(bob), id, requested.request_id).await), Code::RequestClosed);
    assert_eq!(code(friendship.request(keyless(alice), bob.account, None).await), Code::RequestRepeated);
    let nobody = AccountId(id::new());
    assert_eq!(code(friendship.request(keyless(alice), nobody, None).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_under_its_key_is_the_same_request() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let by = keyed(alice, id::new());
    let first = node.commands.friendship().request(by, bob.account, Some("hi".into())).await.unwrap();
    let again = node.commands.friendship().request(by, bob.account, Some("hi".into())).await.unwrap();
    assert_eq!((again.request_id, again.made), (first.request_id, first.made));
    let other = node.commands.friendship().request(by, bob.account, Some("ho".into())).await;
    assert_eq!(code(other), Code::Conflict);
    node.stop().await;
    let node = Node::start(&stack).await;
    let later = node.commands.friendship().request(by, bob.account, Some("hi".into())).await.unwrap();
    assert_eq!(later.request_id, first.request_id);
}

/// One key, two aggregates of one lane, at the same moment: neither waits for the other for ever.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_for_two_commands_at_once_does_one_and_refuses_the_other() {
    let stack = Stack::new().await;
    let node = Node::with_lanes(&stack, 1).await;
    let (alice, bob, carol) = (node.person("alice").await, node.person("bob").await, node.person("carol").await);
    count_appends(&stack).await;
    for round in 0..5 {
        let by = keyed(node.person(&format!("asker{round}")).await, crate::support::timeless().0);
        let friendship = node.commands.friendship();
        let (one, other) =
            futures::join!(friendship.request(by, bob.account, None), friendship.request(by, carol.account, None));
        let (done, refused) = if one.is_ok() { (one, other) } else { (other, one) };
        assert!(done.unwrap().made.is_some());
        assert_eq!(code(refused), Code::Conflict);
    }
    assert_eq!(appends_failed(&stack).await, 0, "no generation was ended by it");
    node.commands.friendship().request(keyless(alice), bob.account, None).await.expect("the lane goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_whose_acceptor_died_before_opening_it_is_opened_by_the_log() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let requested = node.commands.friendship().request(keyless(alice), bob.account, None).await.unwrap();
    node.stop().await;
    let conversation_id = ConversationId(id::new());
    let (request_id, from, to) = (requested.request_id, alice.account, bob.account);
    let accepted = friendship::Event::Accepted { request_id, from, to, conversation_id, standing: Standing::first() };
    wrote_and_died(&stack, vec![draft(friendship::address(FriendshipId::of(from, to)), 2, &accepted)]).await;

    let node = Node::start(&stack).await;
    let lane = node.lane(conversation_id);
    crate::support::eventually("the conversation is open", async || {
        let events = node.events(lane).await;
        let opened =
            events.iter().any(|event| event.aggregate_id == conversation_id.0 && event.event_type == "started");
        if opened { Ok(()) } else { Err("it is not".to_owned()) }
    })
    .await;
    assert_eq!(node.sent(bob, conversation_id, "at last").await.seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_move_forward_and_not_beyond_the_end() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, conversation) = node.friends().await;
    for _ in 0..3 {
        node.sent(alice, conversation, "hello").await;
    }
    let inbox = node.commands.inbox();
    let at = |seq| vec![(conversation, seq)];
    assert_eq!(inbox.advance(keyless(bob), at(2)).await.unwrap().cursors, at(2));
    assert_eq!(inbox.advance(keyless(bob), at(1)).await.unwrap().cursors, at(2), "never back");
    assert_eq!(code(inbox.advance(keyless(bob), at(4)).await), Code::InvalidInput);
    let stranger = node.person("carol").await;
    assert_eq!(code(inbox.advance(keyless(stranger), at(1)).await), Code::NotFound);
}
