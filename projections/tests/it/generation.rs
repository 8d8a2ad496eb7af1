//! Laws of generations: rebuilt = live, whatever happened; a switch fails no read and takes back nothing that was seen; a
//! building can be stopped, and is never done twice at once; a row altered, missing or one too many is named.

use crate::support::{BOUND, World, eventually, place};
use natter_domain::{AccountId, ConversationId, conversation};
use natter_projections::{
    Generation, Page, Projection, Store,
    generation::{self, Compared, Entry, Meter, Operator, Outcome, Pace, State, What},
    message::Range,
    repair::{Agreed, Mended, mend},
};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 2] = ["relations", "history"];

pub async fn operator(world: &World, name: &str) -> Operator {
    Operator::begin(&world.log, &world.settings(&world.url), name).await.expect("nobody else works on it")
}

pub fn at_once() -> (Pace, Meter, CancellationToken) {
    (Pace::new(100), Meter::default(), CancellationToken::new())
}

pub async fn catch_up(operator: &Operator, entry: &Entry) {
    let (pace, meter, stop) = at_once();
    let ended = operator.catch_up(entry, &pace, &meter, &stop).await.expect("it catches up");
    assert!(matches!(ended, Outcome::Done(())));
}

pub async fn compare(operator: &Operator, entry: &Entry) -> Compared {
    let (pace, meter, stop) = at_once();
    match operator.compare(entry, &pace, &meter, &stop).await.expect("it is compared") {
        Outcome::Done(compared) => compared,
        Outcome::Stopped => panic!("nobody has stopped it"),
    }
}

async fn shadow(operator: &Operator) -> Entry {
    let entry = operator.shadow(Store::Postgres).await.expect("a shadow is made");
    catch_up(operator, &entry).await;
    entry
}

pub async fn states(world: &World, name: &str) -> Vec<State> {
    let all = generation::list(&world.pool).await.expect("read the generations");
    all.into_iter().filter(|entry| entry.projection.as_str() == name).map(|entry| entry.state).collect()
}

/// Numbers that nobody has chosen.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Lives of a few people, one step after the other, whatever comes.
async fn live_by_chance(world: &World, seed: u64, steps: usize) {
    let mut chance = Chance(seed);
    let mut people = vec![world.register("ann").await, world.register("ben").await];
    let mut pairs: Vec<(AccountId, AccountId, ConversationId, u64)> = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..steps {
        let (one, other) = (people[chance.below(people.len())], people[chance.below(people.len())]);
        match chance.below(8) {
            0 => people.push(world.register("somebody").await),
            1 if one != other => {
                let request = world.request(one, other, "hello", Duration::from_secs(60)).await;
                let conversation = world.accept(request, one, other).await;
                world.start_direct(conversation, [one, other]).await;
                pairs.push((one, other, conversation, 0));
            }
            2 if one != other => drop(world.request(one, other, "", Duration::from_secs(60)).await),
            3 => sessions.push((one, world.sign_in(one).await)),
            4 if !sessions.is_empty() => {
                let (account, session) = sessions.swap_remove(chance.below(sessions.len()));
                world.sign_out(account, session).await;
            }
            5 if !pairs.is_empty() => {
                let (reader, _, conversation, seq) = pairs[chance.below(pairs.len())];
                world.read(reader, conversation, seq).await;
            }
            _ if !pairs.is_empty() => {
                let which = chance.below(pairs.len());
                let pair = &mut pairs[which];
                pair.3 += 1;
                world.say(pair.2, if chance.below(2) == 0 { pair.0 } else { pair.1 }, pair.3).await;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn rebuilt_is_live_whatever_happened() {
    for seed in [1, 2, 3] {
        let world = World::new().await;
        let (projections, running) = world.start().await;
        live_by_chance(&world, seed, 120).await;
        for name in NAMES {
            let operator = operator(&world, name).await;
            let entry = shadow(&operator).await;
            live_by_chance(&world, seed + 10, 20).await;
            let compared = compare(&operator, &entry).await;
            assert!(compared.is_same(), "seed {seed}: {:#?}", compared.differences);
            let rows: u64 = compared.lanes.values().map(|lane| lane.shadow.rows).sum();
            assert!(rows > 0, "seed {seed}: nothing was compared");
        }
        projections.catch_up(&Projection::ALL).await.expect("the live ones go on");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_row_altered_missing_or_one_too_many_is_named() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    running.stop().await;
    let history = operator(&world, "history").await;
    let relations = operator(&world, "relations").await;
    let (messages, people) = (shadow(&history).await, shadow(&relations).await);
    for sql in [
        "UPDATE message SET sender = gen_random_uuid() WHERE seq = 3",
        "DELETE FROM message WHERE seq = 5",
        "INSERT INTO message SELECT conversation_id, 900, gen_random_uuid(), sender, body, sent_at, position FROM message WHERE seq = 7",
        "UPDATE inbox_cursor SET read_seq = read_seq + 1 WHERE read_seq > 0",
    ] {
        sqlx::query(sql).execute(&world.pool).await.unwrap();
    }
    let named = |compared: Compared| -> Vec<(String, What)> {
        compared.differences.into_iter().map(|difference| (difference.key, difference.what)).collect()
    };
    let key = |seq: u64| format!("conversation_id={}, seq={seq}", conversation.0);
    let altered = |column: &str| What::Altered(vec![column.to_owned()]);
    let mut found = named(compare(&history, &messages).await);
    found.sort_by_key(|(key, _)| key.clone());
    let expected = [(key(3), altered("sender")), (key(5), What::Missing), (key(900), What::TooMany)];
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(expected.iter().all(|one| found.contains(one)), "{found:?}");
    let found = named(compare(&relations, &people).await);
    assert!(matches!(&found[..], [(_, What::Altered(columns))] if columns == &["read_seq"]), "{found:?}");
    assert!(history.switch(&messages, false).await.is_err(), "one that is not the same is not switched to");
}

#[tokio::test]
async fn a_switch_fails_no_read_and_takes_nothing_back() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let elsewhere = world.elsewhere("reader").await;
    let (alice, bob, conversation) = world.live_a_little().await;
    let (over, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let talk = async {
        for seq in 21.. {
            if over.load(Ordering::SeqCst) {
                return;
            }
            let token = world.say(conversation, alice, seq).await;
            for reader in [&projections, &elsewhere.projections] {
                let needed = [Projection::Relations, Projection::History];
                reader.wait_within(BOUND, &token, &needed).await.expect("a read sees what was written");
                let range = Range { limit: 1, ..Range::default() };
                let page = reader.message().page(bob, conversation, range).await.expect("no read fails");
                let newest = page.and_then(|page| page.first().map(|message| message.seq));
                assert_eq!(newest, Some(seq), "what was written is not read");
                let list = reader.conversation().list(bob, &Page::default()).await.expect("no read fails");
                assert_eq!(list.items[0].conversation.last_seq, seq);
                reads.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    // Names no position, and never sees less than it has seen.
    let watch = async {
        let mut seen = [(0, 0); 2];
        while !over.load(Ordering::SeqCst) {
            for (reader, seen) in [&projections, &elsewhere.projections].into_iter().zip(&mut seen) {
                let range = Range { limit: 1, ..Range::default() };
                let page = reader.message().page(alice, conversation, range).await.expect("no read fails");
                let newest = page.and_then(|page| page.first().map(|message| message.seq)).unwrap_or_default();
                let list = reader.conversation().list(alice, &Page::default()).await.expect("no read fails");
                let now = (newest, list.items.first().map_or(0, |own| own.conversation.last_seq));
                assert!(now.0 >= seen.0 && now.1 >= seen.1, "read {seen:?}, then {now:?}");
                *seen = now;
            }
            tokio::task::yield_now().await;
        }
    };
    let operate = async {
        for name in NAMES {
            let operator = operator(&world, name).await;
            let entry = shadow(&operator).await;
            let compared = compare(&operator, &entry).await;
            assert!(compared.is_same(), "{:#?}", compared.differences);
            operator.switch(&entry, false).await.expect("switch");
            assert_eq!(states(&world, name).await, [State::Kept, State::Live]);
        }
        let switched = |projections: &natter_projections::Projections| {
            projections.generations().iter().all(|(_, generation)| *generation == Generation::new(2))
        };
        eventually("both read the new ones", async || switched(&projections) && switched(&elsewhere.projections)).await;
        let before = reads.load(Ordering::SeqCst);
        eventually("people read on", async || reads.load(Ordering::SeqCst) > before + 20).await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(talk, watch, operate);
    // The old ones are left, and can go: nobody reads them any more.
    for name in NAMES {
        let operator = operator(&world, name).await;
        assert!(operator.drop_generation(Some(Generation::new(2))).await.is_err(), "the live one is never dropped");
        let dropped = operator.drop_generation(None).await.expect("nobody reads the old one");
        assert_eq!(dropped.generation, Generation::FIRST);
        assert_eq!(states(&world, name).await, [State::Dropped, State::Live]);
    }
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM public.message").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
    let page = projections.message().page(bob, conversation, Range { limit: 5, ..Range::default() }).await.unwrap();
    assert_eq!(page.unwrap().len(), 5);
    running.stop().await;
}

#[tokio::test]
async fn what_was_left_is_caught_up_and_switched_back_to() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, _, conversation) = world.live_a_little().await;
    let operator = operator(&world, "history").await;
    let second = shadow(&operator).await;
    assert!(operator.switch(&second, false).await.is_err(), "it was not compared");
    operator.switch(&second, true).await.unwrap();
    eventually("the second is read", async || projections.generations()[1].1 == Generation::new(2)).await;
    let token = world.say(conversation, alice, 21).await;
    projections.wait_within(BOUND, &token, &[Projection::History]).await.unwrap();
    let first = operator.other().await.unwrap();
    assert_eq!((first.generation, first.state), (Generation::FIRST, State::Kept));
    catch_up(&operator, &first).await;
    operator.switch(&first, false).await.unwrap();
    eventually("the first is read", async || projections.generations()[1].1 == Generation::FIRST).await;
    let token = world.say(conversation, alice, 22).await;
    projections.wait_within(BOUND, &token, &[Projection::History]).await.unwrap();
    let second = operator.other().await.unwrap();
    let compared = compare(&operator, &second).await;
    assert!(compared.is_same(), "{:#?}", compared.differences);
    running.stop().await;
}

/// Many events of one lane, so that a building has many batches.
pub async fn talk_long(world: &World) -> u64 {
    let (alice, _, conversation) = world.pair().await;
    let mut drafts = Vec::new();
    for seq in 1..=3_500 {
        let event = world.message(conversation, alice, seq);
        drafts.push(world.draft(conversation::address(conversation), &event).await);
    }
    let token = world.commit(drafts).await;
    place(&token).1.position
}

#[tokio::test]
async fn a_building_is_stopped_between_two_batches_and_goes_on() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let last = talk_long(&world).await;
    let operator = operator(&world, "history").await;
    let entry = operator.shadow(Store::Postgres).await.unwrap();
    // The rest after a batch is long enough to be stopped in.
    let (pace, meter, stop) = (Pace::new(1), Meter::default(), CancellationToken::new());
    let stopping = async {
        // Of the lane that is long: all others together have less.
        eventually("the first batch is done", async || meter.read().0 >= 250).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(operator.catch_up(&entry, &pace, &meter, &stop), stopping);
    assert!(matches!(ended, Ok(Outcome::Stopped)));
    let rows = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM history_2.message").fetch_one(&world.pool);
        count.await.unwrap()
    };
    let stopped_at = rows().await;
    assert!((1..3_500).contains(&stopped_at), "{stopped_at}");
    let again = operator.shadow(Store::Postgres).await.unwrap();
    assert_eq!(again.generation, entry.generation, "the same one goes on");
    catch_up(&operator, &again).await;
    assert_eq!(rows().await, 3_500);
    assert!(compare(&operator, &again).await.is_same());
    assert!(last >= 3_500);
    running.stop().await;
}

/// So that who sends meanwhile waits for one at the worst.
#[tokio::test]
async fn a_building_has_one_batch_in_hand() {
    let world = World::new().await;
    world.live_a_little().await;
    let operator = operator(&world, "relations").await;
    let entry = operator.shadow(Store::Postgres).await.unwrap();
    let count = async |sql: &str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&world.pool).await.unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert!(count("SELECT count(DISTINCT lane) FROM events").await > 1, "there is work for several lanes");
    let mut held = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE checkpoints IN EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let looking = async {
        eventually("a batch waits", async || count(waiting).await > 0).await;
        // Long enough for another one to come.
        for _ in 0..200 {
            assert_eq!(count(waiting).await, 1, "batches in hand");
        }
        held.rollback().await.unwrap();
    };
    tokio::join!(catch_up(&operator, &entry), looking);
}

#[tokio::test]
async fn one_at_a_time_works_on_a_projection() {
    let world = World::new().await;
    let first = operator(&world, "history").await;
    assert!(Operator::begin(&world.log, &world.settings(&world.url), "history").await.is_err(), "two at once");
    drop(operator(&world, "relations").await);
    drop(first);
    eventually("who has gone holds nobody up", async || {
        Operator::begin(&world.log, &world.settings(&world.url), "history").await.is_ok()
    })
    .await;
    assert!(Operator::begin(&world.log, &world.settings(&world.url), "weather").await.is_err(), "no projection");
    let delivery = operator(&world, "delivery").await;
    assert!(delivery.shadow(Store::Postgres).await.is_err() && delivery.other().await.is_err(), "it has no rows");
}

#[tokio::test]
async fn a_shadow_that_has_seen_more_than_the_log_holds_is_refused_and_begun_anew() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    world.live_a_little().await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    let operator = operator(&world, "history").await;
    let entry = shadow(&operator).await;
    let ahead = "UPDATE checkpoints SET position = position + 50, hash = decode(repeat('07', 32), 'hex')
                 WHERE projection = 'history@2' AND position > 0";
    assert!(sqlx::query(ahead).execute(&world.pool).await.unwrap().rows_affected() > 0);
    let (pace, meter, stop) = at_once();
    assert!(operator.catch_up(&entry, &pace, &meter, &stop).await.is_err(), "it is beyond the log");
    let mended = mend(&world.log, &world.settings(&world.url), &Agreed::new()).await.unwrap();
    assert_eq!(mended, [Mended::BegunAnew { reader: "history@2".to_owned() }], "the live ones are not touched");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM history_2.message").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
    catch_up(&operator, &entry).await;
    assert!(compare(&operator, &entry).await.is_same());
    running.stop().await;
}

/// A table that no projection names would stay behind when its rows are built anew.
#[tokio::test]
async fn every_table_is_a_projections_or_known_to_be_none() {
    const NONE: [&str; 22] = [
        "_sqlx_migrations",
        "candidates",
        "checkpoints",
        "door_changes",
        "door_list",
        "events",
        "installation",
        "lane_stores",
        "lanes",
        "master_key",
        "operator_action",
        "outbox",
        "presence",
        "projection_failures",
        "projection_generation",
        "projection_skipped",
        "readers",
        "sealing_key",
        "seams",
        "server_keys",
        "snapshots",
        "timers",
    ];
    let world = World::new().await;
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    let written: Vec<&str> =
        Projection::ALL.iter().flat_map(|projection| projection.tables()).map(|table| table.name).collect();
    for table in &tables {
        assert!(
            written.contains(&table.as_str()) || NONE.contains(&table.as_str()),
            "{table}: name it in Projection::tables, or here"
        );
    }
    assert!(written.iter().all(|table| tables.iter().any(|there| there == table)));
}
