//! How a stream stands to its log is told apart, before anybody serves the lane.

use crate::support::{LANE, Owner, carried, carrier, jetstream, log, sql, stream_becomes_log, whole};
use async_nats::jetstream::{Context, stream::Config};
use futures::future::try_join_all;
use natter_streams::{
    Log,
    bus::Bus,
    id, relay,
    seam::{Seam, inspect, look},
    subject,
};
use natter_testkit::Stack;
use tokio_util::sync::CancellationToken;

/// A lane with so many events in both homes, and nobody who works on it any more.
pub async fn published(count: u32) -> (Stack, Log, Bus, Context) {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(count).await;
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
    let context = jetstream(&stack).await;
    publish_all(&log, &bus, &context, &owner).await;
    (stack, log, bus, context)
}

/// Has a relay publish what there is, and ends it.
pub async fn publish_all(log: &Log, bus: &Bus, context: &Context, owner: &Owner) {
    let stop = CancellationToken::new();
    let task = tokio::spawn(relay::run(log.clone(), bus.clone(), owner.feeds.clone(), LANE, stop.clone()));
    stream_becomes_log(context, log).await;
    stop.cancel();
    task.await.expect("the task ends").expect("it ends well");
}

/// Both the glance and the long look say so.
async fn says(log: &Log, bus: &Bus, seam: Seam) {
    assert_eq!(inspect(log, bus, LANE).await.expect("inspect the lane"), seam);
    let findings = look(log, bus, LANE).await.expect("look at the lane");
    assert_eq!(findings.seam, seam);
    assert_eq!(findings.head.position, whole(log).await.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_the_log_or_lags_is_no_reason_to_refuse() {
    let (_stack, log, bus, context) = published(10).await;
    says(&log, &bus, Seam::Same).await;
    Owner::of(&log).await.append(3).await;
    says(&log, &bus, Seam::Behind { last: 10 }).await;
    context.delete_stream(subject::stream(LANE)).await.unwrap();
    says(&log, &bus, Seam::Behind { last: 0 }).await;
    assert!(Seam::Behind { last: 0 }.is_well() && !Seam::Behind { last: 0 }.refuses());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_log_has_lost_are_counted() {
    let (stack, log, bus, _context) = published(10).await;
    sql(&stack, "DELETE FROM events WHERE position > 6").await;
    says(&log, &bus, Seam::Ahead { from: 7, to: 10 }).await;
    sql(&stack, "DELETE FROM events").await;
    says(&log, &bus, Seam::Ahead { from: 1, to: 10 }).await;
    assert!(Seam::Ahead { from: 1, to: 10 }.refuses());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_lost_events_than_are_looked_back_for_are_counted_too() {
    let (stack, log, bus, _context) = published(3_500).await;
    sql(&stack, "DELETE FROM events WHERE position > 100").await;
    says(&log, &bus, Seam::Ahead { from: 101, to: 3_500 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_and_went_on_is_told_with_the_place_where_it_parts() {
    let (stack, log, bus, _context) = published(10).await;
    for (left, more) in [(7, 1), (6, 4), (3, 20), (0, 1)] {
        sql(&stack, &format!("DELETE FROM events WHERE position > {left}")).await;
        Owner::of(&log).await.append(more).await;
        says(&log, &bus, Seam::Diverged { position: left + 1 }).await;
    }
    assert!(Seam::Diverged { position: 1 }.refuses());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_is_no_event_that_was_lost() {
    let (stack, log, bus, context) = published(10).await;
    let event = whole(&log).await[4].clone();
    context.publish(subject::event(&event), "intruder".into()).await.unwrap().await.unwrap();
    says(&log, &bus, Seam::Foreign { position: 11 }).await;
    assert!(!Seam::Foreign { position: 11 }.refuses() && !Seam::Foreign { position: 11 }.is_well());
    sql(&stack, "DELETE FROM events WHERE position > 9").await;
    says(&log, &bus, Seam::Ahead { from: 10, to: 11 }).await;
    // The log went on: what was lost stands before the foreign one, where a glance does not reach.
    Owner::of(&log).await.append(2).await;
    says(&log, &bus, Seam::Diverged { position: 10 }).await;
    assert_eq!(carried(&context).await.unwrap().len(), 11, "looking changes nothing");
}

/// It took the place of the first of all that can be on the way at once: what was sent behind it fitted.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_is_found_behind_all_that_was_on_the_way() {
    const ON_THE_WAY: u32 = 2 * 999 + 1_000;
    let (_stack, log, bus, context) = published(10).await;
    let mut owner = Owner::of(&log).await;
    let batch = owner.append(ON_THE_WAY).await;
    let intruded = context.publish(subject::event(&batch[0]), "intruder".into()).await.unwrap().await.unwrap();
    assert_eq!(intruded.sequence, 11);
    let mut sent = Vec::new();
    for event in &batch[1..] {
        sent.push(context.send_publish(subject::event(event), carrier(event)).await.unwrap().into_future());
    }
    try_join_all(sent).await.expect("all behind it are taken");
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Same, "at a glance all is well");
    assert_eq!(look(&log, &bus, LANE).await.unwrap().seam, Seam::Foreign { position: 11 });
    publish_all(&log, &bus, &context, &owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_an_unknown_incarnation_is_refused() {
    let (stack, log, bus, context) = published(3).await;
    let theirs = log.incarnation(LANE).await.unwrap();
    sql(&stack, &format!("UPDATE lanes SET incarnation = '{}' WHERE lane = 0", id::new())).await;
    says_of_another(&log, &bus, Seam::OtherIncarnation { theirs }).await;
    // One that says nothing of the kind is not ours either.
    let name = subject::stream(LANE);
    context.delete_stream(&name).await.unwrap();
    let config = Config { name, subjects: vec![subject::lane_events(LANE)], ..Default::default() };
    context.create_stream(config).await.unwrap();
    says_of_another(&log, &bus, Seam::OtherIncarnation { theirs: uuid::Uuid::nil() }).await;
}

async fn says_of_another(log: &Log, bus: &Bus, seam: Seam) {
    assert_eq!(inspect(log, bus, LANE).await.expect("inspect the lane"), seam);
    assert_eq!(look(log, bus, LANE).await.expect("look at the lane").seam, seam);
    assert!(seam.refuses());
}
