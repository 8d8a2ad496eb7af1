//! The keyspace and its tables.

use super::Keyspace;
use crate::support::World;
use futures::future;
use natter_projections::message::HistoryStore;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn nodes_that_start_at_once_make_one_keyspace() {
    let world = World::new().await;
    let keyspace = Keyspace::new();
    let stores = future::join_all((0..4).map(|_| keyspace.store(&world))).await;
    for store in stores {
        assert!(store.last(&[]).await.is_ok());
    }
    let rows = keyspace.driver().await;
    let applied = rows.0.query_unpaged("SELECT number, checksum FROM migration", ()).await.unwrap();
    let applied = applied.into_rows_result().unwrap();
    let numbers: BTreeSet<i64> = applied.rows::<(i64, String)>().unwrap().map(|row| row.unwrap().0).collect();
    assert_eq!(numbers, natter_migrations::SCYLLA.iter().map(|(number, ..)| *number).collect());
}

/// A store that never comes to be, with this done to the tables of one that was.
async fn is_refused(world: &World, keyspace: &mut Keyspace, done: &str) {
    drop(keyspace.store(world).await);
    keyspace.driver().await.0.query_unpaged(done, ()).await.unwrap();
    keyspace.settings.read_timeout = Duration::from_secs(4);
    let store = keyspace.open(world);
    let read = store.last(&[]).await;
    assert!(read.as_ref().is_err_and(natter_projections::Error::is_passing), "{read:?}");
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_applied_is_refused() {
    let world = World::new().await;
    let changed = "UPDATE migration SET checksum = 'another' WHERE number = 1";
    is_refused(&world, &mut Keyspace::new(), changed).await;
}

#[tokio::test]
async fn the_keyspace_of_another_installation_is_refused() {
    let world = World::new().await;
    let other = "UPDATE installation SET installation_id = 00000000-0000-0000-0000-000000000001 WHERE id = 1";
    is_refused(&world, &mut Keyspace::new(), other).await;
}
