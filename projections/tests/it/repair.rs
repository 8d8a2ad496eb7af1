//! After a declared loss: views that have seen lost events are built again, also under projectors that run, and nobody
//! else is touched.

use crate::support::{TABLES, World, assert_same, dump, eventually_within};
use natter_domain::conversation;
use natter_projections::{
    Projection,
    repair::{Agreed, Mended, beyond, mend},
};
use natter_streams::{Hash, Lane, Link, checkpoint, id, repair::declare_loss};
use std::time::Duration;

/// A projector that has noticed the loss before it was mended waits for half a minute.
const LONG: Duration = Duration::from_secs(90);

/// The lane's newest events are gone, as where its PostgreSQL was restored and the projections' was not.
async fn lose(world: &World, lane: Lane, count: i64) {
    let lost = sqlx::query(
        "DELETE FROM events WHERE lane = $1 AND position > (SELECT max(position) FROM events WHERE lane = $1) - $2",
    )
    .bind(lane.number())
    .bind(count)
    .execute(&world.pool)
    .await
    .unwrap();
    assert_eq!(lost.rows_affected(), count as u64);
}

/// Every projection stands at the head of every lane.
async fn at_the_heads(world: &World) {
    const ELSEWHERE: &str = "
        SELECT count(*) FROM (SELECT lane, max(position) AS head FROM events GROUP BY lane) AS lanes
        CROSS JOIN UNNEST(ARRAY['relations', 'history', 'delivery']) AS projections(projection)
        LEFT JOIN checkpoints USING (projection, lane) WHERE position IS DISTINCT FROM head";
    let behind = async || sqlx::query_scalar::<_, i64>(ELSEWHERE).fetch_one(&world.pool).await.unwrap();
    eventually_within(LONG, "projections are at the heads", async || behind().await == 0).await;
}

#[tokio::test]
async fn views_that_have_seen_lost_events_are_built_again_under_running_projectors() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    at_the_heads(&world).await;
    assert_eq!(beyond(&world.log).await.unwrap(), []);
    assert_eq!(
        mend(&world.log, &world.settings(&world.url), &Agreed::new()).await.unwrap(),
        [],
        "nobody is touched while all is well"
    );

    let lane = world.lane(conversation::address(conversation));
    lose(&world, lane, 3).await;
    let left = world.log.head(lane, id::new()).await.unwrap().link.position;
    let seen: Vec<_> =
        beyond(&world.log).await.unwrap().into_iter().map(|beyond| (beyond.reader, beyond.lane)).collect();
    assert_eq!(seen, ["delivery", "history", "relations"].map(|reader| (reader.to_owned(), lane)));

    let mended = mend(&world.log, &world.settings(&world.url), &Agreed::from([(lane, left)])).await.unwrap();
    let anew = |reader: &str| Mended::BegunAnew { reader: reader.to_owned() };
    let back = Mended::SetBack { reader: "delivery".to_owned(), lane, position: left };
    assert_eq!(mended, [back, anew("history"), anew("relations")]);
    assert_eq!(beyond(&world.log).await.unwrap(), []);

    at_the_heads(&world).await;
    let live = dump(&world.pool).await;
    running.stop().await;
    sqlx::query(&format!("TRUNCATE {}, checkpoints", TABLES.join(", "))).execute(&world.pool).await.unwrap();
    let running = world.run(&world.open().await, &Projection::ALL);
    at_the_heads(&world).await;
    running.stop().await;
    assert_same(&live, &dump(&world.pool).await, "as built from the log alone");
    assert!(live.iter().any(|row| row.starts_with("message ")) && live.iter().any(|row| row.starts_with("account ")));
}

/// Its records are of the incarnation that ended, while relations, which stands at the seam, is of the new one.
#[tokio::test]
async fn delivery_behind_the_seam_does_not_wait_for_an_incarnation_that_has_ended() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (alice, _, conversation) = world.live_a_little().await;
    for seq in 21..=23 {
        world.say(conversation, alice, seq).await;
    }
    at_the_heads(&world).await;
    running.stop().await;

    let lane = world.lane(conversation::address(conversation));
    let back = "UPDATE checkpoints SET position = position - 3, hash = (
                    SELECT hash FROM events WHERE lane = $1 AND events.position = checkpoints.position - 3
                ) WHERE projection = 'delivery' AND lane = $1";
    sqlx::query(back).bind(lane.number()).execute(&world.pool).await.unwrap();
    let declared = declare_loss(&world.log, &world.bus, lane, true).await.unwrap().expect("it is told to");
    // As one that began another day: what is made within a minute begins with the same bytes.
    let apart = uuid::Uuid::from_u128(!declared.incarnation.as_u128());
    for table in ["lanes", "seams"] {
        let apart_in = format!("UPDATE {table} SET incarnation = $1 WHERE incarnation = $2");
        sqlx::query(&apart_in).bind(apart).bind(declared.incarnation).execute(&world.pool).await.unwrap();
    }
    let restarted = world.elsewhere("restarted").await;
    let views = [Projection::Relations, Projection::History];
    let running = [restarted.run(&views)];
    restarted.projections.catch_up(&views).await.expect("they stand at the seam");
    let running = running.into_iter().chain([restarted.run(&[Projection::Delivery])]);
    at_the_heads(&world).await;
    for running in running {
        running.stop().await;
    }
}

/// What was written behind the place where the chains part was read by nobody who stood beyond it.
#[tokio::test]
async fn readers_without_rows_go_back_to_where_the_chains_part() {
    for (told, expected) in [(Some(4), 4), (None, 0)] {
        let world = World::new().await;
        let (_, _, conversation) = world.live_a_little().await;
        let lane = world.lane(conversation::address(conversation));
        let now = world.log.incarnation(lane).await.unwrap();
        let head = world.log.head(lane, now).await.unwrap().link;
        let start = Link::start(lane, head.incarnation);
        // What it has seen is not what stands there now.
        let beyond = Link { hash: Hash([7; 32]), ..head };
        let mut connection = world.pool.acquire().await.unwrap();
        for reader in ["some reaction", "delivery"] {
            checkpoint::advance(&mut connection, reader, &start, &beyond).await.unwrap();
        }
        for position in 1..=head.position {
            let aside = "INSERT INTO projection_failures (projection, lane, position, aggregate_id, event_id, event,
                                                          state, reason, key)
                         VALUES ('delivery', $1, $2, $3, $3, 'conversation.message_sent', 'failed', 'refused', $3)";
            let aside = sqlx::query(aside).bind(lane.number()).bind(position as i64).bind(conversation.0);
            aside.execute(&world.pool).await.unwrap();
        }
        let agreed: Agreed = told.map(|position| (lane, position)).into_iter().collect();
        let back = |reader: &str, position| Mended::SetBack { reader: reader.to_owned(), lane, position };
        let delivery = told.unwrap_or(head.position);
        let mended = mend(&world.log, &world.settings(&world.url), &agreed).await.unwrap();
        assert_eq!(mended, [back("delivery", delivery), back("some reaction", expected)], "told {told:?}");
        let loaded = checkpoint::load(&world.log, "some reaction", lane).await.unwrap();
        assert_eq!(loaded.position, expected);
        let left = sqlx::query_scalar::<_, Option<i64>>("SELECT max(position) FROM projection_failures");
        let left = left.fetch_one(&world.pool).await.unwrap();
        assert_eq!(left, Some(delivery as i64), "what is not in the log any more waits for nothing");
    }
}

/// History takes the lock of its table before it waits for its checkpoint, and mending the other way round.
#[tokio::test]
async fn mending_that_meets_a_projector_half_way_is_done_again() {
    let world = World::new().await;
    let (_, running) = world.start().await;
    let (_, _, conversation) = world.live_a_little().await;
    at_the_heads(&world).await;
    running.stop().await;
    let lane = world.lane(conversation::address(conversation));
    lose(&world, lane, 3).await;

    // Who waits looks for a deadlock once: mending when both wait, the projector never in this test.
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&world.pool).await.unwrap();
    let looks = format!("ALTER DATABASE {database} SET deadlock_timeout = '5s'");
    sqlx::query(&looks).execute(&world.pool).await.unwrap();
    let mut projector = world.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL deadlock_timeout = '10min'").execute(&mut *projector).await.unwrap();
    sqlx::query("LOCK TABLE message IN ROW EXCLUSIVE MODE").execute(&mut *projector).await.unwrap();
    let (log, settings) = (world.log.clone(), world.settings(&world.url));
    let mending = tokio::spawn(async move { mend(&log, &settings, &Agreed::new()).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted
                 AND relation = 'message'::regclass";
    eventually_within(LONG, "it waits for the table", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(&world.pool).await.unwrap() == 1
    })
    .await;
    let moved = "UPDATE checkpoints SET position = position WHERE projection = 'history' AND lane = $1";
    let moved = sqlx::query(moved).bind(lane.number()).execute(&mut *projector).await;
    assert!(moved.is_ok(), "mending gives way: {moved:?}");
    projector.commit().await.unwrap();
    let mended = mending.await.unwrap().expect("it is done again");
    assert!(mended.contains(&Mended::BegunAnew { reader: "history".to_owned() }), "{mended:?}");
    assert_eq!(beyond(&world.log).await.unwrap(), []);
}
