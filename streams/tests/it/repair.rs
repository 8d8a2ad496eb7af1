//! Mending a lane whose log has lost what its stream holds: by import, nothing is missing afterwards; by declaring the
//! loss, nothing that was said of the lost events is mistaken for what takes their positions.

use crate::{
    seam::{publish_all, published},
    support::{
        Holder, LANE, Owner, blocked, carried, carrier, commanded, draft, jetstream, log, sql, stream_becomes_log,
        whole,
    },
};
use natter_streams::{
    Error, Link, Log, Record,
    bus::Bus,
    checkpoint,
    committer::{Ended, Settled},
    id,
    reader::Reader,
    relay,
    repair::{declare_loss, import},
    seam::{Seam, inspect},
    stream, subject,
};
use natter_testkit::{BOUND, Stack, within};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

async fn lose(stack: &Stack, behind: u64) {
    assert!(sql(stack, &format!("DELETE FROM events WHERE lane = 0 AND position > {behind}")).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_brings_back_the_very_events_and_their_keys() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let keys: Vec<_> = (0..1_200).map(|_| id::new()).collect();
    for part in keys.chunks(100) {
        owner.append_these(part.iter().enumerate().map(|(at, key)| commanded(at as u32, *key)).collect()).await;
    }
    let (bus, context) = (Bus::connect(stack.nats_url()).await.unwrap(), jetstream(&stack).await);
    let before = whole(&log).await;
    // Their metadata names the command: what is carried is all that the log knows.
    let all: Vec<_> = before.iter().map(|event| Some((**event).clone())).collect();
    let stop = CancellationToken::new();
    let task = tokio::spawn(relay::run(log.clone(), bus.clone(), owner.feeds.clone(), LANE, stop.clone()));
    crate::support::eventually("all is published", async || {
        let carried = carried(&context).await?;
        if carried == all { Ok(()) } else { Err(format!("{} messages", carried.len())) }
    })
    .await;
    stop.cancel();
    task.await.unwrap().unwrap();

    lose(&stack, 100).await;
    let imported = import(&log, &bus, LANE).await.unwrap().expect("there was something to import");
    assert_eq!((imported.events, imported.head), (1_100, before[1_199].link()));
    assert_eq!(whole(&log).await, before);
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Same);
    assert_eq!(import(&log, &bus, LANE).await.unwrap(), None, "and nothing is left");

    owner.committer.queue(vec![draft(1)], 1);
    assert!(matches!(owner.settled().await, Settled::Ended { why: Ended::Fenced, .. }), "who ran it is fenced");
    let mut owner = Owner::of(&log).await;
    owner.committer.queue(vec![commanded(0, keys[700])], 1);
    assert!(matches!(owner.settled().await, Settled::Ended { why: Ended::Repeated, .. }), "its commands are known");
    assert_eq!(owner.append(1).await[0].position, 1_201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_behind_the_lost_events_is_not_imported() {
    let (stack, log, bus, context) = published(10).await;
    let before = whole(&log).await;
    context.publish(subject::event(&before[4]), "intruder".into()).await.unwrap().await.unwrap();
    lose(&stack, 6).await;
    assert_eq!(import(&log, &bus, LANE).await.unwrap().unwrap().events, 4);
    assert_eq!(whole(&log).await, before);
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Foreign { position: 11 }, "which the relay mends");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_do_not_continue_the_log_are_not_imported() {
    let (stack, log, bus, _context) = published(10).await;
    lose(&stack, 6).await;
    Owner::of(&log).await.append(2).await;
    let before = whole(&log).await;
    let refused = import(&log, &bus, LANE).await.unwrap_err();
    assert!(matches!(refused, Error::Unmendable { .. }), "{refused}");
    assert!(refused.to_string().contains("from 7 on"), "{refused}");
    assert_eq!(whole(&log).await, before);
}

/// Ten events, four of them lost and declared so, five new ones, all published.
async fn declared() -> (Stack, Log, Bus, Vec<Arc<Record>>, Owner) {
    let (stack, log, bus, context) = published(10).await;
    let lost = whole(&log).await;
    lose(&stack, 6).await;
    let declared = declare_loss(&log, &bus, LANE, false).await.expect("declare the loss").expect("there was a loss");
    assert_eq!((declared.head.position, declared.stream_ended), (6, 10));
    assert_eq!(declared.incarnation, log.incarnation(LANE).await.expect("the lane is there"));
    assert_ne!(declared.incarnation, lost[0].incarnation);
    let mut owner = Owner::of(&log).await;
    owner.append(5).await;
    publish_all(&log, &bus, &context, &owner).await;
    (stack, log, bus, lost, owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_declared_loss_the_chain_goes_on_under_a_new_incarnation() {
    let (stack, log, bus, lost, _owner) = declared().await;
    let events = whole(&log).await;
    assert_eq!(events[..6], lost[..6], "what was not lost is what it was");
    assert_eq!(events.len(), 11);
    let now = log.incarnation(LANE).await.unwrap();
    assert!(events[6..].iter().all(|event| event.incarnation == now && event.link_hash() == event.hash));
    assert!(events.windows(2).all(|pair| pair[1].previous == pair[0].hash));
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Same);
    assert_eq!(declare_loss(&log, &bus, LANE, false).await.unwrap(), None, "a lane that is well is not touched");
    assert_eq!(log.incarnation(LANE).await.unwrap(), now);

    // And once more, at the same place, and at another.
    for left in [6, 9, 0] {
        Owner::of(&log).await.append(2).await;
        lose(&stack, left).await;
        declare_loss(&log, &bus, LANE, false).await.unwrap().expect("there was a loss");
        let mut owner = Owner::of(&log).await;
        owner.append(4).await;
        publish_all(&log, &bus, &jetstream(&stack).await, &owner).await;
        let events = whole(&log).await;
        assert_eq!(events.len() as u64, left + 4);
        let now = log.incarnation(LANE).await.unwrap();
        assert!(events[left as usize..].iter().all(|event| event.incarnation == now));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cross_the_seam_whatever_their_source() {
    let (_stack, log, bus, lost, owner) = declared().await;
    let events = whole(&log).await;
    let (old, now) = (lost[0].incarnation, log.incarnation(LANE).await.unwrap());
    let starts = [
        Link::start(LANE, now),
        Link::start(LANE, old),
        events[2].link(),
        events[5].link(),
        Link { incarnation: now, ..events[5].link() },
        events[8].link(),
    ];
    for start in starts {
        let tap = Reader::tap(log.clone(), &owner.feeds, start);
        let stream = Reader::stream(log.clone(), &bus, start);
        for mut reader in [tap, stream] {
            let mut read = Vec::new();
            while reader.last().position < 11 {
                read.extend(within("the reader goes on", BOUND, reader.next(100)).await.unwrap());
            }
            assert_eq!(read, events[start.position as usize..], "from {start:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_lost_events_is_told_and_does_not_wait_for_ever() {
    let (_stack, log, bus, lost, owner) = declared().await;
    let events = whole(&log).await;
    for gone in [&lost[7], &lost[9]] {
        for mut reader in
            [Reader::tap(log.clone(), &owner.feeds, gone.link()), Reader::stream(log.clone(), &bus, gone.link())]
        {
            let told = within("the reader is told", BOUND, reader.next(100)).await;
            assert!(matches!(told, Err(Error::Broken { .. })), "{told:?}");
        }
    }
    let mut at_the_end = Reader::stream(log.clone(), &bus, Link { position: 12, ..events[10].link() });
    assert!(matches!(within("it is told", BOUND, at_the_end.next(100)).await, Err(Error::Broken { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_goes_on_if_its_event_is_still_in_the_log() {
    let (_stack, log, _bus, lost, _owner) = declared().await;
    let events = whole(&log).await;
    let start = Link::start(LANE, lost[0].incarnation);
    let mut connection = log.pool().acquire().await.unwrap();
    let (old, now) = (start.incarnation, log.incarnation(LANE).await.unwrap());
    let places = [
        ("begun", start, old),
        ("before", lost[3].link(), old),
        // What comes next there is of the new one.
        ("at", lost[5].link(), now),
        ("new", events[8].link(), now),
    ];
    for (name, link, incarnation) in places {
        checkpoint::advance(&mut connection, name, &start, &link).await.unwrap();
        let loaded = checkpoint::load(&log, name, LANE).await.unwrap();
        assert_eq!(loaded, Link { incarnation, ..link }, "{name}");
    }
    for (name, link) in [("beyond", lost[8].link()), ("far beyond", Link { position: 99, ..lost[9].link() })] {
        checkpoint::advance(&mut connection, name, &start, &link).await.unwrap();
        assert!(matches!(checkpoint::load(&log, name, LANE).await, Err(Error::Foreign { .. })), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_declared_loss_left_behind_is_filled_anew() {
    let (stack, log, bus, lost, owner) = declared().await;
    let context = jetstream(&stack).await;
    // As if who declared it had died before it deleted the stream.
    context.delete_stream(subject::stream(LANE)).await.unwrap();
    let old = lost[0].incarnation;
    stream::open(&context, &Link::start(LANE, old)).await.unwrap();
    for event in &lost {
        context.send_publish(subject::event(event), carrier(event)).await.unwrap().await.unwrap();
    }
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Ended { theirs: old });
    publish_all(&log, &bus, &context, &owner).await;
    assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Same);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_from_before_a_declared_loss_can_be_imported_into_with_its_seam() {
    let (stack, log, bus, lost, _owner) = declared().await;
    let before = whole(&log).await;
    let now = log.incarnation(LANE).await.unwrap();
    let restore = format!("UPDATE lanes SET incarnation = '{}' WHERE lane = 0", lost[0].incarnation);
    for left in [6, 4] {
        lose(&stack, left).await;
        sql(&stack, "DELETE FROM seams").await;
        sql(&stack, &restore).await;
        assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::OtherIncarnation { theirs: now });
        assert_eq!(import(&log, &bus, LANE).await.unwrap().unwrap().events, 11 - left);
        assert_eq!(whole(&log).await, before);
        assert_eq!(log.incarnation(LANE).await.unwrap(), now);
        assert_eq!(inspect(&log, &bus, LANE).await.unwrap(), Seam::Same);
    }
    stream_becomes_log(&jetstream(&stack).await, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_made_anew_can_be_filled_from_its_streams() {
    let (stack, log, bus, _context) = published(10).await;
    let before = whole(&log).await;
    sql(&stack, "DELETE FROM events").await;
    sql(&stack, &format!("UPDATE lanes SET incarnation = '{}' WHERE lane = 0", id::new())).await;
    assert!(inspect(&log, &bus, LANE).await.unwrap().refuses());
    assert_eq!(import(&log, &bus, LANE).await.unwrap().unwrap().events, 10);
    assert_eq!(whole(&log).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_installation_is_not_imported_behind_a_log_of_our_own() {
    let (stack, log, bus, _context) = published(10).await;
    sql(&stack, "DELETE FROM events").await;
    sql(&stack, &format!("UPDATE lanes SET incarnation = '{}' WHERE lane = 0", id::new())).await;
    Owner::of(&log).await.append(4).await;
    let before = whole(&log).await;
    let refused = import(&log, &bus, LANE).await.unwrap_err();
    assert!(matches!(refused, Error::Unmendable { .. }), "{refused}");
    assert_eq!(whole(&log).await, before);
}

/// Both wait for the row; who comes second has it when the first one is done, whatever that one still does.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_was_overtaken_does_not_free_the_lane() {
    let (stack, log, bus, _context) = published(10).await;
    lose(&stack, 6).await;
    let holder = Holder::hold(&stack).await;
    let importing = tokio::spawn({
        let log = log.clone();
        async move { import(&log, &bus, LANE).await }
    });
    blocked(&stack, 1).await;
    let taking = tokio::spawn(async move { log.take_over(LANE, "another").await });
    blocked(&stack, 2).await;
    holder.release().await;
    within("the lane is taken", BOUND, taking).await.unwrap().unwrap();
    // It may have been quick enough to store what was missing.
    let _ = within("the import ends", BOUND, importing).await.unwrap();
    let owner: String =
        sqlx::query_scalar("SELECT owner FROM lanes WHERE lane = 0").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(owner, "another");
}
