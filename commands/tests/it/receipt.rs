//! What others are told of reading and of what has come, decided on a real log.

use crate::support::{Node, code, keyed, keyless};
use natter_commands::Caller;
use natter_domain::{
    AccountId, Code, ConversationId, Noun,
    account::SettingsChange,
    inbox::{Cursor, Event},
};
use natter_streams::id;
use natter_testkit::Stack;

/// Of what somebody was told: whether it was read, up to where, and who is told.
type Told = (&'static str, u64, Option<AccountId>);

async fn told(node: &Node, who: Caller) -> Vec<Told> {
    let events = node.events(node.log.lanes().of(who.account.0)).await;
    let mine = events.iter().filter(|event| event.noun == Noun::Inbox && event.aggregate_id == who.account.0);
    let cursors =
        |what, cursors: Vec<Cursor>| cursors.into_iter().map(|it| (what, it.seq, it.peer)).collect::<Vec<_>>();
    mine.flat_map(|event| match event.decode().expect("of an inbox") {
        Event::CursorsAdvanced { cursors: read } => cursors("read", read),
        Event::DeliveriesAdvanced { cursors: come } => cursors("come", come),
        _ => Vec::new(),
    })
    .collect()
}

async fn read(node: &Node, who: Caller, talk: ConversationId, seq: u64) {
    node.commands.inbox().advance(keyless(who), vec![(talk, seq)]).await.expect("read");
}

async fn come(node: &Node, who: Caller, talk: ConversationId, seq: u64) {
    node.commands.inbox().deliver(keyless(who), vec![(talk, seq)]).await.expect("say that it has come");
}

async fn shows(node: &Node, who: Caller, shows: bool) {
    let change = SettingsChange { read_receipts: Some(shows), ..SettingsChange::default() };
    node.commands.account().change_settings(keyless(who), change).await.expect("change a setting");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_is_told_where_something_passes() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, talk) = node.friends().await;
    for text in ["one", "two", "three"] {
        node.sent(bob, talk, text).await;
    }
    come(&node, alice, talk, 1).await;
    come(&node, alice, talk, 1).await;
    node.commands.friendship().block(keyless(bob), alice.account).await.unwrap();
    come(&node, alice, talk, 2).await;
    read(&node, alice, talk, 3).await;
    come(&node, alice, talk, 3).await;
    assert_eq!(told(&node, alice).await, [("come", 1, Some(bob.account)), ("come", 2, None), ("read", 3, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_there_comes_and_only_in_a_direct_conversation() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, talk) = node.friends().await;
    node.sent(bob, talk, "one").await;
    let group = natter_domain::GroupName::parse("us").unwrap();
    let group = node.commands.conversation().start_group(keyless(alice), &group, &[bob.account]).await.unwrap();
    let own = node.commands.conversation().open_own(keyless(alice)).await.unwrap().conversation_id;
    let carol = node.person("carol").await;
    let deliver = async |who, talk, seq| code(node.commands.inbox().deliver(keyless(who), vec![(talk, seq)]).await);
    assert_eq!(deliver(alice, talk, 2).await, Code::InvalidInput);
    assert_eq!(deliver(alice, group.conversation_id, 1).await, Code::Forbidden);
    assert_eq!(deliver(alice, own, 0).await, Code::Forbidden);
    assert_eq!(deliver(carol, talk, 1).await, Code::NotFound);
    node.commands.conversation().remove_member(keyless(bob), group.conversation_id, bob.account).await.unwrap();
    assert_eq!(deliver(bob, group.conversation_id, 1).await, Code::NotAMember);
    assert_eq!(told(&node, alice).await, []);

    let key = id::new();
    let inbox = node.commands.inbox();
    let first = inbox.deliver(keyed(alice, key), vec![(talk, 1)]).await.unwrap();
    assert_eq!(inbox.deliver(keyed(alice, key), vec![(talk, 1)]).await.unwrap().positions, first.positions);
    assert_eq!(code(inbox.deliver(keyed(alice, key), vec![(talk, 0)]).await), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_either_does_not_show_what_they_read_it_is_told_that_it_has_come() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, talk) = node.friends().await;
    for text in ["one", "two", "three", "four"] {
        node.sent(bob, talk, text).await;
    }
    let peer = Some(bob.account);
    shows(&node, alice, false).await;
    read(&node, alice, talk, 1).await;
    shows(&node, bob, false).await;
    shows(&node, alice, true).await;
    come(&node, alice, talk, 2).await;
    read(&node, alice, talk, 2).await;
    read(&node, alice, talk, 3).await;
    shows(&node, bob, true).await;
    read(&node, alice, talk, 4).await;
    let expected = [
        ("read", 1, None),
        ("come", 1, peer),
        ("come", 2, peer),
        ("read", 2, None),
        ("read", 3, None),
        ("come", 3, peer),
        ("read", 4, peer),
    ];
    assert_eq!(told(&node, alice).await, expected);
}
