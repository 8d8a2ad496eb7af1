//! The homes of history keep their promises.

use crate::{promises, scylla::Keyspace, support::World};
use natter_projections::message::PostgresHistory;

#[tokio::test]
async fn postgresql_keeps_the_promises_of_history() {
    let world = World::new().await;
    promises::hold(&PostgresHistory::new(world.pool.clone(), world.pool.clone())).await;
}

#[tokio::test]
async fn a_cql_cluster_keeps_the_promises_of_history() {
    let world = World::new().await;
    let keyspace = Keyspace::new();
    promises::hold(&keyspace.store(&world).await).await;
}
