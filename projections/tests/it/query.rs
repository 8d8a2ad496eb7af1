//! What people see: cards, requests, friends, conversations, messages; and what they do not.

use crate::support::{Running, World, registration_started};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, FriendshipId, MessageId, RequestId, account, friendship, limit};
use natter_projections::{
    Error, Page, Projection, Projections,
    friendship::{Direction, Which},
    message::Range,
};
use natter_streams::{clock, id};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const FIFTY: Page = Page { cursor: None, limit: 50 };

async fn caught_up(world: &World) -> (Projections, Running) {
    world.start().await
}

fn seqs(messages: &[wire::Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn an_account_is_there_once_it_is_registered() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let [started, abandoned] = [AccountId(id::new()), AccountId(id::new())];
    for account in [started, abandoned] {
        let [username, nickname] = ["x", "y"].map(|text| world.sealed(account.0, text));
        let event = registration_started(username, nickname);
        world.append(account::address(account), &event).await;
    }
    world.append(account::address(abandoned), &account::Event::RegistrationAbandoned { handles: vec![] }).await;
    let (projections, running) = caught_up(&world).await;
    let card = projections.account().own(alice).await.unwrap().unwrap();
    assert_eq!((card.username.as_deref(), card.nickname.as_deref()), (Some("alice"), Some("alice the test")));
    let cards = projections.account().cards(alice, &[started, abandoned, alice]).await.unwrap();
    assert_eq!(cards, [card]);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM account").fetch_one(&world.pool).await.unwrap();
    assert_eq!(rows, 2, "an abandoned registration leaves nothing");
    running.stop().await;
}

#[tokio::test]
async fn a_name_sealed_for_somebody_else_is_null() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let other = world.sealed(id::new(), "mallory").to_string();
    let (projections, running) = caught_up(&world).await;
    sqlx::query("UPDATE account SET nickname = $1").bind(other).execute(&world.pool).await.unwrap();
    let card = projections.account().own(alice).await.unwrap().unwrap();
    assert_eq!((card.username.as_deref(), card.nickname), (Some("alice"), None));
    running.stop().await;
}

#[tokio::test]
async fn a_request_is_seen_by_its_two_people_only() {
    let world = World::new().await;
    let [alice, bob, carol] = [world.register("a").await, world.register("b").await, world.register("c").await];
    let request = world.request(alice, bob, "it is me", MINUTE).await;
    let (projections, running) = caught_up(&world).await;
    for (who, sees) in [(alice, true), (bob, true), (carol, false)] {
        assert_eq!(projections.friendship().request(who, request).await.unwrap().is_some(), sees);
    }
    let (pair, seen) = projections.friendship().request(bob, request).await.unwrap().unwrap();
    assert_eq!(pair, FriendshipId::of(alice, bob));
    assert_eq!((seen.from, seen.to, seen.message.as_deref()), (alice.0, bob.0, Some("it is me")));
    assert_eq!((seen.status.as_str(), seen.conversation_id), ("pending", None));
    running.stop().await;
}

#[tokio::test]
async fn requests_are_listed_by_direction_and_by_what_they_are_now() {
    let world = World::new().await;
    let [alice, bob, carol, dave] =
        [world.register("a").await, world.register("b").await, world.register("c").await, world.register("d").await];
    let expired = world.request(bob, alice, "", Duration::ZERO).await;
    let accepted = world.request(carol, alice, "", MINUTE).await;
    let conversation = world.accept(accepted, carol, alice).await;
    let rejected = world.request(dave, alice, "", MINUTE).await;
    let event = friendship::Event::Rejected { request_id: rejected, from: dave, to: alice };
    world.append(friendship::address(FriendshipId::of(dave, alice)), &event).await;
    let sent = world.request(alice, AccountId(id::new()), "", MINUTE).await;
    let (projections, running) = caught_up(&world).await;
    let list = async |direction, status| -> Vec<RequestId> {
        let page = projections.friendship().requests(alice, direction, status, &FIFTY).await.unwrap();
        page.items.iter().map(|request| RequestId(request.id)).collect()
    };
    assert_eq!(list(Direction::In, None).await, [rejected, accepted, expired]);
    assert_eq!(list(Direction::In, Some("expired")).await, [expired]);
    assert_eq!(list(Direction::In, Some("accepted")).await, [accepted]);
    assert_eq!(list(Direction::In, Some("rejected")).await, [rejected]);
    assert_eq!(list(Direction::In, Some("pending")).await, []);
    assert_eq!(list(Direction::Out, Some("pending")).await, [sent]);
    let (_, seen) = projections.friendship().request(carol, accepted).await.unwrap().unwrap();
    assert_eq!(seen.conversation_id, Some(conversation.0));
    running.stop().await;
}

#[tokio::test]
async fn friends_see_each_other() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = caught_up(&world).await;
    for (viewer, friend) in [(alice, bob), (bob, alice)] {
        let page = projections.friendship().friends(viewer, &Which::default(), &FIFTY).await.unwrap();
        let [seen] = &page.items[..] else { panic!("{page:?}") };
        assert_eq!((seen.account.id, seen.conversation_id), (friend.0, conversation.0));
        assert!(seen.account.username.is_some());
    }
    running.stop().await;
}

#[tokio::test]
async fn conversations_come_by_last_activity_page_by_page() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let mut conversations = Vec::new();
    for name in ["b", "c", "d", "e", "f"] {
        let conversation = ConversationId(id::new());
        world.start_direct(conversation, [alice, world.register(name).await]).await;
        conversations.push(conversation);
        pass_a_millisecond().await;
    }
    world.say(conversations[1], alice, 1).await;
    let (projections, running) = caught_up(&world).await;
    let mut seen = Vec::new();
    let mut page = Page { cursor: None, limit: 2 };
    loop {
        let got = projections.conversation().list(alice, &page).await.unwrap();
        assert!(got.items.len() <= 2);
        seen.extend(got.items.iter().map(|item| ConversationId(item.conversation.id)));
        let Some(cursor) = got.next_cursor else { break };
        page.cursor = Some(cursor);
    }
    assert_eq!(seen, [1, 4, 3, 2, 0].map(|index| conversations[index]));
    let bad = Page { cursor: Some("not a cursor".to_owned()), limit: 2 };
    assert!(matches!(projections.conversation().list(alice, &bad).await, Err(Error::BadCursor)));
    running.stop().await;
}

/// Times are told in milliseconds; what has one time is sorted by id.
async fn pass_a_millisecond() {
    let now = clock::now();
    while clock::now() == now {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_conversation_is_shown_as_its_viewer_sees_it() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    for (seq, sender) in [(1, alice), (2, alice), (3, bob), (4, alice)] {
        world.say(conversation, sender, seq).await;
    }
    world.read(bob, conversation, 1).await;
    let (projections, running) = caught_up(&world).await;
    let of_bob = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
    assert_eq!((of_bob.read_seq, of_bob.unread, of_bob.conversation.last_seq), (1, 2, 4));
    assert_eq!(of_bob.peer.as_ref().and_then(|peer| peer.username.as_deref()), Some("alice"));
    assert_eq!(of_bob.conversation.member_count, 2);
    let mut both = [alice.0, bob.0];
    both.sort_unstable();
    assert_eq!(of_bob.conversation.account_ids, both);
    let last = of_bob.last_message.clone().unwrap();
    assert_eq!((last.seq, last.body), (4, Some(wire::Body::text("number 4"))));
    let of_alice = projections.conversation().get(alice, conversation).await.unwrap().unwrap();
    // Sending does not move the cursor, and one's own do not count.
    assert_eq!((of_alice.read_seq, of_alice.unread), (0, 1));
    assert_eq!(projections.conversation().list(bob, &FIFTY).await.unwrap().items, [of_bob]);
    let stranger = AccountId(id::new());
    assert_eq!(projections.conversation().get(stranger, conversation).await.unwrap(), None);
    assert_eq!(projections.conversation().list(stranger, &FIFTY).await.unwrap().items, []);
    running.stop().await;
}

#[tokio::test]
async fn members_see_their_intervals_and_nothing_else() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let mut ids = Vec::new();
    for seq in 1..=10 {
        let event = world.message(conversation, alice, seq);
        let natter_domain::conversation::Event::MessageSent { message_id, .. } = &event else { panic!() };
        ids.push(*message_id);
        world.append(natter_domain::conversation::address(conversation), &event).await;
    }
    let (projections, running) = caught_up(&world).await;
    // No event ends a stay yet: bob was in for 1 and 2, then came back after 7.
    stay(&world, bob, conversation, 2, 7).await;
    let page = async |range| {
        let page = projections.message().page(bob, conversation, range).await.unwrap().unwrap();
        seqs(&page)
    };
    let all = Range { limit: 50, ..Range::default() };
    assert_eq!(page(all).await, [10, 9, 8, 2, 1]);
    assert_eq!(page(Range { after_seq: Some(1), limit: 2, ..all }).await, [2, 8]);
    assert_eq!(page(Range { before_seq: Some(9), ..all }).await, [8, 2, 1]);
    assert_eq!(page(Range { after_seq: Some(2), before_seq: Some(8), ..all }).await, [0; 0]);
    assert_eq!(page(Range { before_seq: Some(0), ..all }).await, [0; 0]);
    for (index, id) in ids.iter().enumerate() {
        let one = projections.message().one(bob, conversation, *id).await.unwrap();
        assert_eq!(one.is_some(), [1, 2, 8, 9, 10].contains(&(index + 1)), "message {}", index + 1);
    }
    let seen = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
    // The cursor begins where the latest stay does.
    assert_eq!((seen.joined_seq, seen.left_seq, seen.read_seq, seen.unread), (7, None, 7, 3));
    stay_ends(&world, bob, conversation, 7, 9).await;
    let left = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
    assert_eq!((left.left_seq, left.unread, left.conversation.last_seq), (Some(9), 2, 9));
    assert_eq!(left.last_message.unwrap().seq, 9);
    assert_eq!(page(all).await, [9, 8, 2, 1]);
    running.stop().await;
}

async fn stay_ends(world: &World, account: AccountId, conversation: ConversationId, joined: i64, left: i64) {
    sqlx::query("UPDATE member SET left_seq = $4 WHERE conversation_id = $1 AND account_id = $2 AND joined_seq = $3")
        .bind(conversation.0)
        .bind(account.0)
        .bind(joined)
        .bind(left)
        .execute(&world.pool)
        .await
        .unwrap();
}

/// The stay from the start ends at `left`, another begins at `joined`.
async fn stay(world: &World, account: AccountId, conversation: ConversationId, left: i64, joined: i64) {
    stay_ends(world, account, conversation, 0, left).await;
    let sql = "INSERT INTO member (conversation_id, account_id, joined_seq, joined_position, joined_at) VALUES ($1, $2, $3, 0, now())";
    sqlx::query(sql).bind(conversation.0).bind(account.0).bind(joined).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn who_was_never_in_finds_nothing() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    world.say(conversation, alice, 1).await;
    let (projections, running) = caught_up(&world).await;
    let all = Range { limit: 50, ..Range::default() };
    let stranger = AccountId(id::new());
    let known = projections.message().page(alice, conversation, all).await.unwrap().unwrap().remove(0);
    assert_eq!(projections.message().page(stranger, conversation, all).await.unwrap(), None);
    let one = projections.message().one(stranger, conversation, MessageId(known.message_id)).await.unwrap();
    assert_eq!(one, None);
    running.stop().await;
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_limit() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let mut drafts = Vec::new();
    for seq in 1..=u64::from(limit::PAGE_MAX) + 5 {
        let event = world.message(conversation, alice, seq);
        drafts.push(world.draft(natter_domain::conversation::address(conversation), &event).await);
    }
    world.commit(drafts).await;
    let (projections, running) = caught_up(&world).await;
    let range = Range { after_seq: Some(0), limit: 100_000, ..Range::default() };
    let page = projections.message().page(alice, conversation, range).await.unwrap().unwrap();
    assert_eq!(page.len(), limit::PAGE_MAX as usize);
    running.stop().await;
}

/// A read that crosses projections shows what both have.
#[tokio::test]
async fn no_number_is_shown_that_the_other_projection_lacks() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    world.say(conversation, alice, 1).await;
    let projections = world.open().await;
    let both = world.run(&projections, &[Projection::Relations, Projection::History]);
    projections.catch_up(&[Projection::Relations, Projection::History]).await.unwrap();
    both.stop().await;
    // Relations ahead: history has one message of three.
    world.say(conversation, alice, 2).await;
    let relations = world.run(&projections, &[Projection::Relations]);
    projections.catch_up(&[Projection::Relations]).await.unwrap();
    relations.stop().await;
    let seen = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
    assert_eq!((seen.conversation.last_seq, seen.unread), (1, 1));
    // History ahead: relations has two messages of three.
    world.say(conversation, alice, 3).await;
    let history = world.run(&projections, &[Projection::History]);
    projections.catch_up(&[Projection::History]).await.unwrap();
    history.stop().await;
    let seen = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
    assert_eq!((seen.conversation.last_seq, seen.unread), (2, 2));
    let range = Range { limit: 10, ..Range::default() };
    let page = projections.message().page(bob, conversation, range).await.unwrap().unwrap();
    assert_eq!(seqs(&page), [2, 1]);
}

#[tokio::test]
async fn ended_sessions_are_told_since_a_moment() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let (first, second, open) = (world.sign_in(alice).await, world.sign_in(alice).await, world.sign_in(alice).await);
    world.sign_out(alice, first).await;
    pass_a_millisecond().await;
    let moment = clock::now();
    world.sign_out(alice, second).await;
    let (projections, running) = caught_up(&world).await;
    assert_eq!(projections.session().ended_since(moment).await.unwrap(), [second]);
    let all = projections.session().ended_since(Default::default()).await.unwrap();
    assert_eq!(all, [first, second]);
    assert!(!all.contains(&open));
    running.stop().await;
}

#[tokio::test]
async fn who_has_left_sees_a_message_as_it_was_then() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let message = world.send(conversation, alice, 1).await;
    world.change(world.edited(message, "before")).await;
    let left = crate::support::place(&world.say(conversation, alice, 2).await).1.position;
    let (projections, running) = world.start().await;
    let sql = "UPDATE member SET left_seq = 2, left_position = $1 WHERE account_id = $2";
    sqlx::query(sql).bind(left as i64).bind(bob.0).execute(&world.pool).await.unwrap();
    world.change(world.edited(message, "after")).await;
    let emoji = "x".to_owned();
    let token =
        world.change(natter_domain::message::Event::Reacted { message, account_id: alice, emoji, count: 1 }).await;
    projections.wait(&token, &Projection::ALL).await.unwrap();
    let body = |text: &str| Some(wire::Body::text(text));
    let one =
        async |viewer| projections.message().one(viewer, conversation, message.message_id).await.unwrap().unwrap();
    let (of_alice, of_bob) = (one(alice).await, one(bob).await);
    let mine = wire::MessageReaction { emoji: "x".to_owned(), count: 1, mine: true };
    assert_eq!((of_alice.body.clone(), of_alice.reactions.clone()), (body("after"), Some(vec![mine])));
    assert_eq!((of_bob.body.clone(), of_bob.reactions.clone()), (body("before"), Some(vec![])));
    for (viewer, expected) in [(alice, of_alice), (bob, of_bob)] {
        let page = projections.message().page(viewer, conversation, Range { limit: 10, ..Range::default() }).await;
        assert_eq!(page.unwrap().unwrap()[1], expected, "a page says the same");
    }
    running.stop().await;
}

#[tokio::test]
async fn readers_of_one_page_each_see_their_own_reactions_as_theirs() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let message = world.send(conversation, alice, 1).await;
    let emoji = "x".to_owned();
    let token =
        world.change(natter_domain::message::Event::Reacted { message, account_id: alice, emoji, count: 1 }).await;
    let (projections, running) = world.start().await;
    projections.wait(&token, &Projection::ALL).await.unwrap();
    for (viewer, mine) in [(alice, true), (bob, false), (alice, true)] {
        let range = Range { limit: 10, ..Range::default() };
        let page = projections.message().page(viewer, conversation, range).await.unwrap().unwrap();
        let expected = wire::MessageReaction { emoji: "x".to_owned(), count: 1, mine };
        assert_eq!(page[0].reactions, Some(vec![expected]), "shared, but for whose they are");
        assert!(page[0].body.is_some());
    }
    running.stop().await;
}
