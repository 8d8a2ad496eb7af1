//! Groups: who may be added, what a key gives again, and what happens at once.

use crate::support::{Node, body, code, draft, keyed, keyless, message_id, wrote_and_died};
use natter_commands::{Caller, CardChange, Error, GivenBody, Keyed, MemberChange, Outgoing};
use natter_domain::{
    AccountId, Code, ConversationId, FriendshipId, GroupName, KeyId, Nickname, RequestId, Sealed, SessionId, Timestamp,
    account,
    conversation::{self, Event, Kind, Role, system_message_id},
    friendship, limit,
};
use natter_streams::{Draft, Record, clock, id};
use natter_testkit::{BOUND, Stack, eventually};
use std::sync::Arc;

fn named(name: &str) -> GroupName {
    GroupName::parse(name).expect("a name")
}

/// Alice, with two friends who do not know each other.
async fn three(node: &Node) -> (Caller, Caller, Caller) {
    let (alice, bob, carol) = (node.person("alice").await, node.person("bob").await, node.person("carol").await);
    node.befriend(alice, bob).await;
    node.befriend(alice, carol).await;
    (alice, bob, carol)
}

async fn started(node: &Node, by: Keyed, members: &[AccountId]) -> ConversationId {
    node.commands.conversation().start_group(by, &named("us"), members).await.expect("start a group").conversation_id
}

async fn events(node: &Node, group: ConversationId) -> Vec<Event> {
    let events = node.events(node.lane(group)).await;
    let mine = events.iter().filter(|record| record.aggregate_id == group.0);
    mine.map(|record: &Arc<Record>| record.decode().expect("an event of a conversation")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_are_added_others_invited_and_one_who_is_nobody_keeps_all_out() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let nobody = AccountId(id::new());
    let conversations = node.commands.conversation();
    let group = started(&node, keyless(bob), &[alice.account, carol.account]).await;
    let [Event::Started { members, .. }, Event::MembersInvited { account_ids, .. }] = &events(&node, group).await[..]
    else {
        panic!("a beginning and an invitation")
    };
    assert_eq!((&members[..], &account_ids[..]), (&[bob.account, alice.account][..], &[carol.account][..]));
    let list = [alice.account, carol.account, nobody, AccountId(id::new())];
    let unknown = conversations.add_members(keyless(alice), group, &list).await;
    assert!(matches!(unknown, Err(Error::UnknownAccount { index: 2 })), "the first one is named");
    let unknown = conversations.start_group(keyless(alice), &named("us"), &[nobody]).await;
    assert!(matches!(unknown, Err(Error::UnknownAccount { index: 0 })));
    assert_eq!(events(&node, group).await.len(), 2, "nobody was added");
    // She is alice's friend, and is invited already.
    let joined = conversations.add_members(keyless(alice), group, &[carol.account, bob.account]).await.unwrap();
    assert_eq!((&joined.account_ids[..], &joined.invited[..]), (&[carol.account][..], &[][..]));
    // Now bob may name carol: she is in already.
    let joined = conversations.add_members(keyless(bob), group, &[carol.account]).await.unwrap();
    assert!(joined.account_ids.is_empty() && joined.invited.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_add_learns_nothing_of_those_they_name() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    let conversations = node.commands.conversation();
    let nobody = [AccountId(id::new())];
    assert_eq!(code(conversations.add_members(keyless(carol), group, &nobody).await), Code::NotFound);
    conversations.remove_member(keyless(bob), group, bob.account).await.unwrap();
    assert_eq!(code(conversations.add_members(keyless(bob), group, &nobody).await), Code::NotAMember);
    let elsewhere = ConversationId(id::new());
    assert_eq!(code(conversations.add_members(keyless(bob), elsewhere, &nobody).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_the_first_answer_again_whatever_has_changed() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let conversations = node.commands.conversation();
    let (start, add, leave) = (keyed(alice, id::new()), keyed(alice, id::new()), keyed(bob, id::new()));
    let group = started(&node, start, &[bob.account]).await;
    let first = conversations.add_members(add, group, &[carol.account]).await.unwrap();
    conversations.remove_member(leave, group, bob.account).await.unwrap();
    conversations.remove_member(keyless(alice), group, carol.account).await.unwrap();
    conversations.remove_member(keyless(alice), group, alice.account).await.unwrap();
    let before = events(&node, group).await;

    assert_eq!(started(&node, start, &[bob.account]).await, group);
    let again = conversations.add_members(add, group, &[carol.account]).await.unwrap();
    assert_eq!(again.account_ids, first.account_ids);
    conversations.remove_member(leave, group, bob.account).await.unwrap();
    assert_eq!(events(&node, group).await, before, "no second effect");

    let other = conversations.start_group(start, &named("them"), &[bob.account]).await;
    assert_eq!(code(other), Code::Conflict);
    assert_eq!(code(conversations.add_members(add, group, &[bob.account]).await), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_it_has_already_is_no_news() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    let conversations = node.commands.conversation();
    for name in ["us", "them", "them"] {
        let change = CardChange { name: Some(named(name)), ..CardChange::default() };
        conversations.change(keyless(bob), group, &change).await.unwrap();
    }
    assert_eq!(events(&node, group).await.len(), 2, "one name is new");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_and_being_removed_at_once_is_one_leaving() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account, carol.account]).await;
    let conversations = node.commands.conversation();
    let him = [bob.account];
    for round in 1..=10 {
        let (left, removed) = futures::join!(
            conversations.remove_member(keyless(bob), group, bob.account),
            conversations.remove_member(keyless(alice), group, bob.account),
        );
        left.and(removed).expect("both are told that they are gone");
        let (one, other) = futures::join!(
            conversations.add_members(keyless(alice), group, &him),
            conversations.add_members(keyless(alice), group, &him),
        );
        let joined = one.unwrap().account_ids.len() + other.unwrap().account_ids.len();
        assert_eq!((joined, events(&node, group).await.len()), (1, 1 + 2 * round));
    }
}

/// What was numbered before the removal stands, what comes after is refused: there is nothing between.
#[tokio::test(flavor = "multi_thread")]
async fn a_send_and_a_removal_at_once_have_an_order() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    let conversations = node.commands.conversation();
    let send = |number: usize| {
        conversations.send(bob, group, Outgoing::plain(message_id(), GivenBody::text(body(&number.to_string()), 1)))
    };
    let before: Vec<_> = (0..20).map(send).collect();
    let removal = conversations.remove_member(keyless(alice), group, bob.account);
    let (sends, removed) = futures::join!(futures::future::join_all(before), removal);
    removed.unwrap();
    let seqs: Vec<u64> = sends.into_iter().filter_map(|sent| sent.ok().map(|sent| sent.seq)).collect();
    assert_eq!(code(send(20).await), Code::NotAMember);
    let events = events(&node, group).await;
    let left_at = events.iter().position(|event| matches!(event, Event::MemberLeft { .. })).expect("bob was removed");
    assert!(matches!(events[left_at], Event::MemberLeft { seq, .. } if seqs.iter().all(|sent| *sent < seq)));
    assert_eq!(left_at, events.len() - 1, "nothing of bob's comes behind");
    let reads = node.commands.inbox().advance(keyless(bob), vec![(group, 1)]).await;
    assert_eq!(code(reads), Code::NotAMember);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_groups_begun_at_once_so_many_begin_as_one_may_own() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let conversations = node.commands.conversation();
    let (us, him) = (named("us"), [bob.account]);
    let begin = |_| conversations.start_group(keyless(alice), &us, &him);
    let begun = futures::future::join_all((0..10).map(begin)).await;
    let (begun, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
    assert_eq!(begun.len(), 6, "as this installation has it");
    assert!(refused.into_iter().all(|it| code(it) == Code::TooManyGroups));
    // What goes to bob, or ends, makes room.
    let mut groups = begun.into_iter().map(|it| it.expect("it began").conversation_id);
    let (given, ended) = (groups.next().expect("one"), groups.next().expect("another"));
    conversations.change_member(keyless(alice), given, bob.account, &MemberChange::role(Role::Owner)).await.unwrap();
    conversations.dissolve(keyless(alice), ended).await.unwrap();
    for _ in 0..2 {
        eventually("there is room", BOUND, async || {
            conversations.start_group(keyless(alice), &us, &[]).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
    assert_eq!(code(conversations.start_group(keyless(alice), &us, &[]).await), Code::TooManyGroups);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_owns_as_many_as_they_may_is_handed_none() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let conversations = node.commands.conversation();
    let group = started(&node, keyless(alice), &[bob.account]).await;
    for _ in 0..6 {
        started(&node, keyless(bob), &[]).await;
    }
    let handed =
        conversations.change_member(keyless(alice), group, bob.account, &MemberChange::role(Role::Owner)).await;
    assert_eq!(code(handed), Code::TooManyGroups);
    conversations.change_member(keyless(alice), group, bob.account, &MemberChange::role(Role::Admin)).await.unwrap();
    // Nobody takes a place in the name of others.
    assert_eq!(
        code(conversations.change_member(keyless(bob), group, bob.account, &MemberChange::role(Role::Owner)).await),
        Code::NotAllowed
    );
}

/// What is refused anyway takes no place, which would be given back late.
#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_that_is_refused_takes_no_place() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let conversations = node.commands.conversation();
    let ended = started(&node, keyless(alice), &[bob.account]).await;
    conversations.dissolve(keyless(alice), ended).await.unwrap();
    let refused = started(&node, keyless(alice), &[bob.account]).await;
    for _ in 0..5 {
        started(&node, keyless(bob), &[]).await;
    }
    let owner = MemberChange::role(Role::Owner);
    let hand = async |by, group| code(conversations.change_member(keyless(by), group, bob.account, &owner).await);
    assert_eq!(hand(alice, ended).await, Code::ConversationClosed);
    assert_eq!(hand(carol, refused).await, Code::NotFound);
    let past = MemberChange { muted_until: Some(Some(clock::now())), ..owner.clone() };
    let past = conversations.change_member(keyless(alice), refused, bob.account, &past).await;
    assert_eq!(code(past), Code::InvalidInput);
    started(&node, keyless(bob), &[]).await;
    assert_eq!(hand(alice, refused).await, Code::TooManyGroups);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_their_group_as_the_last_one_has_room_for_another() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let conversations = node.commands.conversation();
    let left = started(&node, keyless(alice), &[bob.account]).await;
    for _ in 0..5 {
        started(&node, keyless(alice), &[]).await;
    }
    // He goes, which says nothing of her places.
    conversations.remove_member(keyless(bob), left, bob.account).await.unwrap();
    conversations.remove_member(keyless(alice), left, alice.account).await.unwrap();
    eventually("there is room", BOUND, async || {
        let begun = conversations.start_group(keyless(alice), &named("us"), &[]).await;
        begun.map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(code(conversations.start_group(keyless(alice), &named("us"), &[]).await), Code::TooManyGroups);
}

/// Nothing answers that she left: whoever was to do it died. It is found when all places are taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_a_group_that_its_owner_has_left_is_found_again() {
    let stack = Stack::new().await;
    let alice = Caller { account: AccountId(id::new()), session: SessionId(id::new()) };
    let groups: Vec<ConversationId> = (0..6).map(|_| ConversationId(id::new())).collect();
    let name = || Some(Sealed { key: KeyId::Installation, bytes: vec![1] });
    let (owner, long_ago) = (alice.account, Timestamp::from_millis(clock::now().as_millis() - 3_600_000));
    let mut drafts = registered(owner);
    for (sequence, &conversation_id) in (3..).zip(&groups) {
        let owned = account::Event::GroupOwned { conversation_id, at: long_ago };
        drafts.push(draft(account::address(owner), sequence, &owned));
        let begun = Event::Started { kind: Kind::Group, members: vec![owner], name: name(), owner: Some(owner) };
        drafts.push(draft(conversation::address(conversation_id), 1, &begun));
    }
    let left = Event::MemberLeft { seq: 2, account_id: owner, by: owner, joined_seq: 0 };
    drafts.push(draft(conversation::address(groups[3]), 2, &left));
    wrote_and_died(&stack, drafts).await;
    let node = Node::quiet(&stack, crate::support::LANES).await;
    let conversations = node.commands.conversation();
    conversations.start_group(keyless(alice), &named("us"), &[]).await.expect("there is a place");
    assert_eq!(code(conversations.start_group(keyless(alice), &named("us"), &[]).await), Code::TooManyGroups);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_for_one_change_of_a_member_and_all_of_it() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account, carol.account]).await;
    let conversations = node.commands.conversation();
    let named = |name: &str| MemberChange { nickname: Some(Nickname::parse(name).ok()), ..MemberChange::default() };
    let key = keyed(alice, id::new());
    conversations.change_member(key, group, bob.account, &named("Bobby")).await.unwrap();
    let before = events(&node, group).await;
    let other = MemberChange::role(Role::Admin);
    assert_eq!(code(conversations.change_member(key, group, bob.account, &other).await), Code::Conflict);
    assert_eq!(code(conversations.change_member(key, group, carol.account, &named("Bobby")).await), Code::Conflict);
    assert_eq!(code(conversations.change_member(key, group, bob.account, &named("Rob")).await), Code::Conflict);
    assert_eq!(events(&node, group).await, before);
    // A part that is refused refuses all.
    conversations.change_member(keyless(alice), group, bob.account, &other).await.unwrap();
    let both = MemberChange { role: Some(Role::Admin), ..named("Caz") };
    assert_eq!(code(conversations.change_member(keyless(bob), group, carol.account, &both).await), Code::NotAllowed);
    assert_eq!(events(&node, group).await.len(), before.len() + 1);
    // Whatever has become of the two, a repeat is answered as it was.
    conversations.remove_member(keyless(bob), group, bob.account).await.unwrap();
    let before = events(&node, group).await;
    conversations.change_member(key, group, bob.account, &named("Bobby")).await.unwrap();
    assert_eq!(events(&node, group).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_not_good_shows_nothing_to_members_either() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, carol) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    let conversations = node.commands.conversation();
    let link = async || conversations.make_link(keyless(alice), group, None, None).await.unwrap().token;
    let (token, revoked) = (link().await, link().await);
    conversations.revoke_link(keyless(alice), group, revoked.link_id()).await.unwrap();
    let never = natter_commands::Token::of(group, &[7; 16]).expect("a token");
    for (who, is_in) in [(bob, true), (carol, false)] {
        assert_eq!(conversations.behind(who.account, &token).await.map(|it| it.is_in).ok(), Some(is_in));
        for bad in [&revoked, &never] {
            assert_eq!(code(conversations.behind(who.account, bad).await), Code::Gone);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_one_lets_in_one_of_many_at_once() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, ..) = three(&node).await;
    let conversations = node.commands.conversation();
    let group = started(&node, keyless(alice), &[]).await;
    let made = conversations.make_link(keyless(alice), group, None, Some(1)).await.unwrap();
    let mut people = Vec::new();
    for number in 0..8 {
        people.push(node.person(&format!("stranger{number}")).await);
    }
    let came = people.iter().map(|person| conversations.join_by(keyless(*person), &made.token));
    let came = futures::future::join_all(came).await;
    assert_eq!(came.iter().filter(|it| it.is_ok()).count(), 1);
    assert!(came.into_iter().all(|it| it.is_ok() || code(it) == Code::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_dissolved_while_people_write_ends_with_that() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    let conversations = node.commands.conversation();
    let send = |number: usize| {
        conversations.send(bob, group, Outgoing::plain(message_id(), GivenBody::text(body(&number.to_string()), 1)))
    };
    let sends: Vec<_> = (0..20).map(send).collect();
    let (sends, dissolved) =
        futures::join!(futures::future::join_all(sends), conversations.dissolve(keyless(alice), group));
    dissolved.unwrap();
    let refused = sends.into_iter().filter_map(Result::err).map(|error| code::<()>(Err(error)));
    assert!(refused.into_iter().all(|code| code == Code::ConversationClosed));
    assert_eq!(code(send(20).await), Code::ConversationClosed);
    let events = events(&node, group).await;
    assert!(matches!(events.last(), Some(Event::Dissolved { .. })), "nothing comes behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sends_under_the_id_of_a_system_message() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = three(&node).await;
    let group = started(&node, keyless(alice), &[bob.account]).await;
    for seq in [1, 2, 3] {
        let sent = node.send(alice, group, system_message_id(group, seq), "I am the system").await;
        assert_eq!(code(sent), Code::Conflict, "past and to come: {seq}");
    }
    assert_eq!(events(&node, group).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_501st_is_refused_until_somebody_has_left() {
    let stack = Stack::new().await;
    let group = ConversationId(id::new());
    let everybody: Vec<AccountId> = (0..limit::GROUP_MEMBERS_DEFAULT).map(|_| AccountId(id::new())).collect();
    let (owner, newcomer) = (everybody[0], AccountId(id::new()));
    let name = Some(Sealed { key: KeyId::Installation, bytes: vec![1] });
    let begun = Event::Started { kind: Kind::Group, members: everybody.clone(), name, owner: Some(owner) };
    let (request_id, conversation_id) = (RequestId(id::new()), ConversationId(id::new()));
    let accepted = friendship::Event::Accepted {
        request_id,
        from: owner,
        to: newcomer,
        conversation_id,
        standing: conversation::Standing::first(),
    };
    let friends = friendship::address(FriendshipId::of(owner, newcomer));
    let mut drafts = vec![draft(conversation::address(group), 1, &begun), draft(friends, 1, &accepted)];
    drafts.extend(registered(newcomer));
    wrote_and_died(&stack, drafts).await;
    let node = Node::start(&stack).await;
    let by = |account| keyless(Caller { account, session: SessionId(id::new()) });
    let conversations = node.commands.conversation();
    assert_eq!(code(conversations.add_members(by(owner), group, &[newcomer]).await), Code::GroupFull);
    assert_eq!(code(conversations.remove_member(by(owner), group, owner).await), Code::OwnerMustStay);
    conversations.remove_member(by(everybody[1]), group, everybody[1]).await.unwrap();
    let joined = conversations.add_members(by(owner), group, &[newcomer]).await.unwrap();
    assert_eq!(joined.account_ids, [newcomer]);
}

/// Somebody there is.
fn registered(account: AccountId) -> Vec<Draft> {
    let sealed = Sealed { key: KeyId::Installation, bytes: vec![1] };
    let started = account::Event::RegistrationStarted {
        username: sealed.clone(),
        nickname: sealed,
        password_hash: String::new(),
        handles: vec![],
        expires_at: clock::now(),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: None,
    };
    let place = account::address(account);
    vec![draft(place, 1, &started), draft(place, 2, &account::Event::Registered {})]
}
