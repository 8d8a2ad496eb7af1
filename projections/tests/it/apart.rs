//! The read side over several processes: each projection of each lane runs in one of them, and is waited for from any.

use crate::support::{A_MOMENT, BOUND, Elsewhere, LANES, World, dump, eventually, place};
use futures::{StreamExt, stream::BoxStream};
use natter_domain::AccountId;
use natter_projections::{
    Projection, Wait,
    delivery::{DELIVERER, MARK},
};
use natter_streams::{Lane, Node, Positions, bus::HeaderMap, id, lease, relay, subject};
use std::collections::{BTreeMap, BTreeSet};
use tokio_util::sync::{CancellationToken, DropGuard};

const VIEWS: [Projection; 2] = [Projection::Relations, Projection::History];

/// The lanes' owner publishes their streams.
fn relays(world: &World) -> DropGuard {
    let stop = CancellationToken::new();
    for lane in world.log.lanes().iter() {
        tokio::spawn(relay::run(world.log.clone(), world.bus.clone(), world.feeds.clone(), lane, stop.clone()));
    }
    stop.drop_guard()
}

/// By node: how many lanes of the projection it runs.
async fn shares(world: &World, projection: Projection) -> BTreeMap<String, i64> {
    let sql = "SELECT owner, count(*) FROM readers WHERE reader = $1 AND owner <> '' GROUP BY owner";
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).bind(projection.as_str()).fetch_all(&world.pool).await.unwrap();
    rows.into_iter().map(|(owner, count)| (Node::parse(&owner).unwrap().name.to_string(), count)).collect()
}

async fn shared(world: &World, projection: Projection, expected: &[(&str, i64)]) {
    let expected: BTreeMap<String, i64> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    eventually(&format!("{projection:?} is shared as {expected:?}"), async || {
        shares(world, projection).await == expected
    })
    .await;
}

#[tokio::test]
async fn a_projection_runs_beside_no_owner_and_is_waited_for_from_where_it_does_not_run() {
    let world = World::new().await;
    let _relays = relays(&world);
    let (runs, asks) = (world.elsewhere("runs").await, world.elsewhere("asks").await);
    let running = runs.run(&VIEWS);
    let (alice, bob, conversation) = world.pair().await;
    for seq in 1..=20 {
        let token = world.say(conversation, alice, seq).await;
        for process in [&asks, &runs] {
            process.projections.wait(&token, &VIEWS).await.expect("what was written is seen");
            let seen = process.projections.conversation().get(bob, conversation).await.unwrap().unwrap();
            assert_eq!((seen.conversation.last_seq, seen.unread), (seq, seq));
        }
    }
    // The lanes' owner does not run it either.
    let opened = world.open().await;
    opened.catch_up(&VIEWS).await.expect("it has caught up");
    running.stop().await;
}

#[tokio::test]
async fn who_waits_elsewhere_hurries_the_one_who_runs_it() {
    let world = World::new().await;
    let _relays = relays(&world);
    let (runs, asks) = (world.elsewhere("runs").await, world.elsewhere("asks").await);
    let running = runs.run(&[Projection::Relations]);
    let (alice, _, conversation) = world.pair().await;
    shared(&world, Projection::Relations, &[("runs", i64::from(LANES))]).await;
    for seq in 1..=100 {
        let token = world.say(conversation, alice, seq).await;
        asks.projections.wait(&token, &[Projection::Relations]).await.unwrap();
    }
    assert!(runs.projections.hurries() > 0, "a hundred waits, and its pace was not cut once");
    assert_eq!(asks.projections.hurries(), 0, "who does not run it is not told");
    running.stop().await;
}

#[tokio::test]
async fn nobody_is_waited_for_in_vain_where_nobody_runs_it() {
    let world = World::new().await;
    let asks = world.elsewhere("asks").await;
    let (alice, _, conversation) = world.pair().await;
    let token = world.say(conversation, alice, 1).await;
    let waited = asks.projections.wait_within(A_MOMENT, &token, &VIEWS).await;
    assert_eq!(waited, Err(Wait::TooLate));
    let (lane, last) = place(&token);
    let incarnation = world.feeds.lane(lane).head().incarnation;
    let beyond = Positions::one(lane, last.position + 1, incarnation);
    assert_eq!(asks.projections.wait(&beyond, &VIEWS).await, Err(Wait::Impossible), "the log was asked");
}

#[tokio::test]
async fn each_lane_is_run_once_and_moves_when_its_process_stops() {
    let world = World::new().await;
    let _relays = relays(&world);
    let (one, other) = (world.elsewhere("one").await, world.elsewhere("other").await);
    let lanes = i64::from(LANES);
    let first = one.run(&Projection::ALL);
    shared(&world, Projection::Relations, &[("one", lanes)]).await;
    let (alice, bob, conversation) = world.live_a_little().await;
    let second = other.run(&Projection::ALL);
    for projection in Projection::ALL {
        shared(&world, projection, &[("one", lanes / 2), ("other", lanes / 2)]).await;
    }
    for seq in 21..=30 {
        let token = world.say(conversation, alice, seq).await;
        one.projections.wait(&token, &VIEWS).await.unwrap();
        other.projections.wait(&token, &VIEWS).await.unwrap();
    }
    first.stop().await;
    for projection in Projection::ALL {
        shared(&world, projection, &[("other", lanes)]).await;
    }
    let token = world.say(conversation, bob, 31).await;
    // The one that runs nothing any more still answers.
    one.projections.wait(&token, &Projection::ALL).await.unwrap();
    assert_eq!(
        one.projections.conversation().get(alice, conversation).await.unwrap().unwrap().conversation.last_seq,
        31
    );
    second.stop().await;
    let moved = dump(&world.pool).await;
    assert_eq!(moved.iter().filter(|row| row.starts_with("message ")).count(), 31);
}

#[tokio::test]
async fn delivery_waits_for_relations_wherever_it_runs() {
    let world = World::new().await;
    let _relays = relays(&world);
    let (alice, bob, conversation) = world.pair().await;
    let (delivers, relates) = (world.elsewhere("delivers").await, world.elsewhere("relates").await);
    let first = delivers.run(&[Projection::Delivery]);
    let mut to_bob = delivers.context.bus.live().subscribe(subject::user(bob)).await.unwrap();
    delivers.context.bus.live().flush().await.unwrap();
    shared(&world, Projection::Delivery, &[("delivers", i64::from(LANES))]).await;
    world.say(conversation, alice, 1).await;
    let second = relates.run(&[Projection::Relations]);
    let is_sent = |frame: &[u8]| std::str::from_utf8(frame).is_ok_and(|json| json.contains("\"message.sent\""));
    let waiting = async { while !is_sent(&to_bob.next().await.expect("a frame").payload) {} };
    tokio::time::timeout(BOUND, waiting).await.expect("the message is delivered");
    second.stop().await;
    first.stop().await;
}

/// Everything on a person's subject.
async fn subscribe(process: &Elsewhere, account: AccountId) -> BoxStream<'static, HeaderMap> {
    let heard = process.context.bus.live().subscribe(subject::user(account)).await.unwrap();
    heard.filter_map(async |message| message.headers).boxed()
}

#[tokio::test]
async fn a_mark_is_echoed_by_every_node_that_delivers_and_by_no_other() {
    let world = World::new().await;
    let (one, other, third) =
        (world.elsewhere("one").await, world.elsewhere("other").await, world.elsewhere("third").await);
    let (first, second, views) =
        (one.run(&[Projection::Delivery]), other.run(&[Projection::Delivery]), third.run(&VIEWS));
    let start = |process: &Elsewhere| process.context.node.start;
    let both = BTreeSet::from([start(&one), start(&other)]);
    eventually("both deliver", async || third.projections.delivery().nodes().await.unwrap() == both).await;
    let alice = AccountId(id::new());
    let mut heard = subscribe(&third, alice).await;
    let mut echoed = BTreeSet::new();
    while echoed != both {
        let mut headers = HeaderMap::new();
        headers.insert(MARK, "token");
        let client = third.context.bus.live();
        client.publish_with_headers(subject::MARK, headers, alice.to_string().into()).await.unwrap();
        while let Ok(echo) = tokio::time::timeout(A_MOMENT, heard.next()).await {
            let echo = echo.expect("the subscription goes on");
            assert_eq!(echo.get(MARK).unwrap().as_str(), "token");
            echoed.insert(echo.get(DELIVERER).unwrap().as_str().parse().unwrap());
        }
        assert!(echoed.is_subset(&both));
    }
    first.stop().await;
    let rest = BTreeSet::from([start(&other)]);
    eventually("one delivers", async || third.projections.delivery().nodes().await.unwrap() == rest).await;
    second.stop().await;
    views.stop().await;
    assert_eq!(third.projections.delivery().nodes().await.unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn one_that_lost_its_lease_writes_nothing_more() {
    let world = World::new().await;
    let _relays = relays(&world);
    let mut one = world.elsewhere("one").await;
    one.context.settings = lease::Settings { term: BOUND / 20, renew_every: BOUND / 100 };
    let running = one.run(&[Projection::Relations]);
    shared(&world, Projection::Relations, &[("one", i64::from(LANES))]).await;
    let (alice, _, conversation) = world.pair().await;
    let token = world.say(conversation, alice, 1).await;
    one.projections.wait(&token, &[Projection::Relations]).await.unwrap();
    // Somebody else has every lane from now on, and does nothing.
    let sql = "UPDATE readers SET owner = $1, epoch = epoch + 1, expires_at = now() + interval '1 hour'";
    sqlx::query(sql).bind(Node::new("thief").to_string()).execute(&world.pool).await.unwrap();
    let (lane, _) = place(&token);
    eventually("it notices", async || {
        let token = world.say(conversation, alice, 2 + checkpoint(&world, lane).await).await;
        one.projections.wait_within(A_MOMENT, &token, &[Projection::Relations]).await == Err(Wait::TooLate)
    })
    .await;
    let stopped = checkpoint(&world, lane).await;
    world.say(conversation, alice, 1_000).await;
    assert_eq!(one.projections.wait_within(A_MOMENT, &token, &[Projection::Relations]).await, Ok(()));
    assert_eq!(checkpoint(&world, lane).await, stopped);
    running.stop().await;
}

async fn checkpoint(world: &World, lane: Lane) -> u64 {
    let sql = "SELECT coalesce(max(position), 0) FROM checkpoints WHERE projection = 'relations' AND lane = $1";
    sqlx::query_scalar::<_, i64>(sql).bind(lane.number()).fetch_one(&world.pool).await.unwrap() as u64
}
