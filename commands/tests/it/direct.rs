//! How the direct conversation of two people stands, whatever becomes of them: friends no more and again, blocks, strangers,
//! somebody who is gone.

use crate::support::{Node, body, code, draft, eventually, keyed, keyless, message_id, wrote_and_died};
use natter_commands::{Caller, GivenBody, Named};
use natter_domain::{
    AccountId, Code, ConversationId, Emoji, FriendshipId, RequestId,
    account::{self, MessagesFrom, SettingsChange},
    conversation::{self, Standing},
    friendship::{self, Event},
    inbox,
};
use natter_streams::id;
use natter_testkit::Stack;

/// The pair's events, by their names.
async fn between(node: &Node, one: AccountId, other: AccountId) -> Vec<String> {
    let pair = FriendshipId::of(one, other);
    let events = node.events(node.log.lanes().of(pair.0)).await;
    events.iter().filter(|it| it.aggregate_id == pair.0).map(|it| it.event_type.to_string()).collect()
}

async fn says(node: &Node, by: Caller, conversation: ConversationId) -> Result<u64, Code> {
    match node.send(by, conversation, message_id(), "hello").await {
        Ok(sent) => Ok(sent.seq),
        refused => Err(code(refused)),
    }
}

const CLOSED: Result<u64, Code> = Err(Code::ConversationClosed);

#[tokio::test(flavor = "multi_thread")]
async fn friends_no_more_do_not_talk_and_friends_again_go_on() {
    // What answers events does not run: whoever does it tells the conversation.
    let node = Node::quiet(&Stack::new().await, crate::support::LANES).await;
    let (alice, bob, talk) = node.friends().await;
    assert_eq!(says(&node, alice, talk).await, Ok(1));
    node.commands.friendship().remove(keyless(bob), alice.account).await.unwrap();
    node.commands.friendship().remove(keyless(bob), alice.account).await.expect("again, it is gone");
    node.commands.friendship().remove(keyless(alice), bob.account).await.expect("by the other one too");
    for one in [alice, bob] {
        assert_eq!(says(&node, one, talk).await, CLOSED);
    }
    let opened = node.commands.conversation().open_direct(keyless(alice), bob.account).await;
    assert_eq!(code(opened), Code::NotFriends);
    // Not within 24 hours of the first one, which was Alice's.
    assert_eq!(node.befriend(bob, alice).await, talk, "there is one for ever");
    assert_eq!(says(&node, bob, talk).await, Ok(2));
    let never = node.person("carol").await;
    let refused = node.commands.friendship().remove(keyless(never), alice.account).await;
    assert_eq!(code(refused), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stops_what_would_pass_and_nothing_that_was_answered_before() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, talk) = node.friends().await;
    let message = message_id();
    let first = node.send(bob, talk, message, "hello").await.unwrap();
    for _ in 0..2 {
        node.commands.friendship().block(keyless(alice), bob.account).await.unwrap();
    }
    let (of, by) = (Named { conversation: talk, message }, keyless(bob));
    let again = node.send(bob, talk, message, "hello").await.unwrap();
    assert_eq!((again.seq, again.sent_at, again.repeated), (first.seq, first.sent_at, true));
    for one in [alice, bob] {
        assert_eq!(says(&node, one, talk).await, CLOSED);
    }
    let messages = node.commands.message();
    assert_eq!(code(messages.edit(by, of, GivenBody::text(body("other"), 5)).await), Code::ConversationClosed);
    assert_eq!(code(messages.recall(by, of).await), Code::ConversationClosed);
    let emoji = Emoji::parse("a").unwrap();
    assert_eq!(code(messages.react(keyless(alice), of, &emoji).await), Code::ConversationClosed);
    assert_eq!(code(messages.pin(keyless(alice), of).await), Code::ConversationClosed);
    let opened = node.commands.conversation().open_direct(keyless(bob), alice.account).await.unwrap();
    assert_eq!((opened.conversation_id, opened.created), (talk, false), "as before");

    for _ in 0..2 {
        node.commands.friendship().unblock(keyless(alice), bob.account).await.unwrap();
    }
    assert_eq!(says(&node, bob, talk).await, Ok(2));
    messages.edit(by, of, GivenBody::text(body("other"), 5)).await.unwrap();
    assert_eq!(between(&node, alice.account, bob.account).await, ["requested", "accepted", "blocked", "unblocked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_what_is_read_where_nothing_passes() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, talk) = node.friends().await;
    for _ in 0..2 {
        says(&node, bob, talk).await.unwrap();
    }
    let advance = async |seq| node.commands.inbox().advance(keyless(alice), vec![(talk, seq)]).await.unwrap();
    advance(1).await;
    node.commands.friendship().block(keyless(alice), bob.account).await.unwrap();
    assert_eq!(advance(2).await.cursors, [(talk, 2)]);
    let events = node.events(node.log.lanes().of(alice.account.0)).await;
    let inbox = events.iter().filter(|it| it.noun == natter_domain::Noun::Inbox && it.aggregate_id == alice.account.0);
    let told: Vec<_> = inbox
        .flat_map(|it| {
            let inbox::Event::CursorsAdvanced { cursors } = it.decode().expect("of an inbox") else {
                panic!("a cursor")
            };
            cursors.into_iter().map(|cursor| cursor.peer)
        })
        .collect();
    assert_eq!(told, [Some(bob.account), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_of_somebody_who_is_there_and_not_of_oneself() {
    let node = Node::start(&Stack::new().await).await;
    let alice = node.person("alice").await;
    let friendship = node.commands.friendship();
    assert_eq!(code(friendship.block(keyless(alice), alice.account).await), Code::SelfNotAllowed);
    assert_eq!(code(friendship.block(keyless(alice), AccountId(id::new())).await), Code::NotFound);
    friendship.unblock(keyless(alice), AccountId(id::new())).await.expect("nothing to take back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_asks_in_vain_and_who_blocks_unblocks_first() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let friendship = node.commands.friendship();
    friendship.block(keyless(alice), bob.account).await.unwrap();
    assert_eq!(code(friendship.request(keyless(bob), alice.account, None).await), Code::RequestsNotTaken);
    assert_eq!(code(friendship.request(keyless(alice), bob.account, None).await), Code::Conflict);
    friendship.unblock(keyless(alice), bob.account).await.unwrap();
    node.befriend(bob, alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_back_and_who_accepts_at_once_agree_on_what_came_first() {
    let node = Node::start(&Stack::new().await).await;
    for round in 0..5 {
        let (alice, bob) = (node.person(&format!("alice{round}")).await, node.person(&format!("bob{round}")).await);
        let friendship = node.commands.friendship();
        let (pair, request) = (
            FriendshipId::of(alice.account, bob.account),
            friendship.request(keyless(alice), bob.account, None).await.unwrap().request_id,
        );
        let (accepted, other, cancelled) = futures::join!(
            friendship.accept(keyless(bob), pair, request),
            friendship.accept(keyless(bob), pair, request),
            friendship.cancel(keyless(alice), pair, request)
        );
        match (accepted, other, cancelled) {
            (Ok(one), Ok(other), refused) => {
                assert_eq!(one.conversation_id, other.conversation_id);
                assert_eq!(code(refused), Code::RequestClosed);
            }
            (one, other, Ok(_)) => assert_eq!((code(one), code(other)), (Code::RequestClosed, Code::RequestClosed)),
            _ => panic!("two who did the same were answered otherwise"),
        }
        assert_eq!(between(&node, alice.account, bob.account).await.len(), 2);
    }
}

async fn takes_messages(node: &Node, who: Caller, from: MessagesFrom) {
    let change = SettingsChange { messages_from: Some(from), ..SettingsChange::default() };
    node.commands.account().change_settings(keyless(who), change).await.expect("change settings");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_talk_where_the_other_one_takes_it_and_nobody_blocks() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let conversations = node.commands.conversation();
    let opens = async |who: Caller, other: Caller| conversations.open_direct(keyless(who), other.account).await;
    assert_eq!(code(opens(alice, bob).await), Code::NotFriends);
    takes_messages(&node, bob, MessagesFrom::All).await;
    assert_eq!(code(opens(bob, alice).await), Code::NotFriends, "Alice does not take them");
    node.commands.friendship().block(keyless(bob), alice.account).await.unwrap();
    assert_eq!(code(opens(alice, bob).await), Code::NotFriends, "in the same words");
    node.commands.friendship().unblock(keyless(bob), alice.account).await.unwrap();

    let (one, other) = futures::join!(opens(alice, bob), opens(alice, bob));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.conversation_id, other.conversation_id);
    let talk = one.conversation_id;
    assert_eq!(says(&node, alice, talk).await, Ok(1));
    takes_messages(&node, bob, MessagesFrom::Friends).await;
    assert_eq!(says(&node, alice, talk).await, Ok(2), "who has begun goes on");
    assert_eq!(opens(bob, alice).await.unwrap().conversation_id, talk);
    node.commands.friendship().block(keyless(bob), alice.account).await.unwrap();
    assert_eq!(says(&node, alice, talk).await, CLOSED);
    node.commands.friendship().unblock(keyless(bob), alice.account).await.unwrap();
    assert_eq!(node.befriend(alice, bob).await, talk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_among_strangers_is_the_same_again_under_its_key() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    takes_messages(&node, bob, MessagesFrom::All).await;
    let by = keyed(alice, id::new());
    let first = node.commands.conversation().open_direct(by, bob.account).await.unwrap();
    assert!(first.created);
    takes_messages(&node, bob, MessagesFrom::Friends).await;
    let again = node.commands.conversation().open_direct(by, bob.account).await.unwrap();
    assert_eq!(again.conversation_id, first.conversation_id);
}

/// Whoever ended it died before the conversation knew.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_told_the_conversation_the_log_does() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    node.stop().await;
    let (by, other) = (alice.account, bob.account);
    let standing = Standing::first().closed();
    let removed = Event::Removed { by, other, conversation_id: talk, standing };
    wrote_and_died(&stack, vec![draft(friendship::address(FriendshipId::of(by, other)), 3, &removed)]).await;
    let node = Node::start(&stack).await;
    eventually("it is closed", async || match says(&node, bob, talk).await {
        CLOSED => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// The same, and whoever ended it comes again before anything has answered the log.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_tells_the_conversation_what_it_was_not_told() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    node.stop().await;
    let (by, other) = (alice.account, bob.account);
    let standing = Standing::first().closed();
    let removed = Event::Removed { by, other, conversation_id: talk, standing };
    wrote_and_died(&stack, vec![draft(friendship::address(FriendshipId::of(by, other)), 3, &removed)]).await;
    let node = Node::quiet(&stack, crate::support::LANES).await;
    assert_eq!(says(&node, bob, talk).await, Ok(1), "it does not know yet");
    node.commands.friendship().remove(keyless(alice), bob.account).await.unwrap();
    assert_eq!(says(&node, bob, talk).await, CLOSED);
}

/// What the log says of the friendship is read behind what the conversation knows already.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_changes_nothing() {
    let stack = Stack::new().await;
    let (from, to) = (AccountId(id::new()), AccountId(id::new()));
    let (request_id, talk) = (RequestId(id::new()), ConversationId(id::new()));
    let (pair, place) = (friendship::address(FriendshipId::of(from, to)), conversation::address(talk));
    let first = Standing::first();
    let (barred, back) = (first.barred(from), first.barred(from).unbarred(from));
    let accepted = Event::Accepted { request_id, from, to, conversation_id: talk, standing: first };
    let blocked = Event::Blocked { by: from, other: to, conversation_id: Some(talk), standing: barred };
    let mut members = [from, to];
    members.sort();
    let newest = conversation::Event::StandingChanged { standing: back.clone(), shown_to: vec![], last_seq: 0 };
    let drafts = vec![
        draft(place, 1, &conversation::Event::started_direct(members)),
        draft(place, 2, &newest),
        draft(pair, 1, &accepted),
        draft(pair, 2, &blocked),
    ];
    wrote_and_died(&stack, drafts).await;
    let node = Node::start(&stack).await;
    let lane = node.log.lanes().of(pair.route);
    let last = node.events(lane).await.iter().rev().find(|it| it.aggregate_id == pair.id).expect("the block").position;
    eventually("the log was read", async || {
        let at = crate::support::checkpoint(&stack, natter_commands::Reaction::OpensConversation.as_str(), lane).await;
        if at >= last { Ok(()) } else { Err(format!("{at} of {last}")) }
    })
    .await;
    let events = node.events(node.lane(talk)).await;
    assert_eq!(events.iter().filter(|it| it.aggregate_id == talk.0).count(), 2, "nothing was added");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_who_is_gone() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    let message = message_id();
    let first = node.send(alice, talk, message, "hello").await.unwrap();
    let address = account::address(bob.account);
    node.stop().await;
    let sequence: i64 =
        sqlx::query_scalar("SELECT max(sequence) FROM events WHERE aggregate_type = 'account' AND aggregate_id = $1")
            .bind(address.id.to_string())
            .fetch_one(stack.pool())
            .await
            .expect("how many events there are");
    wrote_and_died(&stack, vec![draft(address, sequence as u64 + 1, &account::Event::Closed {})]).await;

    let node = Node::start(&stack).await;
    eventually("it is known that he is gone", async || match says(&node, alice, talk).await {
        CLOSED => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(says(&node, bob, talk).await.map(|_| ()), Ok(()), "his session is not asked about here");
    let again = node.send(alice, talk, message, "hello").await.unwrap();
    assert_eq!((again.seq, again.repeated), (first.seq, true));
}

/// A node that has sent to somebody hears that they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_while_they_are_written_to_is_gone() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    assert_eq!(says(&node, alice, talk).await, Ok(1));
    node.keys().await.destroy(bob.account).await.expect("destroy a key");
    eventually("it is known that he is gone", async || match says(&node, alice, talk).await {
        CLOSED => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_who_has_closed_their_account_is_refused_and_an_old_one_stays() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, carol) = (node.person("alice").await, node.person("bob").await, node.person("carol").await);
    node.commands.friendship().block(keyless(alice), bob.account).await.unwrap();
    node.stop().await;
    let address = account::address(bob.account);
    let sequence: i64 =
        sqlx::query_scalar("SELECT max(sequence) FROM events WHERE aggregate_type = 'account' AND aggregate_id = $1")
            .bind(address.id.to_string())
            .fetch_one(stack.pool())
            .await
            .expect("how many events there are");
    wrote_and_died(&stack, vec![draft(address, sequence as u64 + 1, &account::Event::Closed {})]).await;
    let node = Node::start(&stack).await;
    node.commands.friendship().block(keyless(alice), bob.account).await.expect("it stands already");
    assert_eq!(code(node.commands.friendship().block(keyless(carol), bob.account).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_noted_of_a_friend_is_sealed_and_said_once() {
    use natter_domain::{Label, account::Change, friendship::FriendChange};
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = node.friends().await;
    let friendship = node.commands.friendship();
    let work = || FriendChange { remark: Change::Set(Label::parse("Bobby").unwrap()), ..FriendChange::default() };
    for _ in 0..2 {
        friendship.change_friend(keyless(alice), bob.account, work()).await.unwrap();
    }
    assert_eq!(between(&node, alice.account, bob.account).await, ["requested", "accepted", "friend_changed"]);
    let stranger = node.person("carol").await;
    assert_eq!(code(friendship.change_friend(keyless(stranger), bob.account, work()).await), Code::NotFound);
    let names = [Label::parse("Work").unwrap(), Label::parse("Home").unwrap()];
    for _ in 0..2 {
        friendship.order_folders(keyless(alice), &names).await.unwrap();
    }
    let events = node.events(node.log.lanes().of(alice.account.0)).await;
    assert_eq!(events.iter().filter(|it| it.event_type == "friend_folders_ordered").count(), 1);
    assert!(events.iter().all(|it| !it.payload.contains("Bobby") && !it.payload.contains("Work")));
}
