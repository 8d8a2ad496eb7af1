//! What waits behind an event that was set aside: all that builds on the same, whichever aggregate it is of, and nothing
//! else; and what delivery has set aside.

use crate::{
    delivery::{frame, listen, nothing},
    support::{BOUND, World, assert_same, dump, eventually},
};
use natter_domain::{ConversationId, conversation, message};
use natter_projections::{
    Projection, Store,
    generation::{Failure, Meter, Operator, Outcome, Pace, failures},
};
use natter_streams::{Draft, id};
use tokio_util::sync::CancellationToken;

async fn operator(world: &World, name: &str) -> Operator {
    Operator::begin(&world.log, &world.settings(&world.url), name).await.expect("nobody else works on it")
}

async fn of(world: &World, projection: Projection) -> Vec<Failure> {
    let mut found = failures(&world.log).await.expect("read what was set aside");
    found.retain(|failure| failure.projection == projection);
    found
}

async fn count(world: &World, sql: &str, conversation: ConversationId) -> i64 {
    sqlx::query_scalar(sql).bind(conversation.0).fetch_one(&world.pool).await.expect("count rows")
}

/// A conversation in the same lane.
async fn neighbour(world: &World, of: ConversationId) -> ConversationId {
    loop {
        let (_, _, other) = world.pair().await;
        if world.lane(conversation::address(other)) == world.lane(conversation::address(of)) {
            return other;
        }
    }
}

#[tokio::test]
async fn an_edit_waits_for_the_event_that_sent_its_message() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, _, conversation) = world.pair().await;
    let other = neighbour(&world, conversation).await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    let refuse = "ALTER TABLE message ADD CONSTRAINT refused CHECK (seq <> 2) NOT VALID";
    sqlx::query(refuse).execute(&world.pool).await.unwrap();
    let first = world.send(conversation, alice, 1).await;
    let elsewhere = world.send(other, alice, 1).await;
    let second = world.send(conversation, alice, 2).await;
    world.change(world.edited(second, "mended")).await;
    world.change(message::Event::Pinned { message: first, by: alice }).await;
    world.change(world.edited(elsewhere, "goes on")).await;
    projections.catch_up(&Projection::ALL).await.expect("everything else goes on");

    let aside = of(&world, Projection::History).await;
    let waiting: Vec<_> = aside.iter().map(|one| (one.event.as_str(), one.is_first, one.key)).collect();
    let key = conversation.0;
    assert_eq!(
        waiting,
        [("conversation.message_sent", true, key), ("message.edited", false, key), ("message.pinned", false, key)]
    );
    let edits = "SELECT count(*) FROM message_change WHERE conversation_id = $1";
    assert_eq!(count(&world, edits, conversation).await, 0);
    assert_eq!(count(&world, edits, other).await, 1, "of another conversation");

    sqlx::query("ALTER TABLE message DROP CONSTRAINT refused").execute(&world.pool).await.unwrap();
    let retrier = operator(&world, "history").await;
    let retried = retrier.retry(Some(aside[1].aggregate_id)).await.unwrap();
    assert_eq!((retried.applied, retried.left), (3, 0), "whichever of them is named");
    let edited = "SELECT count(*) FROM message WHERE conversation_id = $1 AND seq = 2 AND edited_at IS NOT NULL";
    assert_eq!(count(&world, edited, conversation).await, 1, "in order");
    // What comes next is applied as ever.
    let third = world.send(conversation, alice, 3).await;
    let token = world.change(world.edited(third, "as ever")).await;
    projections.wait_within(BOUND, &token, &[Projection::History]).await.unwrap();
    eventually("nothing waits", async || of(&world, Projection::History).await.is_empty()).await;
    projections.wait_within(BOUND, &token, &[Projection::History]).await.unwrap();
    eventually("it is applied", async || count(&world, edits, conversation).await == 3).await;

    running.stop().await;
    let live = dump(&world.pool).await;
    let entry = retrier.shadow(Store::Postgres).await.unwrap();
    let (pace, meter, stop) = (Pace::new(100), Meter::default(), CancellationToken::new());
    let Outcome::Done(compared) = retrier.compare(&entry, &pace, &meter, &stop).await.unwrap() else {
        panic!("nobody has stopped it")
    };
    assert!(compared.is_same(), "as if nothing had been: {:#?}", compared.differences);
    assert_same(&dump(&world.pool).await, &live, "comparing changes nothing");
}

#[tokio::test]
async fn what_delivery_set_aside_is_delivered_in_order_once_it_is_asked_for() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, bob, conversation) = world.pair().await;
    let first = world.send(conversation, alice, 1).await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    world.confirmed().await;
    let mut to_bob = listen(&world.bus, bob).await;

    let address = conversation::address(conversation);
    let good = world.draft(address, &world.message(conversation, alice, 2)).await;
    let poison = Draft { payload: r#"{"message_sent":{"seq":"two"}}"#.into(), event_id: id::event(), ..good };
    world.commit(vec![poison]).await;
    world.change(world.edited(first, "mended")).await;
    world.send(conversation, alice, 3).await;
    projections.catch_up(&Projection::ALL).await.expect("everything else goes on");
    nothing(&mut to_bob).await;
    let delivery = operator(&world, "delivery").await;
    let retried = delivery.retry(None).await.unwrap();
    assert_eq!((retried.applied, retried.left), (0, 3), "it fails as before");
    nothing(&mut to_bob).await;

    let given_up = delivery.skippable(conversation.0).await.unwrap();
    let skipped = delivery.skip(&given_up).await.unwrap();
    assert_eq!((skipped.applied, skipped.left), (2, 0));
    assert_eq!(frame(&mut to_bob).await["event"], "message.edited");
    assert_eq!(frame(&mut to_bob).await["message"]["seq"], 3);
    world.send(conversation, alice, 4).await;
    assert_eq!(frame(&mut to_bob).await["message"]["seq"], 4, "what comes next is delivered as ever");
    nothing(&mut to_bob).await;
    let sql = "SELECT action FROM operator_action WHERE subject = 'delivery' ORDER BY id";
    let written: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    assert_eq!(written, ["skip", "retry", "retry"]);
    assert!(delivery.shadow(Store::Postgres).await.is_err(), "it has no rows that could be built anew");
    running.stop().await;
}

/// Delivery asks relations who is in a conversation. Where that is not known any more because an operator has given it
/// up, nobody is told, and everybody else is.
#[tokio::test]
async fn what_relations_has_given_up_stops_delivery_of_nothing_else() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, bob, neighbour_of) = world.pair().await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    let refuse = "ALTER TABLE conversation ADD CONSTRAINT refused CHECK (kind <> 'group') NOT VALID";
    sqlx::query(refuse).execute(&world.pool).await.unwrap();
    let lane_of = |conversation| world.lane(conversation::address(conversation));
    let mut lost = world.start_group(alice, &[bob]).await;
    while lane_of(lost) != lane_of(neighbour_of) {
        lost = world.start_group(alice, &[bob]).await;
    }
    projections.catch_up(&[Projection::Relations]).await.expect("everything else goes on");
    let relations = operator(&world, "relations").await;
    let given_up = relations.skippable(lost.0).await.unwrap();
    let skipped = relations.skip(&given_up).await.unwrap();
    assert_eq!((skipped.applied, skipped.left), (0, 0));

    // Who delivers from now on has not heard who is in it.
    running.stop().await;
    let (projections, running) = world.start().await;
    let mut to_bob = listen(&world.bus, bob).await;
    world.say(lost, alice, 1).await;
    world.say(neighbour_of, alice, 1).await;
    let heard = loop {
        let heard = frame(&mut to_bob).await;
        if heard["event"] == "message.sent" {
            break heard;
        }
    };
    assert_eq!(heard["message"]["conversation_id"], neighbour_of.to_string(), "nobody is known to be in the other");
    projections.catch_up(&Projection::ALL).await.expect("delivery goes on");
    running.stop().await;
}
