//! History moves between PostgreSQL and a cluster while people read: nothing fails, nothing goes back, nothing is lost;
//! a building is cut off anywhere and goes on; what was left is dropped, half-way too.

use super::Keyspace;
use crate::{
    generation::{at_once, catch_up, compare, operator, states, talk_long},
    support::{BOUND, World, eventually, eventually_within},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, message};
use natter_projections::{
    Generation, Projection, Projections, Settings, Store,
    generation::{Entry, Operator, Pace, State},
    message::Range,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

const NEEDED: [Projection; 2] = [Projection::Relations, Projection::History];

/// It knows the cluster, and keeps history in PostgreSQL.
async fn world(keyspace: &Keyspace) -> World {
    let mut world = World::new().await;
    world.cluster = Some(Box::new(keyspace.settings.clone()));
    world.begins_in_postgres = true;
    world
}

async fn shadow(operator: &Operator, store: Store) -> Entry {
    let entry = operator.shadow(store).await.expect("a shadow is made");
    catch_up(operator, &entry).await;
    entry
}

async fn page(projections: &Projections, viewer: AccountId, conversation: ConversationId) -> Vec<wire::Message> {
    let range = Range { limit: 20, ..Range::default() };
    let page = projections.message().page(viewer, conversation, range).await.expect("no read fails");
    page.expect("it exists for its members")
}

/// How far a reader has seen: the newest message, and what has become of the ones that are told of.
fn seen(page: &[wire::Message]) -> Vec<(u64, u64)> {
    let changes = |message: &wire::Message| {
        let reactions: u64 = message.reactions.iter().flatten().map(|reaction| reaction.count).sum();
        reactions + u64::from(message.edited_at.is_some()) + 100 * u64::from(message.recalled_at.is_some())
    };
    page.iter().map(|message| (message.seq, changes(message))).collect()
}

fn goes_on(before: &[(u64, u64)], now: &[(u64, u64)]) -> bool {
    let newest = |seen: &[(u64, u64)]| seen.first().map_or(0, |(seq, _)| *seq);
    let of = |seq| before.iter().find(|(before, _)| *before == seq).map_or(0, |(_, changes)| *changes);
    newest(now) >= newest(before) && now.iter().all(|(seq, changes)| *changes >= of(*seq))
}

/// Sends, reacts, edits and recalls, until told to stop; each is read at once by everybody.
async fn talk(world: &World, readers: &[&Projections], people: (AccountId, AccountId, ConversationId), over: &Over) {
    let (alice, bob, conversation) = people;
    for seq in 21.. {
        if over.is_over() {
            return;
        }
        let message = world.send(conversation, alice, seq).await;
        let emoji = "y".to_owned();
        world.change(message::Event::Reacted { message, account_id: bob, emoji, count: 1 }).await;
        let mut token = world.change(world.edited(message, "edited")).await;
        if seq % 3 == 0 {
            token = world.change(message::Event::Recalled { message, by: alice }).await;
        }
        for reader in readers {
            reader.wait_within(BOUND, &token, &NEEDED).await.expect("a read sees what was written");
            let newest = page(reader, bob, conversation).await.remove(0);
            assert_eq!(newest.seq, seq, "what was written is not read");
            assert!(newest.edited_at.is_some() || newest.recalled_at.is_some(), "an edit is not read");
            assert_eq!(newest.recalled_at.is_some(), seq % 3 == 0);
            // Of a recalled one nothing else is shown.
            let is_marked = newest.reactions.is_some_and(|reactions| reactions.iter().any(|it| it.mine));
            assert_eq!(is_marked, seq % 3 != 0, "bob's own");
            over.read();
        }
    }
}

/// Names no position, and never sees less than it has seen.
async fn watch(readers: &[&Projections], viewer: AccountId, conversation: ConversationId, over: &Over) {
    let mut before = vec![Vec::new(); readers.len()];
    while !over.is_over() {
        for (reader, before) in readers.iter().zip(&mut before) {
            let now = seen(&page(reader, viewer, conversation).await);
            assert!(goes_on(before, &now), "read {before:?}, then {now:?}");
            *before = now;
        }
        tokio::task::yield_now().await;
    }
}

#[derive(Default)]
struct Over {
    over: AtomicBool,
    reads: AtomicU64,
}

impl Over {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn read(&self) {
        self.reads.fetch_add(1, Ordering::SeqCst);
    }

    async fn some_reads(&self) {
        let before = self.reads.load(Ordering::SeqCst);
        eventually_within(6 * BOUND, "people read on", async || self.reads.load(Ordering::SeqCst) > before + 10).await;
    }
}

async fn moved_to(world: &World, store: Store, readers: &[&Projections], over: &Over) {
    let operator = operator(world, "history").await;
    let entry = shadow(&operator, store).await;
    let compared = compare(&operator, &entry).await;
    assert!(compared.is_same(), "{store:?}: {:#?}", compared.differences);
    let rows: u64 = compared.lanes.values().map(|lane| lane.live.rows).sum();
    assert!(rows > 20, "nothing was compared");
    catch_up(&operator, &entry).await;
    operator.switch(&entry, false).await.expect("switch");
    let is_at = |reader: &Projections| reader.generations()[1].1 == entry.generation;
    eventually_within(6 * BOUND, "it is read", async || readers.iter().all(|reader| is_at(reader))).await;
    over.some_reads().await;
    let dropped = operator.drop_generation(None).await.expect("nobody reads the old one");
    assert!(dropped.generation < entry.generation);
    over.some_reads().await;
}

#[tokio::test]
async fn history_moves_to_a_cluster_and_back_while_people_read() {
    let keyspace = Keyspace::new();
    let world = world(&keyspace).await;
    let (projections, running) = world.start().await;
    let elsewhere = world.elsewhere("reader").await;
    let people = world.live_a_little().await;
    let readers = [&projections, &elsewhere.projections];
    for reader in readers {
        eventually_within(6 * BOUND, "they catch up", async || reader.catch_up(&NEEDED).await.is_ok()).await;
    }
    let over = Over::default();
    let operate = async {
        moved_to(&world, Store::Scylla, &readers, &over).await;
        assert!(keyspace.has(2).await);
        moved_to(&world, Store::Postgres, &readers, &over).await;
        assert!(!keyspace.has(2).await, "it is dropped");
        over.over.store(true, Ordering::SeqCst);
    };
    tokio::join!(talk(&world, &readers, people, &over), watch(&readers, people.0, people.2, &over), operate);
    eventually_within(6 * BOUND, "they catch up", async || projections.catch_up(&Projection::ALL).await.is_ok()).await;
    assert_eq!(states(&world, "history").await, [State::Dropped, State::Dropped, State::Live]);
    let operator = operator(&world, "history").await;
    let entry = shadow(&operator, Store::Postgres).await;
    let compared = compare(&operator, &entry).await;
    assert!(compared.is_same(), "as built from the log: {:#?}", compared.differences);
    running.stop().await;
}

#[tokio::test]
async fn a_building_in_a_cluster_that_is_killed_goes_on() {
    let keyspace = Keyspace::new();
    let world = world(&keyspace).await;
    let (_, running) = world.start().await;
    talk_long(&world).await;
    let begun = operator(&world, "history").await;
    let entry = begun.shadow(Store::Scylla).await.unwrap();
    assert!(begun.shadow(Store::Postgres).await.is_err(), "it is being built elsewhere");
    let (_, meter, stop) = at_once();
    let pace = Pace::new(1);
    tokio::select! {
        _ = begun.catch_up(&entry, &pace, &meter, &stop) => panic!("it rests long between two batches"),
        () = eventually_within(6 * BOUND, "the first batch is done", async || meter.read().0 > 0) => {}
    }
    drop(begun);
    eventually("the lock is free", async || {
        Operator::begin(&world.log, &world.settings(&world.url), "history").await.is_ok()
    })
    .await;
    let again = operator(&world, "history").await;
    let same = shadow(&again, Store::Scylla).await;
    assert_eq!(same.generation, entry.generation, "the same one goes on");
    let compared = compare(&again, &same).await;
    assert!(compared.is_same(), "{:#?}", compared.differences);
    assert!(compared.lanes.values().map(|lane| lane.shadow.rows).sum::<u64>() >= 3_500);
    running.stop().await;
}

#[tokio::test]
async fn a_generation_in_a_cluster_is_dropped_and_one_that_is_half_dropped_too() {
    let keyspace = Keyspace::new();
    let world = world(&keyspace).await;
    let (_, running) = world.start().await;
    world.live_a_little().await;
    let operator = operator(&world, "history").await;
    // Killed before, and after the keyspace was thrown away.
    for (generation, is_there) in [(2, true), (3, false)] {
        let entry = shadow(&operator, Store::Scylla).await;
        assert_eq!(entry.generation, Generation::new(generation));
        assert!(keyspace.has(generation).await);
        let half = "UPDATE projection_generation SET state = 'dropping' WHERE state = 'building'";
        sqlx::query(half).execute(&world.pool).await.unwrap();
        if !is_there {
            let system = keyspace.driver_of(generation).await;
            system.run(&format!("DROP KEYSPACE {}", keyspace.name_of(generation))).await;
        }
        let dropped = operator.drop_generation(None).await.expect("it is gone on with");
        assert_eq!(dropped.generation, entry.generation);
        assert!(!keyspace.has(generation).await);
    }
    assert_eq!(states(&world, "history").await, [State::Live, State::Dropped, State::Dropped]);
    let entry = shadow(&operator, Store::Scylla).await;
    let (alien, name) = (keyspace.driver_of(4).await, keyspace.name_of(4));
    alien.run(&format!("UPDATE {name}.installation SET installation_id = uuid() WHERE id = 1")).await;
    assert!(operator.drop_generation(Some(entry.generation)).await.is_err(), "it is another installation's");
    assert!(keyspace.has(4).await);
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_knows_no_cluster_says_so_at_its_start_and_reads_on_while_it_runs() {
    let keyspace = Keyspace::new();
    let mut world = world(&keyspace).await;
    let (projections, running) = world.start().await;
    let (_, bob, conversation) = world.live_a_little().await;
    let cluster = world.cluster.take();
    let unknowing = world.elsewhere("unknowing").await.projections;
    world.cluster = cluster;
    let history = operator(&world, "history").await;
    let entry = shadow(&history, Store::Scylla).await;
    history.switch(&entry, true).await.unwrap();
    eventually_within(6 * BOUND, "who knows it reads it", async || projections.generations()[1].1 == entry.generation)
        .await;
    let refused = history.drop_generation(None).await.expect_err("somebody reads it");
    assert!(refused.to_string().contains("still read history"), "{refused}");
    assert_eq!(unknowing.generations()[1].1, Generation::FIRST);
    assert_eq!(page(&unknowing, bob, conversation).await.len(), 20);
    let settings = Settings { cluster: None, ..world.settings(&world.url) };
    let stop = CancellationToken::new();
    let (feeds, keys) = (world.feeds.clone(), world.keys(&world.log, &world.bus).await);
    let opened = Projections::open(settings, &world.bus, feeds, keys, &stop);
    let refused = opened.await.err().expect("it cannot read what is live").to_string();
    assert!(refused.contains("NATTER_CQL_NODES"), "{refused}");
    running.stop().await;
}
