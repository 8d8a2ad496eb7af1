//! Frames as they come on a person's subject.

use crate::support::{A_MOMENT, BOUND, World, eventually, place};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use natter_client::wire::Push;
use natter_domain::{AccountId, ConversationId, FriendshipId, account, conversation, friendship, inbox};
use natter_projections::{
    Projection,
    delivery::{MARK, SESSION_ENDED, frames_of},
};
use natter_streams::{
    Draft,
    bus::{Bus, HeaderMap},
    clock, id, subject,
};
use natter_testkit::Proxy;
use serde_json::{Value, json};
use std::time::Duration;

const ALL: [Projection; 3] = Projection::ALL;

/// What is published to the person from here on; the server knows of the subscription when this returns.
pub async fn listen(bus: &Bus, account: AccountId) -> impl Stream<Item = Heard> + Unpin {
    let client = bus.live();
    let subscription = client.subscribe(subject::user(account)).await.unwrap();
    let probe = client.new_inbox();
    let mut echo = client.subscribe(probe.clone()).await.unwrap();
    client.publish(probe, "".into()).await.unwrap();
    echo.next().await.unwrap();
    subscription.flat_map(|message| {
        let heard = |frame: Bytes| Heard { payload: frame.to_vec(), headers: message.headers.clone() };
        stream::iter(frames_of(&message.payload).map(heard).collect::<Vec<_>>())
    })
}

pub struct Heard {
    payload: Vec<u8>,
    headers: Option<HeaderMap>,
}

async fn next(heard: &mut (impl Stream<Item = Heard> + Unpin)) -> Heard {
    tokio::time::timeout(BOUND, heard.next()).await.expect("no frame came").expect("the subscription ended")
}

pub async fn frame(heard: &mut (impl Stream<Item = Heard> + Unpin)) -> Value {
    let heard = next(heard).await;
    assert_eq!(heard.headers, None, "a frame has no headers");
    let push: Push = serde_json::from_slice(&heard.payload).expect("a frame is a push");
    assert_eq!(serde_json::to_vec(&push).unwrap(), heard.payload, "a frame is the wire's own JSON");
    serde_json::to_value(push).unwrap()
}

pub async fn nothing(heard: &mut (impl Stream<Item = Heard> + Unpin)) {
    let came = tokio::time::timeout(A_MOMENT, heard.next()).await;
    assert!(came.is_err(), "a frame came: {:?}", came.unwrap().map(|heard| String::from_utf8(heard.payload)));
}

/// The next try is half a minute away: what was published by then does not come again.
#[tokio::test]
async fn what_was_published_before_an_event_that_cannot_be_read_is_confirmed() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let (_, running) = world.start().await;
    let address = conversation::address(conversation);
    let good = world.draft(address, &world.message(conversation, alice, 1)).await;
    let unknown = Draft { event_id: id::event(), event_type: "knighted", sequence: good.sequence + 1, ..good.clone() };
    let unknown = Draft { payload: r#"{"knighted":{}}"#.into(), ..unknown };
    let (lane, last) = place(&world.commit(vec![good, unknown]).await);
    let confirmed = "SELECT position FROM checkpoints WHERE projection = 'delivery' AND lane = $1";
    eventually("the message is confirmed", async || {
        let found = sqlx::query_scalar::<_, i64>(confirmed).bind(lane.number()).fetch_one(&world.pool).await;
        found.unwrap() as u64 == last.position - 1
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn both_people_hear_of_everything_between_them_in_order() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);

    let request = world.request(alice, bob, "it is me", Duration::from_secs(60)).await;
    let asked = frame(&mut to_alice).await;
    assert_eq!(asked["event"], "friend.requested");
    assert_eq!((&asked["by"], &asked["request"]["message"]), (&json!(alice), &json!("it is me")));
    assert_eq!((&asked["request"]["status"], &asked["request"]["id"]), (&json!("pending"), &json!(request)));
    assert_eq!(frame(&mut to_bob).await, asked);

    let conversation = world.accept(request, alice, bob).await;
    let accepted = frame(&mut to_alice).await;
    let mut expected = asked["request"].clone();
    expected["status"] = json!("accepted");
    expected["conversation_id"] = json!(conversation);
    assert_eq!((&accepted["event"], &accepted["by"]), (&json!("friend.accepted"), &json!(bob)));
    assert_eq!(accepted["request"], expected);
    assert_eq!(frame(&mut to_bob).await, accepted);

    let token = world.start_direct(conversation, [alice, bob]).await;
    let started = frame(&mut to_alice).await;
    let mut ids = [alice, bob];
    ids.sort_unstable();
    let expected = json!({
        "event": "conversation.started",
        "conversation": {
            "id": conversation, "kind": "direct", "state": "open", "name": null, "avatar": null,
            "member_count": 2, "account_ids": ids, "last_seq": 0,
        },
        "position": token.to_string(),
    });
    assert_eq!(started, expected);
    assert_eq!(frame(&mut to_bob).await, expected);

    for seq in 1..=30 {
        let token = world.say(conversation, alice, seq).await;
        let sent = frame(&mut to_bob).await;
        let expected = json!({
            "event": "message.sent",
            "message": {
                "conversation_id": conversation, "message_id": sent["message"]["message_id"], "seq": seq,
                "sender": alice, "body": {"kind": "text", "text": format!("number {seq}")},
                "sent_at": sent["message"]["sent_at"], "edited_at": null, "recalled_at": null,
                "reply_to": null, "mentions": [],
            },
            "position": token.to_string(),
        });
        assert_eq!(sent, expected);
        // The sender's own devices too.
        assert_eq!(frame(&mut to_alice).await, expected);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_burst_keeps_its_order() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (_, running) = world.start().await;
    let mut to_bob = listen(&world.bus, bob).await;
    for first in [1, 301, 601] {
        let mut drafts = Vec::new();
        for seq in first..first + 300 {
            let event = world.message(conversation, alice, seq);
            drafts.push(world.draft(natter_domain::conversation::address(conversation), &event).await);
        }
        world.commit(drafts).await;
    }
    for seq in 1..=900 {
        assert_eq!(frame(&mut to_bob).await["message"]["seq"], seq);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_rejection_and_a_read_are_told_to_both() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let request_id = world.request(alice, bob, "", Duration::from_secs(60)).await;
    assert_eq!(frame(&mut to_alice).await, frame(&mut to_bob).await);
    let rejected = friendship::Event::Rejected { request_id, from: alice, to: bob };
    world.append(friendship::address(FriendshipId::of(alice, bob)), &rejected).await;
    let told = frame(&mut to_alice).await;
    assert_eq!((&told["event"], &told["by"]), (&json!("friend.rejected"), &json!(bob)));
    assert_eq!((&told["request"]["status"], &told["request"]["conversation_id"]), (&json!("rejected"), &json!(null)));
    assert_eq!(frame(&mut to_bob).await, told);

    let conversation_id = ConversationId(id::new());
    let cursors = vec![inbox::Cursor { conversation_id, seq: 7, peer: Some(alice) }];
    let token = world.append(inbox::address(bob), &inbox::Event::CursorsAdvanced { cursors }).await;
    let expected = json!({
        "event": "conversation.read", "conversation_id": conversation_id, "account_id": bob, "seq": 7,
        "position": token.to_string(),
    });
    assert_eq!(frame(&mut to_bob).await, expected);
    assert_eq!(frame(&mut to_alice).await, expected);
    running.stop().await;
}

#[tokio::test]
async fn an_erased_body_is_null() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (_, running) = world.start().await;
    let mut to_bob = listen(&world.bus, bob).await;
    let mut event = world.message(conversation, alice, 1);
    if let natter_domain::conversation::Event::MessageSent { body, .. } = &mut event {
        *body = world.sealed(id::new(), "of another key");
    }
    world.append(natter_domain::conversation::address(conversation), &event).await;
    assert_eq!(frame(&mut to_bob).await["message"]["body"], Value::Null);
    running.stop().await;
}

#[tokio::test]
async fn delivery_goes_on_where_it_stopped() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = world.start().await;
    let mut to_bob = listen(&world.bus, bob).await;
    for seq in 1..=3 {
        world.say(conversation, alice, seq).await;
        assert_eq!(frame(&mut to_bob).await["message"]["seq"], seq);
    }
    projections.catch_up(&ALL).await.unwrap();
    running.stop().await;
    for seq in 4..=5 {
        world.say(conversation, alice, seq).await;
    }
    nothing(&mut to_bob).await;
    // As after a restart: nothing in memory, a checkpoint in the database.
    let (_, running) = world.start().await;
    for seq in 4..=5 {
        assert_eq!(frame(&mut to_bob).await["message"]["seq"], seq);
    }
    nothing(&mut to_bob).await;
    running.stop().await;
}

#[tokio::test]
async fn what_relations_has_not_seen_is_waited_for() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (_, running) = world.start().await;
    running.stop().await;
    let mut to_bob = listen(&world.bus, bob).await;
    world.say(conversation, alice, 1).await;
    let projections = world.open().await;
    let delivery = world.run(&projections, &[Projection::Delivery]);
    nothing(&mut to_bob).await;
    let relations = world.run(&projections, &[Projection::Relations]);
    assert_eq!(frame(&mut to_bob).await["message"]["seq"], 1);
    delivery.stop().await;
    relations.stop().await;
}

#[tokio::test]
async fn those_who_left_hear_no_more() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    for seq in 1..=2 {
        world.say(conversation, alice, seq).await;
    }
    let (_, running) = world.start().await;
    running.stop().await;
    // No event ends a stay yet.
    let sql = "UPDATE member SET left_seq = 3 WHERE account_id = $1";
    sqlx::query(sql).bind(bob.0).execute(&world.pool).await.unwrap();
    let (_, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    for seq in 3..=4 {
        world.say(conversation, alice, seq).await;
        assert_eq!(frame(&mut to_alice).await["message"]["seq"], seq);
    }
    assert_eq!(frame(&mut to_bob).await["message"]["seq"], 3);
    nothing(&mut to_bob).await;
    running.stop().await;
}

#[tokio::test]
async fn what_went_down_with_a_connection_comes_again() {
    let mut world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    // Bob's edge has a connection of its own, so that it notices nothing.
    let proxy = Proxy::before(&world.nats_url).await;
    let edge = std::mem::replace(&mut world.bus, Bus::connect(&proxy.url).await.unwrap());
    let (_, running) = world.start().await;
    let mut to_bob = listen(&edge, bob).await;
    world.say(conversation, alice, 1).await;
    assert_eq!(frame(&mut to_bob).await["message"]["seq"], 1);
    world.confirmed().await;
    proxy.swallow();
    world.say(conversation, alice, 2).await;
    eventually("the frame was handed to the connection", async || proxy.has_swallowed("number 2")).await;
    let confirmed = tokio::time::timeout(2 * A_MOMENT, world.confirmed()).await;
    assert!(confirmed.is_err(), "the checkpoint moved past what nobody got");
    proxy.cut();
    world.say(conversation, alice, 3).await;
    for seq in 2..=3 {
        assert_eq!(frame(&mut to_bob).await["message"]["seq"], seq);
    }
    running.stop().await;
}

#[tokio::test]
async fn frames_keep_their_order_over_reconnects() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (_, running) = world.start().await;
    let edge = Bus::connect(&world.nats_url).await.unwrap();
    let mut to_bob = listen(&edge, bob).await;
    let last = 600;
    for seq in 1..=last {
        world.say(conversation, alice, seq).await;
        if seq % 50 == 0 {
            world.bus.live().force_reconnect().await.unwrap();
        }
    }
    // Some come again, none is missing, none comes before the one before it.
    let mut newest = 0;
    while newest < last {
        let seq = frame(&mut to_bob).await["message"]["seq"].as_u64().unwrap();
        assert!(seq <= newest + 1, "{seq} came before {}", newest + 1);
        newest = newest.max(seq);
    }
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_a_session_is_told_to_its_person_and_to_every_edge() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let alice = world.register("alice").await;
    let session = world.sign_in(alice).await;
    let mut to_edges = world.bus.live().subscribe(subject::SESSIONS).await.unwrap();
    let mut to_alice = listen(&world.bus, alice).await;
    world.sign_out(alice, session).await;
    let told = next(&mut to_alice).await;
    assert_eq!(told.payload, b"logged_out");
    assert_eq!(told.headers.unwrap().get(SESSION_ENDED).unwrap().as_str(), session.to_string());
    let told = tokio::time::timeout(BOUND, to_edges.next()).await.unwrap().unwrap();
    assert_eq!(told.payload, session.to_string());
    running.stop().await;
}

#[tokio::test]
async fn a_mark_comes_back_on_the_persons_subject() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let alice = AccountId(id::new());
    let mut to_alice = listen(&world.bus, alice).await;
    let client = world.bus.live();
    client.publish(subject::MARK, "no account".into()).await.unwrap();
    let begin = clock::now();
    let mut headers = HeaderMap::new();
    headers.insert(MARK, "token 1");
    // The task may still be subscribing: an edge asks again too.
    let echo = loop {
        client.publish_with_headers(subject::MARK, headers.clone(), alice.to_string().into()).await.unwrap();
        if let Ok(echo) = tokio::time::timeout(A_MOMENT, to_alice.next()).await {
            break echo.unwrap();
        }
        assert!(clock::now() < begin + BOUND, "no echo came");
    };
    assert!(echo.payload.is_empty());
    assert_eq!(echo.headers.unwrap().get(MARK).unwrap().as_str(), "token 1");
    running.stop().await;
}

#[tokio::test]
async fn what_becomes_of_a_message_is_told_to_those_who_see_it() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let message = world.send(conversation, alice, 1).await;
    let (_, running) = world.start().await;
    // Bob has left: what is edited now is nothing to him, what is recalled is.
    let position = place(&world.say(conversation, alice, 2).await).1.position;
    let left = "UPDATE member SET left_seq = 2, left_position = $1 WHERE account_id = $2";
    eventually("relations has them", async || {
        let done = sqlx::query(left).bind(position as i64).bind(bob.0).execute(&world.pool).await.unwrap();
        done.rows_affected() == 1
    })
    .await;
    running.stop().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let (projections, running) = world.start().await;
    world.change(world.edited(message, "edited")).await;
    let edited = frame(&mut to_alice).await;
    assert_eq!((&edited["event"], &edited["message"]["body"]["text"]), (&json!("message.edited"), &json!("edited")));
    assert!(edited["message"]["edited_at"].is_string() && edited["message"].get("reactions").is_none(), "{edited}");
    let reacted =
        natter_domain::message::Event::Reacted { message, account_id: alice, emoji: "x".to_owned(), count: 1 };
    world.change(reacted).await;
    assert_eq!(frame(&mut to_alice).await["event"], "message.reacted");
    let token = world.change(natter_domain::message::Event::Recalled { message, by: alice }).await;
    let recalled = frame(&mut to_alice).await;
    assert_eq!((&recalled["event"], &recalled["message"]["body"]), (&json!("message.recalled"), &json!(null)));
    assert_eq!(frame(&mut to_bob).await, recalled, "the first that he hears of it");
    projections.wait(&token, &ALL).await.unwrap();
    let seen = projections.message().one(bob, conversation, message.message_id).await.unwrap().unwrap();
    assert_eq!((seen.body, seen.recalled_at.is_some()), (None, true));
    running.stop().await;
}

/// Of a block, of what is ignored and of what is noted nobody is told; a conversation's state only to who is shown another.
#[tokio::test]
async fn who_hears_what_of_friends_and_blocks() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    let (_, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let pair = friendship::address(FriendshipId::of(alice, bob));
    let mut account_ids = [alice, bob];
    account_ids.sort_unstable();
    let first = conversation::Standing::first();
    let (barred, closed) = (first.barred(alice), first.closed());
    let (by, other, conversation_id) = (alice, bob, Some(talk));
    world.append(pair, &friendship::Event::Blocked { by, other, conversation_id, standing: barred.clone() }).await;
    let stood = |standing: &conversation::Standing, shown_to: &[AccountId]| conversation::Event::StandingChanged {
        standing: standing.clone(),
        shown_to: shown_to.to_vec(),
        last_seq: 0,
    };
    let token = world.append(conversation::address(talk), &stood(&barred, &[alice])).await;
    let updated = |state: &str, position: String| {
        json!({
            "event": "conversation.updated",
            "conversation": {
                "id": talk, "kind": "direct", "state": state, "name": null, "avatar": null,
                "member_count": 2, "account_ids": account_ids, "last_seq": 0,
            },
            "position": position,
        })
    };
    assert_eq!(frame(&mut to_alice).await, updated("closed", token.to_string()));
    nothing(&mut to_bob).await;

    let removed = friendship::Event::Removed { by: bob, other: alice, conversation_id: talk, standing: closed.clone() };
    let token = world.append(pair, &removed).await;
    let expected = json!({
        "event": "friend.removed", "account_ids": account_ids, "by": bob, "position": token.to_string(),
    });
    assert_eq!(frame(&mut to_alice).await, expected);
    assert_eq!(frame(&mut to_bob).await, expected);
    let token = world.append(conversation::address(talk), &stood(&closed, &[alice, bob])).await;
    assert_eq!(frame(&mut to_alice).await, updated("closed", token.to_string()));
    assert_eq!(frame(&mut to_bob).await, updated("closed", token.to_string()));
    running.stop().await;
}

/// As reads say it: nothing is sent to somebody who is gone.
#[tokio::test]
async fn whose_peer_is_gone_hears_that_their_conversation_is_closed() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    let (projections, running) = world.start().await;
    world.append(account::address(bob), &account::Event::Closed {}).await;
    projections.catch_up(&ALL).await.unwrap();
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let standing = conversation::Standing::first().closed().opened();
    let stood = conversation::Event::StandingChanged { standing, shown_to: vec![alice, bob], last_seq: 0 };
    world.append(conversation::address(talk), &stood).await;
    assert_eq!(frame(&mut to_alice).await["conversation"]["state"], "closed");
    assert_eq!(frame(&mut to_bob).await["conversation"]["state"], "open");
    projections.catch_up(&ALL).await.unwrap();
    let own = projections.conversation().get(alice, talk).await.unwrap().expect("it is theirs");
    assert_eq!(own.conversation.state, "closed");
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_a_request_is_told_to_both_but_for_who_ignored_it() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let pair = friendship::address(FriendshipId::of(alice, bob));
    let ask = async |world: &World| world.request(alice, bob, "", Duration::from_secs(60)).await;
    let request_id = ask(&world).await;
    assert_eq!(frame(&mut to_alice).await, frame(&mut to_bob).await);
    world.append(pair, &friendship::Event::Cancelled { request_id, from: alice, to: bob }).await;
    let told = frame(&mut to_alice).await;
    assert_eq!((&told["event"], &told["by"]), (&json!("friend.cancelled"), &json!(alice)));
    assert_eq!(told["request"]["status"], "cancelled");
    assert_eq!(frame(&mut to_bob).await, told);

    let request_id = ask(&world).await;
    assert_eq!(frame(&mut to_alice).await, frame(&mut to_bob).await);
    world.append(pair, &friendship::Event::Expired { request_id, from: alice, to: bob }).await;
    let told = frame(&mut to_alice).await;
    assert_eq!((&told["event"], &told["request"]["status"]), (&json!("friend.expired"), &json!("expired")));
    assert_eq!(frame(&mut to_bob).await, told);

    for end in 0..2 {
        let request_id = ask(&world).await;
        assert_eq!(frame(&mut to_alice).await, frame(&mut to_bob).await);
        world.append(pair, &friendship::Event::Ignored { request_id, from: alice, to: bob }).await;
        nothing(&mut to_alice).await;
        let (from, to) = (alice, bob);
        let event = match end {
            0 => friendship::Event::Cancelled { request_id, from, to },
            _ => friendship::Event::Expired { request_id, from, to },
        };
        world.append(pair, &event).await;
        assert_eq!(frame(&mut to_alice).await["request"]["id"], json!(request_id));
        nothing(&mut to_bob).await;
    }
    running.stop().await;
}
