//! Reads that carry a position wait for it, so long and no longer.

use crate::support::{A_MOMENT, BOUND, World, place};
use natter_projections::{Projection, Wait, message::Range};
use natter_streams::Positions;
use uuid::Uuid;

const VIEWS: [Projection; 2] = [Projection::Relations, Projection::History];
const RANGE: Range = Range { before_seq: None, after_seq: None, around_seq: None, limit: 10 };

#[tokio::test]
async fn a_read_waits_for_its_position() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let token = world.say(conversation, alice, 1).await;
    let projections = world.open().await;
    let relations = world.run(&projections, &[Projection::Relations]);
    projections.wait(&token, &[Projection::Relations]).await.unwrap();
    // History does not run: who needs it gets to know in time.
    assert_eq!(projections.wait_within(A_MOMENT, &token, &VIEWS).await, Err(Wait::TooLate));
    let waiting = tokio::spawn({
        let (projections, token) = (projections.clone(), token.clone());
        async move {
            projections.wait_within(BOUND, &token, &VIEWS).await.unwrap();
            projections.message().page(bob, conversation, RANGE).await.unwrap().unwrap()
        }
    });
    let history = world.run(&projections, &[Projection::History]);
    let seen = tokio::time::timeout(BOUND, waiting).await.unwrap().unwrap();
    assert_eq!(seen.len(), 1);
    history.stop().await;
    relations.stop().await;
}

#[tokio::test]
async fn every_write_is_seen_by_the_read_behind_it() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = world.start().await;
    for seq in 1..=50 {
        let token = world.say(conversation, alice, seq).await;
        projections.wait(&token, &VIEWS).await.unwrap();
        let seen = projections.conversation().get(bob, conversation).await.unwrap().unwrap();
        assert_eq!((seen.conversation.last_seq, seen.unread), (seq, seq));
    }
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_yet_is_told_apart_from_what_is_late() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let token = world.say(conversation, alice, 1).await;
    let (projections, running) = world.start().await;
    let (lane, last) = place(&token);
    let incarnation = world.feeds.lane(lane).head().incarnation;
    for wrong in [Positions::one(lane, last.position + 1, incarnation), Positions::one(lane, 1, Uuid::nil())] {
        assert_eq!(projections.wait(&wrong, &VIEWS).await, Err(Wait::Impossible), "{wrong}");
    }
    running.stop().await;
}

#[tokio::test]
async fn ready_once_everything_was_seen() {
    let world = World::new().await;
    world.pair().await;
    let projections = world.open().await;
    let views = world.run(&projections, &VIEWS);
    projections.catch_up(&VIEWS).await.unwrap();
    assert!(!projections.is_ready(), "delivery has not begun");
    let delivery = world.run(&projections, &[Projection::Delivery]);
    projections.catch_up(&[Projection::Delivery]).await.unwrap();
    assert!(projections.is_ready());
    delivery.stop().await;
    views.stop().await;
}
