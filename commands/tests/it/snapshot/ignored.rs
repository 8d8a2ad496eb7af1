//! A snapshot that is not to be believed is as good as none, until the next one takes its place.

use super::{Scene, folded, somebody, somewhere, talk};
use crate::support::sql;
use natter_commands::snapshot::Settings;
use natter_domain::{AccountId, conversation::Conversation};
use uuid::Uuid;

const FIVE: u64 = 5;
const SETTINGS: fn() -> Settings = || Settings { every: FIVE, ..Settings::default() };

/// A conversation of seven events with a snapshot at five.
async fn seven() -> (Scene, Uuid, [AccountId; 2]) {
    let mut scene = Scene::set().await;
    let (here, members) = (somewhere().0, [somebody(), somebody()]);
    scene.append::<Conversation>(here, 1, &talk(members, 7)).await;
    scene.make(SETTINGS(), here, FIVE).await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read, loaded.state.last_seq), (7, 2, 6));
    (scene, here, members)
}

/// Spoils the snapshot; the answer is right without it, and three events later there is a good one again.
async fn ignored_after(spoil: &str) {
    let (mut scene, here, members) = seven().await;
    sql(&scene.stack, &format!("UPDATE snapshots SET {spoil}")).await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read), (7, 7), "all events are read after {spoil}");
    assert_eq!(loaded.state, folded::<Conversation>(&talk(members, 7)), "{spoil}");

    scene.append::<Conversation>(here, 8, &talk(members, 10)[7..]).await;
    scene.make(SETTINGS(), here, 10).await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read, loaded.state.last_seq), (10, 0, 9), "{spoil}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version() {
    ignored_after("state_version = state_version + 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage() {
    ignored_after(r#"state = '{"garbage": true}'"#).await;
}

/// It would read well, and lie.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_edited() {
    ignored_after(r#"state = replace(state::text, '"last_seq":4', '"last_seq":3')::json"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_events_name() {
    ignored_after("(sequence, position, hash) = (SELECT sequence, position, hash FROM events WHERE sequence = 6)")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_beyond_the_log() {
    ignored_after("sequence = 8, position = 8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_position() {
    ignored_after("position = position + 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hash() {
    ignored_after("hash = sha256(hash)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hash_at_all() {
    ignored_after("hash = ''").await;
}

/// As after a restore: the log has another fifth event than the one that the snapshot ends with, or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_another_way() {
    let (mut scene, here, members) = seven().await;
    sql(&scene.stack, "UPDATE events SET aggregate_id = gen_random_uuid()::text WHERE sequence >= 4").await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read, loaded.state.last_seq), (3, 3, 2), "the snapshot is beyond the log");

    let mut other = talk(members, 6);
    other.remove(4);
    scene.append::<Conversation>(here, 4, &other[3..]).await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read, loaded.state.last_seq), (5, 5, 5), "the snapshot is another log's");
}

/// What is missing in the log is an error, not a shorter history.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_hole_is_not_loaded() {
    let (scene, here, _) = seven().await;
    sql(&scene.stack, "DELETE FROM snapshots").await;
    sql(&scene.stack, "DELETE FROM events WHERE sequence = 3").await;
    let loaded = natter_commands::snapshot::load::<Conversation>(&scene.log, super::LANE, here).await;
    let Err(natter_commands::Error::Failed { source, .. }) = loaded else { panic!("a history with a hole was loaded") };
    assert_eq!(source.to_string(), format!("event 3 of conversation {here} is missing"));
}
