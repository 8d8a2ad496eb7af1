//! PostgreSQL vanishes without a word and comes back: no connection ends, nothing is answered. And an address that leads
//! to another database.

use crate::support::{BOUND, World, eventually, eventually_within};
use natter_domain::account;
use natter_projections::Projection;
use natter_streams::Lane;
use natter_testkit::Proxy;
use sqlx::{Connection, Executor, PgConnection};

/// As many as the projectors of one projection have connections; no fewer than there are lanes.
const PROJECTORS: i64 = 4;

async fn waiting_for_a_lock(world: &World, application: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = $1";
    sqlx::query_scalar(sql).bind(application).fetch_one(&world.pool).await.unwrap()
}

async fn something_in_every_lane(world: &World) {
    let mut lanes: Vec<Lane> = world.log.lanes().iter().collect();
    while !lanes.is_empty() {
        let somebody = world.lane(account::address(world.register("somebody").await));
        lanes.retain(|lane| *lane != somebody);
    }
}

/// Every projection's checkpoint is at the head of every lane.
async fn all_is_projected(world: &World) {
    let sql = "SELECT coalesce(max(position), 0) FROM checkpoints WHERE projection = $1 AND lane = $2";
    eventually_within(3 * BOUND, "all is projected", async || {
        for (projection, head) in
            Projection::ALL.into_iter().flat_map(|it| world.feeds.heads().into_iter().map(move |head| (it, head)))
        {
            let found = sqlx::query_scalar::<_, i64>(sql).bind(projection.as_str()).bind(head.lane.number());
            if (found.fetch_one(&world.pool).await.unwrap() as u64) < head.position {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_go_on_when_the_server_that_vanished_comes_back() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let proxy = Proxy::before(&world.url).await;
    let behind = world.reaching(&proxy.url, "behind").await;
    let running = behind.run(&Projection::ALL);
    all_is_projected(&world).await;

    // So that every connection of the projectors has a statement under way when the server vanishes.
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE").await.unwrap();
    world.live_a_little().await;
    world.say(conversation, alice, 1).await;
    something_in_every_lane(&world).await;
    for application in ["natter projectors relations", "natter projectors history"] {
        eventually("every projector's connection is in use", async || {
            waiting_for_a_lock(&world, application).await == PROJECTORS
        })
        .await;
    }
    proxy.silent();
    running.stop().await;
    holder.execute("COMMIT").await.unwrap();
    proxy.forget();

    let running = behind.run(&Projection::ALL);
    all_is_projected(&world).await;
    running.stop().await;
}

#[tokio::test]
async fn a_connection_that_leads_to_another_database_is_not_used() {
    let world = World::new().await;
    let (alice, _, conversation) = world.pair().await;
    let (projections, running) = world.start().await;
    let ask = async || projections.conversation().get(alice, conversation).await;
    assert!(ask().await.unwrap().is_some());
    running.stop().await;
    let another = "UPDATE installation SET store_id = gen_random_uuid()";
    sqlx::query(another).execute(&world.pool).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name LIKE 'natter queries%'";
    sqlx::query(end).execute(&world.pool).await.unwrap();
    assert!(ask().await.is_err(), "it is not the database that was opened");
}
