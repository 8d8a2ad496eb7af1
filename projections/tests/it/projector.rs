//! Laws of the projectors: an event twice ends like once, rebuilt = live, nothing skips what it does not understand.

use crate::support::{A_MOMENT, BOUND, TABLES, World, assert_same, dump, place, registration_started};
use natter_domain::{AccountId, account, conversation};
use natter_projections::{Projection, Wait};
use natter_streams::{Draft, Lane, id};

const VIEWS: [Projection; 2] = [Projection::Relations, Projection::History];

#[tokio::test]
async fn events_become_rows() {
    let world = World::new().await;
    world.live_a_little().await;
    let (_, running) = world.start().await;
    running.stop().await;
    let rows = dump(&world.pool).await;
    let counts = TABLES.map(|table| rows.iter().filter(|row| row.starts_with(&format!("{table} "))).count());
    // accounts, sessions, requests, friendships (two rows a pair), conversations, members, what groups have, views of
    // conversations, marks, what was deleted, messages, their changes, reactions
    assert_eq!(counts, [3, 2, 2, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 1, 1, 20, 4, 1], "{rows:#?}");
    assert!(
        !rows.iter().any(|row| row.contains("alice") || row.contains("number 1")),
        "a personal field is not sealed"
    );
}

#[tokio::test]
async fn a_batch_that_comes_again_changes_nothing() {
    let world = World::new().await;
    world.live_a_little().await;
    crate::group::lives(&world).await;
    crate::channel::lives(&world).await;
    let (_, running) = world.start().await;
    running.stop().await;
    let once = dump(&world.pool).await;
    for back_to in ["0", "position / 2", "greatest(position - 1, 0)"] {
        set_back(&world, back_to).await;
        let (_, running) = world.start().await;
        running.stop().await;
        assert_same(&dump(&world.pool).await, &once, &format!("after going back to {back_to}"));
    }
}

/// Moves every checkpoint back, to the link that the log has there.
async fn set_back(world: &World, position: &str) {
    let sql = format!(
        "WITH target AS (SELECT projection, lane, {position} AS position FROM checkpoints)
         UPDATE checkpoints SET position = target.position, hash = coalesce(
             (SELECT hash FROM events WHERE events.lane = target.lane AND events.position = target.position),
             decode(repeat('00', 32), 'hex'))
         FROM target WHERE checkpoints.projection = target.projection AND checkpoints.lane = target.lane"
    );
    sqlx::query(&sql).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn rebuilt_is_live() {
    let world = World::new().await;
    // Live: projected event by event, as they come.
    let (projections, running) = world.start().await;
    world.live_a_little().await;
    crate::group::lives(&world).await;
    crate::channel::lives(&world).await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    running.stop().await;
    let live = dump(&world.pool).await;
    sqlx::query(&format!("TRUNCATE {}, checkpoints", TABLES.join(", "))).execute(&world.pool).await.unwrap();
    assert_eq!(dump(&world.pool).await, Vec::<String>::new());
    // Rebuilt: in batches, from the log alone.
    let (_, running) = world.start().await;
    running.stop().await;
    assert_same(&dump(&world.pool).await, &live, "rebuilt");
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_and_is_tried_again() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    // No fault of the events: theirs would be set aside.
    let broken = "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$";
    sqlx::query(broken).execute(&world.pool).await.unwrap();
    for table in ["account", "message"] {
        let sql = format!("CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION broken()");
        sqlx::query(&sql).execute(&world.pool).await.unwrap();
    }
    let (alice, _, conversation) = world.pair().await;
    projections.catch_up(&[Projection::History]).await.unwrap();
    let token = world.say(conversation, alice, 1).await;
    assert_eq!(projections.wait_within(A_MOMENT, &token, &[Projection::History]).await, Err(Wait::TooLate));
    // The checkpoint is moved first in the transaction, and taken back with it.
    assert_eq!(checkpoint(&world, "relations", world.lane(account::address(alice))).await, 0);
    let (lane, sent) = place(&token);
    assert_eq!(checkpoint(&world, "history", lane).await, sent.position as i64 - 1);
    for table in ["account", "message"] {
        sqlx::query(&format!("DROP TRIGGER broken ON {table}")).execute(&world.pool).await.unwrap();
    }
    projections.catch_up(&Projection::ALL).await.expect("it is tried again");
    assert!(projections.account().own(alice).await.unwrap().is_some());
    running.stop().await;
}

async fn checkpoint(world: &World, projection: &str, lane: Lane) -> i64 {
    let sql = "SELECT coalesce(max(position), 0) FROM checkpoints WHERE projection = $1 AND lane = $2";
    sqlx::query_scalar(sql).bind(projection).bind(lane.number()).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn an_unknown_event_stops_its_lane_and_nothing_else() {
    let world = World::new().await;
    let (known, after) = (AccountId(id::new()), AccountId(id::new()));
    let route = account::address(known).route;
    let draft = async |account| {
        let address = natter_domain::Address { route, ..account::address(account) };
        let [username, nickname] = ["x", "y"].map(|text| world.sealed(account.0, text));
        let event = registration_started(username, nickname);
        world.draft(address, &event).await
    };
    let good = draft(known).await;
    let unknown = Draft { payload: r#"{"knighted":{}}"#.into(), event_type: "knighted", sequence: 2, ..good.clone() };
    let unknown = Draft { event_id: id::event(), ..unknown };
    let token = world.commit(vec![good, unknown, draft(after).await]).await;

    let projections = world.open().await;
    let running = world.run(&projections, &VIEWS);
    let (lane, last) = place(&token);
    assert_eq!(last.position, 3);
    let head = world.feeds.lane(lane).head();
    let first = natter_streams::Positions::one(lane, 1, head.incarnation);
    projections.wait_within(BOUND, &first, &[Projection::Relations]).await.expect("what comes before it is applied");
    let waited = projections.wait_within(A_MOMENT, &token, &[Projection::Relations]).await;
    assert_eq!(waited, Err(Wait::TooLate), "an event was skipped");
    projections.wait_within(BOUND, &token, &[Projection::History]).await.expect("who does not read it goes on");
    let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM account").fetch_one(&world.pool).await.unwrap();
    assert_eq!(accounts, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_checkpoint_of_another_log_is_refused() {
    let world = World::new().await;
    let (alice, _, conversation) = world.live_a_little().await;
    let (_, running) = world.start().await;
    running.stop().await;
    sqlx::query("UPDATE checkpoints SET hash = $1").bind(&[1u8; 32][..]).execute(&world.pool).await.unwrap();
    let before = dump(&world.pool).await;
    let token = world.say(conversation, alice, 21).await;
    let projections = world.open().await;
    let running = world.run(&projections, &VIEWS);
    for view in VIEWS {
        assert_eq!(projections.wait_within(A_MOMENT, &token, &[view]).await, Err(Wait::TooLate), "{view:?}");
    }
    running.stop().await;
    assert_same(&dump(&world.pool).await, &before, "with a checkpoint of another log");
}

#[tokio::test]
async fn a_thousand_messages_are_a_handful_of_statements() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let mut drafts = Vec::new();
    for seq in 1..=1_000 {
        let event = world.message(conversation, alice, seq);
        drafts.push(world.draft(conversation::address(conversation), &event).await);
    }
    world.commit(drafts).await;
    let (_, running) = world.start().await;
    running.stop().await;
    // What one statement of one transaction wrote has one (xmin, cmin).
    let sql = "SELECT count(DISTINCT (xmin::text, cmin::text)) FROM message";
    let statements: i64 = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert!(statements <= 2, "{statements} statements");
    // A thousand versions of the conversation's row would fill pages.
    let sql = "SELECT pg_relation_size('conversation') / current_setting('block_size')::bigint";
    let pages: i64 = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(pages, 1, "the conversation's row was written for every message");
}
