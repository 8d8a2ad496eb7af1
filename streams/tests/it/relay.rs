//! Event N of a lane in PostgreSQL is message N of its stream, whatever happens to the stream.

use crate::support::{
    LANE, Owner, carried, carrier, connect, draft, eventually, jetstream, log, message, published, sql,
    stream_becomes_log, whole,
};
use async_nats::jetstream::Context;
use futures::StreamExt;
use natter_domain::{ConversationId, conversation};
use natter_streams::{
    Draft, Error, Link, Log,
    bus::Bus,
    clock,
    feed::Feeds,
    id,
    relay::{self, Refused},
    seam::Seam,
    stream, subject,
};
use natter_testkit::{BOUND, Proxy, Recorded, Stack, within};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Relay {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Refused>>,
}

impl Relay {
    async fn start(stack: &Stack, log: &Log, feeds: &Feeds) -> Self {
        let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
        let stop = CancellationToken::new();
        let task = tokio::spawn(relay::run(log.clone(), bus, feeds.clone(), LANE, stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        within("the relay stops", BOUND, self.task).await.expect("it did not panic").expect("it did not refuse");
    }

    /// It ends by itself, with the reason.
    async fn refused(self) -> Seam {
        let ended = within("the relay refuses", BOUND, self.task).await.expect("it did not panic");
        ended.expect_err("it refused").seam
    }
}

/// A lane whose ten events are in its stream, and stay watched by a relay.
async fn relayed() -> (Stack, Log, Owner, Relay, Context) {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(10).await;
    let relay = Relay::start(&stack, &log, &owner.feeds).await;
    let context = jetstream(&stack).await;
    stream_becomes_log(&context, &log).await;
    (stack, log, owner, relay, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_the_log() {
    let (_stack, log, mut owner, relay, context) = relayed().await;
    owner.append(1_500).await;
    let large = message(1, 300 * 1024);
    let address = conversation::address(ConversationId(id::new()));
    owner.append_these(vec![Draft::encode(&large, address, 1, "{}".into(), clock::now()).unwrap()]).await;
    owner.append(1).await;
    stream_becomes_log(&context, &log).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_a_cloud_event_that_names_everything_the_chain_covers() {
    let (_stack, log, _owner, _relay, context) = relayed().await;
    let event = whole(&log).await[4].clone();
    let found = context.get_stream(subject::stream(LANE)).await.unwrap();
    let message = found.get_raw_message(5).await.unwrap();
    assert_eq!(message.subject.as_str(), subject::event(&event));
    assert_eq!(message.payload, event.payload.as_bytes());
    let headers = [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", event.event_id.to_string()),
        ("ce-type", "natter.conversation.message_sent".to_owned()),
        ("ce-source", "/natter/conversation".to_owned()),
        ("ce-subject", event.aggregate_id.to_string()),
        ("ce-time", event.time.to_string()),
        ("content-type", "application/json".to_owned()),
        ("natter-lane", "00".to_owned()),
        ("natter-position", "5".to_owned()),
        ("natter-incarnation", event.incarnation.to_string()),
        ("natter-previous", event.previous.to_string()),
        ("natter-hash", event.hash.to_string()),
        ("natter-metadata", event.metadata.to_string()),
    ];
    for (name, value) in headers {
        assert_eq!(message.headers.get(name).map(async_nats::HeaderValue::as_str), Some(value.as_str()), "{name}");
    }
    let config = &found.cached_info().config;
    assert!(config.deny_delete && config.deny_purge, "nobody takes anything out");
}

#[tokio::test]
async fn the_lag_rises_where_nats_was_away_from_the_beginning() {
    let recorded = Recorded::default();
    let _here = recorded.here();
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(2).await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let behind = Stack::on(stack.database_url(), &proxy.url, stack.dir());
    let bus = Bus::connect(behind.nats_url()).await.unwrap();
    proxy.gone();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay::run(log.clone(), bus, owner.feeds.clone(), LANE, stop.clone()));
    tokio::task::yield_now().await;
    owner.append(3).await;
    let lags = async |expected: f64| {
        eventually("the lag is told", async || match recorded.gauge("natter_relay_lag_events") {
            told if told == expected => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    };
    lags(3.0).await;
    proxy.heal();
    lags(0.0).await;
    stream_becomes_log(&jetstream(&stack).await, &log).await;
    stop.cancel();
    within("the relay stops", BOUND, relay).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_filled_again_without_a_new_event() {
    let (_stack, log, _owner, _relay, context) = relayed().await;
    context.delete_stream(subject::stream(LANE)).await.unwrap();
    stream_becomes_log(&context, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_is_noticed_without_a_new_event() {
    let (_stack, log, mut owner, _relay, context) = relayed().await;
    context.publish(subject::event(&whole(&log).await[4]), "intruder".into()).await.unwrap().await.unwrap();
    assert_eq!(carried(&context).await.unwrap().last(), Some(&None), "it stands at our next position");
    stream_becomes_log(&context, &log).await;
    owner.append(3).await;
    stream_becomes_log(&context, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_at_our_position_gives_way() {
    let (_stack, log, mut owner, _relay, context) = relayed().await;
    context.publish(subject::event(&whole(&log).await[4]), "intruder".into()).await.unwrap().await.unwrap();
    owner.append(3).await;
    stream_becomes_log(&context, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_tail_is_filled_up() {
    let (_stack, log, _owner, _relay, context) = relayed().await;
    let config = context.get_stream(subject::stream(LANE)).await.unwrap().cached_info().config.clone();
    context.delete_stream(subject::stream(LANE)).await.unwrap();
    context.create_stream(config).await.unwrap();
    for event in &whole(&log).await[..4] {
        // The relay may have noticed, and be quicker.
        let _ = context.send_publish(subject::event(event), carrier(event)).await.unwrap().await;
    }
    stream_becomes_log(&context, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_at_once_do_no_harm() {
    let (stack, log, mut owner, _relay, context) = relayed().await;
    let other = connect(&stack).await;
    let incarnation = owner.committer.head().incarnation;
    // The other one's process does not own the lane: it hears of nothing, and looks into the log.
    let untold = Feeds::new([Link::start(LANE, incarnation), Link::start(natter_streams::Lane::new(1), incarnation)]);
    let mut looks = context.client().subscribe("$JS.API.STREAM.INFO.EVENTS_00").await.unwrap();
    let _second = Relay::start(&stack, &other, &owner.feeds).await;
    let _third = Relay::start(&stack, &other, &untold).await;
    for _ in 0..5 {
        within("the relays look at the stream", BOUND, looks.next()).await.unwrap();
    }
    let made = created(&context).await;
    for _ in 0..40 {
        owner.append(25).await;
    }
    stream_becomes_log(&context, &log).await;
    assert_eq!(created(&context).await, made, "nothing had to be filled anew");
}

/// When the stream was made: it tells one that was filled anew.
async fn created(context: &Context) -> String {
    let found = context.get_stream(subject::stream(LANE)).await.expect("the stream is there");
    found.cached_info().created.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_log_has_lost_is_left_in_the_stream() {
    let (stack, log, owner, relay, context) = relayed().await;
    relay.stop().await;
    let before = carried(&context).await.unwrap();
    drop(owner);
    // A backup was restored, and life went on.
    sql(&stack, "DELETE FROM events WHERE position > 6").await;
    let mut owner = Owner::of(&log).await;
    owner.append(4).await;
    assert_ne!(published(&whole(&log).await)[9], before[9].clone().unwrap());
    let relay = Relay::start(&stack, &log, &owner.feeds).await;
    assert_eq!(relay.refused().await, Seam::Diverged { position: 7 });
    assert_eq!(carried(&context).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_relay_notices_that_the_log_went_back() {
    let (stack, _log, _owner, relay, context) = relayed().await;
    let before = carried(&context).await.unwrap();
    sql(&stack, "DELETE FROM events WHERE position > 6").await;
    assert_eq!(relay.refused().await, Seam::Ahead { from: 7, to: 10 });
    assert_eq!(carried(&context).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_half_published_is_finished_by_the_next_owner() {
    let (stack, log, mut owner, relay, context) = relayed().await;
    relay.stop().await;
    let batch = owner.append(40).await;
    // One owner's relay came so far, and not all of it was told to anybody.
    for event in &batch[..17] {
        let sent = context.send_publish(subject::event(event), carrier(event)).await.unwrap();
        assert_eq!(sent.await.unwrap().sequence, event.position);
    }
    let made = created(&context).await;
    let other = connect(&stack).await;
    let next = Owner::of(&other).await;
    let _relay = Relay::start(&stack, &other, &next.feeds).await;
    stream_becomes_log(&context, &log).await;
    assert_eq!(created(&context).await, made, "it was filled up, not filled anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_incarnation_is_refused() {
    let (_stack, _log, owner, _relay, context) = relayed().await;
    let ours = Link::start(LANE, owner.committer.head().incarnation);
    assert!(stream::open(&context, &ours).await.is_ok());
    let other = Link::start(LANE, id::new());
    match stream::open(&context, &other).await {
        Err(Error::Unfit(why)) => assert!(why.contains(&ours.incarnation.to_string()), "{why}"),
        other => panic!("not refused: {}", other.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_committed_events_are_published() {
    let (stack, log, mut owner, _relay, context) = relayed().await;
    let holder = crate::support::Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    tokio::select! {
        _ = owner.committer.settled() => panic!("it was answered before it was durable"),
        _ = crate::support::blocked(&stack, 1) => {}
    }
    let mut looks = context.client().subscribe("$JS.API.STREAM.MSG.GET.EVENTS_00").await.unwrap();
    within("the relay looks at the stream's end", BOUND, looks.next()).await.unwrap();
    assert_eq!(carried(&context).await.unwrap().len(), 10);
    holder.release().await;
    owner.settled().await;
    eventually("it is published", async || {
        let carried = carried(&context).await?;
        if carried.len() == 11 { Ok(()) } else { Err(format!("{} messages", carried.len())) }
    })
    .await;
    stream_becomes_log(&context, &log).await;
}
