//! After a declared loss: views that have seen lost events are built again, also under projectors that run, and nobody
//! else is touched.

use crate::support::{TABLES, World, assert_same, dump, eventually_within};
use natter_domain::conversation;
use natter_projections::{
    Projection,
    repair::{Mended, beyond, mend},
};
use natter_streams::{Lane, id};
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
    assert_eq!(mend(&world.log).await.unwrap(), [], "nobody is touched while all is well");

    let lane = world.lane(conversation::address(conversation));
    lose(&world, lane, 3).await;
    let left = world.log.head(lane, id::new()).await.unwrap().link.position;
    let seen: Vec<_> =
        beyond(&world.log).await.unwrap().into_iter().map(|beyond| (beyond.reader, beyond.lane)).collect();
    assert_eq!(seen, ["delivery", "history", "relations"].map(|reader| (reader.to_owned(), lane)));

    let mended = mend(&world.log).await.unwrap();
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

#[tokio::test]
async fn readers_without_rows_go_on_at_the_head() {
    let world = World::new().await;
    let (_, _, conversation) = world.live_a_little().await;
    let lane = world.lane(conversation::address(conversation));
    let now = world.log.incarnation(lane).await.unwrap();
    let head = world.log.head(lane, now).await.unwrap().link;
    let start = natter_streams::Link::start(lane, head.incarnation);
    let mut connection = world.pool.acquire().await.unwrap();
    natter_streams::checkpoint::advance(&mut connection, "some reaction", &start, &head).await.unwrap();
    lose(&world, lane, 2).await;
    let back = Mended::SetBack { reader: "some reaction".to_owned(), lane, position: head.position - 2 };
    assert_eq!(mend(&world.log).await.unwrap(), [back]);
    let loaded = natter_streams::checkpoint::load(&world.log, "some reaction", lane).await.unwrap();
    assert_eq!(loaded.position, head.position - 2);
}
