//! PostgreSQL answers, and takes its time.

use crate::support::{BOUND, World, eventually_within};
use natter_projections::Projection;

/// Longer than the time between two looks at the checkpoint.
#[tokio::test]
async fn a_page_that_takes_long_is_not_begun_anew_for_ever() {
    let world = World::new().await;
    world.register("alice").await;
    let slow = "ALTER TABLE events RENAME TO kept;
        CREATE VIEW events AS SELECT kept.* FROM (SELECT pg_sleep(4)) AS slow, kept";
    sqlx::raw_sql(slow).execute(&world.pool).await.unwrap();
    let projections = world.open().await;
    let running = world.run(&projections, &[Projection::Relations]);
    eventually_within(3 * BOUND, "it is projected", async || {
        let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM account").fetch_one(&world.pool).await.unwrap();
        accounts == 1
    })
    .await;
    running.stop().await;
}
