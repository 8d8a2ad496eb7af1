//! The homes of history keep their promises.

use crate::{promises, support::World};
use natter_projections::message::PostgresHistory;

#[tokio::test]
async fn postgresql_keeps_the_promises_of_history() {
    let world = World::new().await;
    promises::hold(&PostgresHistory::new(world.pool.clone(), world.pool.clone())).await;
}
