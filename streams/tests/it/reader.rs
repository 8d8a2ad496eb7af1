//! Readers verify, streams merely carry: whatever a source loses, doubles or changes, a reader hands out the log.

use crate::support::{
    LANE, Owner, carrier, draft, jetstream, keyed, log, published, record_behind, records, stream_becomes_log, whole,
};
use futures::FutureExt;
use natter_streams::{
    Hash, Link, Log, Record,
    bus::Bus,
    id,
    reader::{Admission, Reader, admit},
    relay, subject,
    tap::LANE_BYTES,
};
use natter_testkit::{BOUND, Stack, within};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const EVENTS: usize = 24;

#[derive(Clone, Debug)]
enum Delivery {
    Event(usize),
    OtherPrevious(usize),
    OtherIncarnation(usize),
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        6 => (0..EVENTS).prop_map(Delivery::Event),
        1 => (0..EVENTS).prop_map(Delivery::OtherPrevious),
        1 => (0..EVENTS).prop_map(Delivery::OtherIncarnation),
    ]
}

fn delivered(log: &[Arc<Record>], delivery: &Delivery) -> Record {
    match delivery {
        Delivery::Event(at) => (*log[*at]).clone(),
        Delivery::OtherPrevious(at) => Record { previous: Hash([9; 32]), ..(*log[*at]).clone() },
        Delivery::OtherIncarnation(at) => Record { incarnation: Uuid::nil(), ..(*log[*at]).clone() },
    }
}

proptest! {
    /// Sans IO: in whatever order a source delivers, what is admitted, and read where something is missing, is the log.
    #[test]
    fn what_is_admitted_is_the_log(
        deliveries in prop::collection::vec(delivery(), 0..120), start in 0..EVENTS,
    ) {
        let begin = Link::start(LANE, id::new());
        let log = records(&begin, EVENTS as u32);
        let mut last = if start == 0 { begin } else { log[start - 1].link() };
        let mut accepted = Vec::new();
        for delivery in deliveries.iter().chain([&Delivery::Event(EVENTS - 1)]) {
            let record = delivered(&log, delivery);
            let missing = match admit(&last, &record) {
                Admission::Seen => continue,
                Admission::Next => vec![Arc::new(record)],
                Admission::Hole | Admission::Foreign => log[last.position as usize..record.position as usize].to_vec(),
            };
            last = missing.last().unwrap().link();
            accepted.extend(missing);
        }
        prop_assert_eq!(&accepted[..], &log[start..]);
    }
}

#[test]
fn only_the_next_event_of_our_own_chain_is_admitted() {
    let log = records(&Link::start(LANE, id::new()), 4);
    let last = log[1].link();
    let says = |record: &Record| admit(&last, record);
    assert_eq!(says(&log[2]), Admission::Next);
    assert_eq!(says(&log[1]), Admission::Seen);
    assert_eq!(says(&log[0]), Admission::Seen);
    assert_eq!(says(&log[3]), Admission::Hole);
    assert_eq!(says(&delivered(&log, &Delivery::OtherPrevious(2))), Admission::Foreign);
    assert_eq!(says(&delivered(&log, &Delivery::OtherIncarnation(2))), Admission::Foreign);
}

/// What happens between a lane's owner and a reader's tap.
#[derive(Clone, Debug)]
enum Step {
    Commit(u32),
    Deliver(usize),
    Double(usize),
    Lose(usize),
    /// More than the tap holds.
    Flood(usize),
    /// An event at the next position that is not the log's.
    Forge,
    /// Asks the reader, and drops the question when it has no answer at once.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5u32).prop_map(Step::Commit),
        6 => any::<usize>().prop_map(Step::Deliver),
        2 => any::<usize>().prop_map(Step::Double),
        2 => any::<usize>().prop_map(Step::Lose),
        1 => any::<usize>().prop_map(Step::Flood),
        1 => Just(Step::Forge),
        6 => (1..9usize).prop_map(Step::Read),
    ]
}

#[test]
fn a_tap_that_loses_doubles_reorders_and_lags_still_gives_the_log() {
    let runtime = Runtime::new().unwrap();
    let (_stack, log) = runtime.block_on(log());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            let (read, stored) = runtime.block_on(read_over_a_bad_tap(&log, &steps));
            prop_assert_eq!(read, stored);
            Ok(())
        })
        .unwrap();
}

/// What the reader gave, and what the log holds.
async fn read_over_a_bad_tap(log: &Log, steps: &[Step]) -> (Vec<Arc<Record>>, Vec<Arc<Record>>) {
    let mut owner = Owner::of(log).await;
    let begin = owner.committer.head();
    let feed = |owner: &Owner, batch: Vec<Arc<Record>>| {
        let head = batch.last().expect("no batch is empty").link();
        owner.feeds.lane(LANE).publish(Arc::new(batch), head);
    };
    let mut reader = Reader::tap(log.clone(), &owner.feeds, begin);
    let (mut underway, mut read) = (Vec::<Vec<Arc<Record>>>::new(), Vec::new());
    for step in steps {
        match step {
            Step::Commit(count) => underway.push(owner.append_untold(*count).await),
            Step::Read(max) => read.extend(reader.next(*max).now_or_never().into_iter().flatten().flatten()),
            Step::Forge => {
                let mut last = owner.committer.head();
                last.hash = Hash([9; 32]);
                feed(&owner, vec![Arc::new(record_behind(&last))]);
            }
            Step::Deliver(_) | Step::Double(_) | Step::Lose(_) | Step::Flood(_) if underway.is_empty() => {}
            Step::Deliver(at) => {
                let batch = underway.remove(at % underway.len());
                feed(&owner, batch);
            }
            Step::Double(at) => feed(&owner, underway[at % underway.len()].clone()),
            Step::Lose(at) => drop(underway.remove(at % underway.len())),
            Step::Flood(at) => {
                let batch = &underway[at % underway.len()];
                (0..LANE_BYTES / (batch.len() * size_of::<Record>())).for_each(|_| feed(&owner, batch.clone()));
            }
        }
        // The runtime's turn: what was asked of PostgreSQL and dropped comes back to the pool.
        tokio::task::yield_now().await;
    }
    let newest = owner.append_untold(1).await;
    feed(&owner, newest);
    while reader.last() != owner.committer.head() {
        read.extend(within("the reader goes on", BOUND, reader.next(7)).await.expect("read"));
    }
    (read, log.read(&begin, 100_000).await.expect("read the log"))
}

async fn read_up_to(reader: &mut Reader, position: u64) -> Vec<Arc<Record>> {
    let mut read = Vec::new();
    while reader.last().position < position {
        read.extend(within("the reader goes on", BOUND, reader.next(1_000)).await.expect("read"));
    }
    read
}

/// A command's key is known to the log alone, so it tells where a reader got an event from.
fn read_from_the_log(read: &[Arc<Record>]) -> Vec<u64> {
    read.iter().filter(|record| record.key.is_some()).map(|record| record.position).collect()
}

async fn append_keyed(owner: &mut Owner, count: u32) {
    owner.append_these((0..count).map(|number| keyed(number, id::new())).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_lost_the_newest_batch_of_a_lane_gone_quiet_is_noticed() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let mut reader = Reader::tap(log.clone(), &owner.feeds, owner.committer.head());
    owner.append(1).await;
    assert_eq!(read_up_to(&mut reader, 1).await.len(), 1);
    // It finds nothing more in the log, and waits for its tap.
    tokio::select! {
        _ = reader.next(1) => panic!("there is nothing to read"),
        () = async { for _ in 0..20 { stack.event_count().await; } } => {}
    }
    let lost = owner.append_untold(2).await;
    assert_eq!(read_up_to(&mut reader, 3).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_stream_is_reading_the_log() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    append_keyed(&mut owner, 40).await;
    let bus = Bus::connect(stack.nats_url()).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(relay::run(log.clone(), bus.clone(), owner.feeds.clone(), LANE, stop.clone()));
    stream_becomes_log(&jetstream(&stack).await, &log).await;
    let begin = Link::start(LANE, owner.committer.head().incarnation);
    let mut reader = Reader::stream(log.clone(), &bus, begin);
    let mut read = read_up_to(&mut reader, 40).await;
    append_keyed(&mut owner, 20).await;
    read.extend(read_up_to(&mut reader, 60).await);
    assert_eq!(published(&read), published(&whole(&log).await));
    assert_eq!(read_from_the_log(&read), [0; 0], "the stream carried all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_streams_retention_the_log_is_read() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    append_keyed(&mut owner, 30).await;
    let events = whole(&log).await;
    make_stream(&stack, &events, 21).await;
    let bus = Bus::connect(stack.nats_url()).await.unwrap();
    let mut reader = Reader::stream(log.clone(), &bus, Link::start(LANE, owner.committer.head().incarnation));
    let read = read_up_to(&mut reader, 30).await;
    assert_eq!(published(&read), published(&events));
    // Whoever begins where the stream still reaches needs nothing else.
    let mut reader = Reader::stream(log.clone(), &bus, events[19].link());
    let read = read_up_to(&mut reader, 30).await;
    assert_eq!(published(&read), published(&events[20..]));
    assert_eq!(read_from_the_log(&read), [0; 0]);
}

/// A stream whose first messages are gone.
async fn make_stream(stack: &Stack, events: &[Arc<Record>], first: u64) {
    let context = jetstream(stack).await;
    let config = async_nats::jetstream::stream::Config {
        name: subject::stream(LANE),
        subjects: vec![subject::lane_events(LANE)],
        first_sequence: Some(first),
        ..Default::default()
    };
    context.create_stream(config).await.expect("make a stream");
    for event in &events[first as usize - 1..] {
        let acknowledged = context.send_publish(subject::event(event), carrier(event)).await.expect("publish");
        assert_eq!(acknowledged.await.expect("it is stored").sequence, event.position);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_deleted_under_its_reader_loses_nothing() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    append_keyed(&mut owner, 10).await;
    make_stream(&stack, &whole(&log).await, 1).await;
    let bus = Bus::connect(stack.nats_url()).await.unwrap();
    let mut reader = Reader::stream(log.clone(), &bus, Link::start(LANE, owner.committer.head().incarnation));
    let mut read = read_up_to(&mut reader, 10).await;
    jetstream(&stack).await.delete_stream(subject::stream(LANE)).await.unwrap();
    append_keyed(&mut owner, 10).await;
    read.extend(read_up_to(&mut reader, 20).await);
    assert_eq!(published(&read), published(&whole(&log).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_another_history_is_not_believed() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    append_keyed(&mut owner, 10).await;
    let begin = Link::start(LANE, owner.committer.head().incarnation);
    // As many events, each well-formed, chained to each other: another life of the log.
    make_stream(&stack, &records(&begin, 10), 1).await;
    let bus = Bus::connect(stack.nats_url()).await.unwrap();
    let events = whole(&log).await;
    let mut reader = Reader::stream(log.clone(), &bus, events[4].link());
    assert_eq!(published(&read_up_to(&mut reader, 10).await), published(&events[5..]));
}

#[tokio::test]
async fn a_draft_is_the_same_event_wherever_it_is_read() {
    let (_stack, log) = log().await;
    let draft = draft(1);
    let stored = Owner::of(&log).await.append_these(vec![draft.clone()]).await;
    let [event] = &whole(&log).await[..] else { panic!("one event") };
    assert_eq!(*event, stored[0]);
    assert_eq!((&event.payload, &event.metadata, event.time), (&draft.payload, &draft.metadata, draft.time));
    assert_eq!(event.event_id, draft.event_id);
}
