//! The cluster goes away in every way there is; the rest goes on, and nothing is lost or doubled.

use super::Keyspace;
use crate::support::{A_MOMENT, BOUND, Running, World, eventually_within};
use natter_domain::{AccountId, ConversationId};
use natter_projections::{Error, Projection, Projections, message::Range};
use natter_testkit::Proxy;
use std::time::Duration;
use tokio::time::Instant;

/// As in production, where reads must fail while somebody still waits for them.
const READ: Duration = Duration::from_secs(2);

/// A world whose history is reached through a network that can fail.
async fn world(keyspace: &mut Keyspace) -> (World, Proxy) {
    let proxy = Proxy::before(&format!("cql://{}", keyspace.settings.contact_points[0])).await;
    let address = proxy.url.strip_prefix("cql://").expect("the proxy keeps the scheme");
    keyspace.settings.contact_points = vec![address.to_owned()];
    keyspace.settings.read_timeout = READ;
    keyspace.settings.write_timeout = Duration::from_secs(5);
    let mut world = World::new().await;
    world.cluster = Some(Box::new(keyspace.settings.clone()));
    // Only an installation without events begins there.
    world.open().await;
    (world, proxy)
}

async fn seqs(projections: &Projections, viewer: AccountId, conversation: ConversationId) -> Result<Vec<u64>, Error> {
    let range = Range { after_seq: Some(0), limit: 200, ..Range::default() };
    let page = projections.message().page(viewer, conversation, range).await?;
    Ok(page.unwrap_or_default().into_iter().map(|message| message.seq).collect())
}

/// Reads until what was said is there: each once, in order.
async fn all_is_read(projections: &Projections, viewer: AccountId, conversation: ConversationId, last: u64) {
    eventually_within(6 * BOUND, "all that was said is read", async || {
        seqs(projections, viewer, conversation).await.is_ok_and(|seqs| seqs.iter().copied().eq(1..=last))
    })
    .await;
}

/// It says so while a person still waits, as something that passes.
async fn is_unavailable(projections: &Projections, viewer: AccountId, conversation: ConversationId) {
    let begin = Instant::now();
    let read = seqs(projections, viewer, conversation).await;
    let of_history = |error: &Error| match error {
        Error::Shared(shared) => matches!(**shared, Error::History { .. }),
        error => matches!(error, Error::History { .. }),
    };
    assert!(read.as_ref().is_err_and(of_history), "{read:?}");
    assert!(read.as_ref().is_err_and(Error::is_passing), "{read:?}");
    assert!(begin.elapsed() < 10 * READ, "{:?}", begin.elapsed());
}

async fn all_of_relations(projections: &Projections) {
    let relations = [Projection::Relations];
    eventually_within(6 * BOUND, "relations catches up", async || projections.catch_up(&relations).await.is_ok()).await;
}

async fn relations_goes_on(world: &World, projections: &Projections) {
    let erin = world.register("erin").await;
    all_of_relations(projections).await;
    assert!(projections.account().own(erin).await.unwrap().is_some());
}

async fn start(world: &World) -> (Projections, Running) {
    let projections = world.open().await;
    let running = world.run(&projections, &Projection::ALL);
    (projections, running)
}

#[tokio::test]
async fn a_cluster_that_is_down_at_the_start_is_waited_for() {
    let mut keyspace = Keyspace::new();
    let (world, proxy) = world(&mut keyspace).await;
    proxy.gone();
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = start(&world).await;
    for seq in 1..=5 {
        world.say(conversation, alice, seq).await;
    }
    all_of_relations(&projections).await;
    is_unavailable(&projections, bob, conversation).await;
    relations_goes_on(&world, &projections).await;
    eventually_within(6 * BOUND, "all but history is served", async || projections.is_ready()).await;
    proxy.heal();
    all_is_read(&projections, bob, conversation, 5).await;
    assert!(projections.is_ready(), "what comes later is lag");
    running.stop().await;
}

/// Only one that was tried in vain is not waited for.
#[tokio::test]
async fn a_node_whose_cluster_is_there_is_ready_when_history_has_caught_up() {
    let mut keyspace = Keyspace::new();
    let (world, _proxy) = world(&mut keyspace).await;
    world.pair().await;
    let projections = world.open().await;
    let running = world.run(&projections, &[Projection::Relations, Projection::Delivery]);
    all_of_relations(&projections).await;
    world.confirmed().await;
    let ready = eventually_within(BOUND, "it is ready", async || projections.is_ready());
    assert!(tokio::time::timeout(A_MOMENT, ready).await.is_err(), "nobody runs history");
    let history = world.run(&projections, &[Projection::History]);
    eventually_within(6 * BOUND, "history catches up", async || projections.is_ready()).await;
    for running in [running, history] {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_cluster_that_falls_silent_fails_reads_in_time_and_goes_on() {
    let mut keyspace = Keyspace::new();
    let (world, proxy) = world(&mut keyspace).await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = start(&world).await;
    world.say(conversation, alice, 1).await;
    all_is_read(&projections, bob, conversation, 1).await;
    proxy.silent();
    world.say(conversation, alice, 2).await;
    is_unavailable(&projections, bob, conversation).await;
    relations_goes_on(&world, &projections).await;
    proxy.heal();
    all_is_read(&projections, bob, conversation, 2).await;
    running.stop().await;
}

/// Writes without an answer may have been made or not: they are made again.
#[tokio::test]
async fn connections_that_end_amid_batches_lose_and_double_nothing() {
    const SAID: u64 = 120;
    let mut keyspace = Keyspace::new();
    let (world, proxy) = world(&mut keyspace).await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = start(&world).await;
    world.say(conversation, alice, 1).await;
    all_is_read(&projections, bob, conversation, 1).await;
    for seq in 2..=SAID {
        world.say(conversation, alice, seq).await;
        match seq % 30 {
            5 => proxy.swallow(),
            10 | 20 => proxy.cut(),
            _ => {}
        }
    }
    proxy.heal();
    all_is_read(&projections, bob, conversation, SAID).await;
    running.stop().await;
}
