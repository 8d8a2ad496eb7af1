//! A reader of its own choosing: the tap while the lane is written in this process, the stream otherwise. What it hands
//! out is the log, in order, once, however the lane comes and goes.

use crate::support::{LANE, LANES, Owner, eventually, jetstream, keyed, log, published, stream_becomes_log, whole};
use natter_streams::{Lane, Link, Log, Record, bus::Bus, feed::Feeds, id, reader::Reader, relay};
use natter_testkit::{BOUND, Stack, within};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One process with the lane's owner and relay, and another with a reader, to which the lane comes and goes.
struct Two {
    owner: Owner,
    /// The reader's.
    here: Feeds,
    log: Log,
    bus: Bus,
    committed: Vec<Arc<Record>>,
    stop: CancellationToken,
    stack: Stack,
}

impl Two {
    async fn new() -> Self {
        let (stack, log) = log().await;
        let owner = Owner::of(&log).await;
        let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
        let (here, stop) = (feeds(&log).await, CancellationToken::new());
        tokio::spawn(relay::run(log.clone(), bus.clone(), owner.feeds.clone(), LANE, stop.clone()));
        Self { owner, here, log, bus, committed: Vec::new(), stop, stack }
    }

    async fn append(&mut self, count: u32) {
        let drafts = (0..count).map(|number| keyed(number, id::new())).collect();
        let batch = self.owner.append_these(drafts).await;
        if self.here.lane(LANE).is_open() {
            self.here.lane(LANE).publish(Arc::new(batch.clone()), self.owner.committer.head());
        }
        self.committed.extend(batch);
    }

    fn set_open(&self, is_open: bool) {
        let feed = self.here.lane(LANE);
        if is_open { feed.open(self.owner.committer.head()) } else { feed.close() }
    }

    fn reader(&self) -> Following {
        let incarnation = self.owner.committer.head().incarnation;
        Following::start(Reader::new(self.log.clone(), &self.bus, &self.here, Link::start(LANE, incarnation)))
    }

    async fn read_by(&self, reader: &Following) {
        let head = self.owner.committer.head().position;
        eventually("the reader reaches the head", async || {
            let position = reader.position.load(Ordering::Relaxed);
            if position == head { Ok(()) } else { Err(format!("{position} of {head}")) }
        })
        .await;
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn feeds(log: &Log) -> Feeds {
    let mut heads = Vec::new();
    for lane in 0..LANES {
        let lane = Lane::new(u8::try_from(lane).expect("there are few"));
        heads.push(Link::start(lane, log.incarnation(lane).await.expect("the lane is there")));
    }
    Feeds::new(heads)
}

/// A reader that reads on beside the test.
struct Following {
    position: Arc<AtomicU64>,
    stop: CancellationToken,
    task: JoinHandle<Vec<Arc<Record>>>,
}

impl Following {
    fn start(mut reader: Reader) -> Self {
        let (position, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (told, stopped) = (position.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut read = Vec::new();
            while let Some(records) = stopped.run_until_cancelled(reader.next(50)).await {
                read.extend(records.expect("read"));
                told.store(reader.last().position, Ordering::Relaxed);
            }
            read
        });
        Self { position, stop, task }
    }

    async fn read(self) -> Vec<Arc<Record>> {
        self.stop.cancel();
        within("the reader stops", BOUND, self.task).await.expect("it did not panic")
    }
}

/// Where an event was read: the tap hands out what the owner committed itself, and what came by the stream has no key.
#[derive(Debug, PartialEq, Eq)]
enum From {
    Tap,
    Stream,
    Log,
}

fn source(two: &Two, record: &Arc<Record>) -> From {
    if Arc::ptr_eq(record, &two.committed[record.position as usize - 1]) {
        From::Tap
    } else if record.key.is_none() {
        From::Stream
    } else {
        From::Log
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_the_log_however_the_lane_comes_and_goes() {
    let mut two = Two::new().await;
    let reader = two.reader();
    for round in 0..60 {
        two.set_open(round % 2 == 0);
        // Some rounds last until the reader has seen the change, others end before it has.
        if round % 5 == 0 {
            two.append(1).await;
            two.read_by(&reader).await;
        }
        for count in 0..round % 4 {
            two.append(1 + count).await;
        }
    }
    two.read_by(&reader).await;
    let read = reader.read().await;
    assert_eq!(published(&read), published(&whole(&two.log).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tap_is_read_while_the_lane_is_here_and_the_stream_otherwise() {
    let mut two = Two::new().await;
    let reader = two.reader();
    let mut begun = Vec::new();
    for round in 0..6 {
        two.set_open(round % 2 == 1);
        // Once this is read, the reader has changed; once these are, by this source.
        two.append(1).await;
        two.read_by(&reader).await;
        begun.push(two.committed.len());
        two.append(20).await;
        two.read_by(&reader).await;
    }
    let read = reader.read().await;
    let mut sources = Vec::new();
    for (round, begun) in begun.into_iter().enumerate() {
        let wrong = if round % 2 == 0 { From::Tap } else { From::Stream };
        for record in &read[begun..begun + 20] {
            let source = source(&two, record);
            assert_ne!(source, wrong, "round {round}");
            sources.push(source);
        }
    }
    assert!(sources.contains(&From::Tap) && sources.contains(&From::Stream), "{sources:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_holds_is_not_handed_out_one_by_one() {
    let mut two = Two::new().await;
    for _ in 0..10 {
        two.append(40).await;
    }
    stream_becomes_log(&jetstream(&two.stack).await, &two.log).await;
    let begin = Link::start(LANE, two.owner.committer.head().incarnation);
    let mut reader = Reader::new(two.log.clone(), &two.bus, &two.here, begin);
    let (mut read, mut batches) = (Vec::new(), 0);
    while read.len() < two.committed.len() {
        read.extend(within("the reader goes on", BOUND, reader.next(1_000)).await.expect("read"));
        batches += 1;
        // As a projection that writes what it got, while the rest arrives.
        two.log.incarnation(LANE).await.expect("the log answers");
    }
    assert!(read.iter().any(|record| source(&two, record) == From::Stream));
    assert!(batches <= 40, "{} events came in {batches} batches", read.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_lanes_elsewhere_are_asked_of_the_log() {
    let mut two = Two::new().await;
    let feeds = Feeds::start(&two.log, &two.stop).await.expect("read the heads");
    two.append(3).await;
    within("the log answers", BOUND, feeds.refresh()).await;
    assert_eq!(feeds.lane(LANE).head(), two.owner.committer.head().into());
    two.append(4).await;
    eventually("it is asked again by itself", async || {
        let head = feeds.lane(LANE).head();
        if head == two.owner.committer.head().into() { Ok(()) } else { Err(format!("{head:?}")) }
    })
    .await;
}
