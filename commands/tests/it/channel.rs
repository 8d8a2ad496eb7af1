//! Channels: beginning one, subscribing, and what a ban leaves of that.

use crate::support::{Node, code, draft, keyed, keyless, wrote_and_died};
use natter_commands::{Caller, Keyed, MemberChange};
use natter_domain::{
    AccountId, Code, ConversationId, GroupName, Noun,
    conversation::{self, Event, Kind, Role},
    subscription::Event as Subscription,
};
use natter_streams::id;
use natter_testkit::{BOUND, Stack, eventually};

fn named(name: &str) -> GroupName {
    GroupName::parse(name).expect("a name")
}

async fn started(node: &Node, by: Keyed) -> ConversationId {
    node.commands.conversation().start_channel(by, &named("news")).await.expect("start a channel").conversation_id
}

/// Whose subscriptions began and ended, in their order.
async fn subscriptions(node: &Node, channel: ConversationId) -> Vec<(AccountId, bool)> {
    let events = node.events(node.lane(channel)).await;
    let of_subscriptions = events.iter().filter(|event| event.noun == Noun::Subscription);
    let read = of_subscriptions.map(|event| event.decode().expect("an event of a subscription"));
    let turns = read.filter(|event: &Subscription| event.channel() == channel).map(|event| match event {
        Subscription::Begun { account_id, .. } => (account_id, true),
        Subscription::Ended { account_id, .. } => (account_id, false),
    });
    turns.collect()
}

async fn people(node: &Node) -> (Caller, Caller) {
    (node.person("alice").await, node.person("bob").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_a_channel_subscribes_and_its_state_holds_nobody() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = people(&node).await;
    let conversations = node.commands.conversation();
    let channel = started(&node, keyless(alice)).await;
    assert!(conversations.join(keyless(bob), channel, None).await.expect("subscribe").is_in);
    let events = node.events(node.lane(channel)).await;
    let of_channel: Vec<Event> =
        events.iter().filter(|it| it.aggregate_id == channel.0).map(|it| it.decode().expect("an event")).collect();
    let [Event::Started { kind: Kind::Channel, members, owner, .. }] = &of_channel[..] else {
        panic!("nothing but its beginning: {of_channel:?}")
    };
    assert_eq!((members.len(), *owner), (0, Some(alice.account)));
    assert_eq!(subscriptions(&node, channel).await, [(alice.account, true), (bob.account, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_subscribes_nobody_again() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = people(&node).await;
    let (begin, come, go) = (id::new(), id::new(), id::new());
    let conversations = node.commands.conversation();
    let channel = started(&node, keyed(alice, begin)).await;
    assert_eq!(started(&node, keyed(alice, begin)).await, channel);
    for _ in 0..2 {
        assert!(conversations.join(keyed(bob, come), channel, None).await.expect("subscribe").is_in);
    }
    for _ in 0..2 {
        conversations.remove_member(keyed(bob, go), channel, bob.account).await.expect("end it");
    }
    // What came late is the same command still.
    assert!(conversations.join(keyed(bob, come), channel, None).await.expect("a repeat").is_in);
    let turns = [(alice.account, true), (bob.account, true), (bob.account, false)];
    assert_eq!(subscriptions(&node, channel).await, turns);
    assert_eq!(
        code(conversations.join(keyed(bob, go), channel, None).await),
        Code::Conflict,
        "that key said something else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_people_is_said_of_somebody() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = people(&node).await;
    let conversations = node.commands.conversation();
    let channel = started(&node, keyless(alice)).await;
    let nobody = AccountId(id::new());
    let admin = MemberChange::role(Role::Admin);
    let free = MemberChange { muted_until: Some(None), ..MemberChange::default() };
    for change in [&admin, &free] {
        assert_eq!(code(conversations.change_member(keyless(alice), channel, nobody, change).await), Code::NotFound);
    }
    conversations.change_member(keyless(alice), channel, bob.account, &admin).await.expect("he is somebody");
    assert_eq!(code(conversations.remove_member(keyless(bob), channel, alice.account).await), Code::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_counts_among_those_that_one_owns() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _) = people(&node).await;
    for _ in 0..6 {
        started(&node, keyless(alice)).await;
    }
    let refused = node.commands.conversation().start_channel(keyless(alice), &named("news")).await;
    assert_eq!(code(refused), Code::TooManyGroups, "as this installation has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_a_subscription() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = people(&node).await;
    let conversations = node.commands.conversation();
    let channel = started(&node, keyless(alice)).await;
    conversations.join(keyless(bob), channel, None).await.expect("subscribe");
    conversations.ban(keyless(alice), channel, bob.account).await.expect("ban");
    assert_eq!(subscriptions(&node, channel).await[1..], [(bob.account, true), (bob.account, false)], "at once");
    assert_eq!(code(conversations.join(keyless(bob), channel, None).await), Code::Banned);
    conversations.unban(keyless(alice), channel, bob.account).await.expect("unban");
    assert!(conversations.join(keyless(bob), channel, None).await.expect("subscribe again").is_in);
}

/// Nor does one that comes late: what began behind the unban goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_is_repeated_ends_nothing_that_began_since() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = people(&node).await;
    let conversations = node.commands.conversation();
    let (channel, ban) = (started(&node, keyless(alice)).await, id::new());
    conversations.join(keyless(bob), channel, None).await.expect("subscribe");
    conversations.ban(keyed(alice, ban), channel, bob.account).await.expect("ban");
    conversations.unban(keyless(alice), channel, bob.account).await.expect("unban");
    conversations.join(keyless(bob), channel, None).await.expect("subscribe again");
    conversations.ban(keyed(alice, ban), channel, bob.account).await.expect("a repeat");
    assert_eq!(subscriptions(&node, channel).await.last(), Some(&(bob.account, true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_a_channel_again_under_its_key_subscribes_no_second_time() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _) = people(&node).await;
    let begin = id::new();
    let channel = started(&node, keyed(alice, begin)).await;
    node.commands.conversation().remove_member(keyless(alice), channel, alice.account).await.expect("unsubscribe");
    assert_eq!(started(&node, keyed(alice, begin)).await, channel);
    assert_eq!(subscriptions(&node, channel).await, [(alice.account, true), (alice.account, false)]);
}

/// Whoever banned them died before it was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_a_subscription_though_nobody_is_left_who_knows() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob) = people(&node).await;
    let channel = started(&node, keyless(alice)).await;
    node.commands.conversation().join(keyless(bob), channel, None).await.expect("subscribe");
    node.stop().await;
    let banned = Event::Banned { account_id: bob.account, by: alice.account };
    wrote_and_died(&stack, vec![draft(conversation::address(channel), 2, &banned)]).await;
    let node = Node::start(&stack).await;
    eventually("it has ended", BOUND, async || match subscriptions(&node, channel).await.last() {
        Some((account, false)) if *account == bob.account => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
