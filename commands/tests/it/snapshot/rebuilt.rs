//! Snapshots are made again when the shape of states has changed, and a newer one never gives way to an older.

use super::{Scene, somebody, somewhere, talk};
use crate::support::{eventually, sql};
use natter_commands::snapshot::Settings;
use natter_domain::{Decider, conversation::Conversation};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

/// A projector of another time.
const OTHER: &str = "snapshot.other";

fn every(every: u64) -> Settings {
    Settings { every, ..Settings::default() }
}

async fn checkpoints(scene: &Scene) -> Vec<(String, i64)> {
    let rows = sqlx::query_as("SELECT projection, position FROM checkpoints ORDER BY projection");
    rows.fetch_all(scene.stack.pool()).await.expect("read the checkpoints")
}

/// Waits until the projector stands behind this event.
async fn stands(scene: &Scene, name: &str, position: i64) {
    eventually("the checkpoint has moved", async || {
        let checkpoints = checkpoints(scene).await;
        if checkpoints.contains(&(name.to_owned(), position)) { Ok(()) } else { Err(format!("{checkpoints:?}")) }
    })
    .await;
}

/// Ten events, with a snapshot at the last.
async fn ten(settings: Settings) -> (Scene, Uuid) {
    let mut scene = Scene::set().await;
    let here = somewhere().0;
    scene.append::<Conversation>(here, 1, &talk([somebody(), somebody()], 10)).await;
    let running = scene.start(settings);
    stands(&scene, settings.name, 10).await;
    running.stop().await;
    (scene, here)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shape_begins_with_the_first_event() {
    let (scene, here) = ten(Settings { every: 10, name: OTHER }).await;
    let before = scene.stored(here).await.expect("it was made");
    sql(&scene.stack, "UPDATE snapshots SET state_version = 0, state = '{}'").await;
    let running = scene.start(every(10));
    stands(&scene, Settings::default().name, 10).await;
    running.stop().await;
    assert_eq!(scene.stored(here).await.as_ref(), Some(&before), "it is made anew");
    assert_eq!(before.version, Conversation::STATE_VERSION as i32);
    let names: Vec<String> = checkpoints(&scene).await.into_iter().map(|(name, _)| name).collect();
    assert!(!names.contains(&OTHER.to_owned()), "the old one's checkpoint is forgotten: {names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_shape_begins_where_it_was() {
    let (mut scene, here) = ten(every(10)).await;
    sql(&scene.stack, "DELETE FROM snapshots").await;
    let there = somewhere().0;
    let last = scene.append::<Conversation>(there, 1, &talk([somebody(), somebody()], 10)).await;
    let running = scene.start(every(10));
    stands(&scene, Settings::default().name, last as i64).await;
    running.stop().await;
    assert!(scene.stored(there).await.is_some());
    assert_eq!(scene.stored(here).await, None, "its events lie before the checkpoint");
}

/// As after a restore: the checkpoint is not of this log.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_checkpoint_begins_with_the_first_event() {
    let (scene, here) = ten(every(10)).await;
    sql(&scene.stack, "DELETE FROM snapshots").await;
    sql(&scene.stack, "UPDATE checkpoints SET hash = sha256(hash)").await;
    scene.make(every(10), here, 10).await;
}

/// A projector that was paused while another took over finds the other's row in the place of what it had read.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_snapshot_does_not_replace_a_newer_one() {
    let (scene, here) = ten(Settings { every: 10, name: OTHER }).await;
    sql(&scene.stack, "CREATE TABLE newer AS SELECT * FROM snapshots").await;
    sql(&scene.stack, "DELETE FROM snapshots").await;
    let mut other = PgConnection::connect(scene.stack.database_url()).await.expect("connect");
    other.execute("BEGIN; LOCK TABLE snapshots IN SHARE ROW EXCLUSIVE MODE").await.expect("lock the table");
    let late = scene.start(every(7));
    eventually("it is about to store its own", async || {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE relation = 'snapshots'::regclass AND NOT granted")
                .fetch_one(scene.stack.pool())
                .await
                .map_err(|error| error.to_string())?;
        if waiting > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
    })
    .await;
    other.execute("INSERT INTO snapshots SELECT * FROM newer; COMMIT").await.expect("store the newer one");
    stands(&scene, Settings::default().name, 10).await;
    late.stop().await;
    assert_eq!(scene.stored(here).await.map(|stored| stored.sequence), Some(10));
}
