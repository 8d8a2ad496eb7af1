//! A long conversation: loading it reads what came since its snapshot, and no more.

use super::{Scene, folded, somebody, somewhere, talk};
use crate::support::{Node, eventually, sql};
use natter_commands::snapshot::{EVERY, Settings};
use natter_domain::conversation::Conversation;
use natter_testkit::Stack;
use sqlx::Row;

const LONG: u64 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_of_100_000_events_is_loaded_by_what_came_since() {
    let mut scene = Scene::set().await;
    let (here, events) = (somewhere().0, talk([somebody(), somebody()], LONG + 321));
    scene.append::<Conversation>(here, 1, &events).await;

    let whole = scene.load::<Conversation>(here).await;
    assert_eq!((whole.sequence, whole.read), (LONG + 321, LONG + 321), "without a snapshot it is read from the start");
    assert_eq!(whole.pages, LONG / 1_000 + 1, "but never all of it at once");
    assert_eq!(whole.state, folded::<Conversation>(&events));

    scene.make(Settings::default(), here, LONG).await;
    let loaded = scene.load::<Conversation>(here).await;
    assert_eq!((loaded.sequence, loaded.read, loaded.pages), (LONG + 321, 321, 1));
    assert!(loaded.read <= EVERY);
    assert_eq!(loaded.state, whole.state);
}

/// PostgreSQL keeps the plans of a connection, which it made while the table was small.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_a_small_table_reads_no_more_of_a_large_one() {
    const LOADS: i64 = 10;
    let mut scene = Scene::set().await;
    let (here, events) = (somewhere().0, talk([somebody(), somebody()], 3_000));
    scene.append::<Conversation>(here, 1, &events[..5]).await;
    for _ in 0..LOADS {
        scene.load::<Conversation>(here).await;
    }
    scene.append::<Conversation>(here, 6, &events[5..]).await;
    scene.make(Settings::default(), here, 3_000).await;
    let looks = async || {
        let counted = "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'events_pkey'";
        let row = sqlx::query(counted).fetch_one(scene.stack.pool()).await.expect("read what PostgreSQL counts");
        (row.get::<i64, _>(0), row.get::<i64, _>(1))
    };
    let before = looks().await;
    // A connection tells what it did when it does something a second later.
    let after = eventually("the loads are counted", async || {
        assert_eq!(scene.load::<Conversation>(here).await.read, 0);
        let (scans, read) = looks().await;
        if scans >= before.0 + 4 * LOADS { Ok((scans, read)) } else { Err(format!("{scans} from {}", before.0)) }
    })
    .await;
    // What the projector read once may be among them.
    let read = after.1 - before.1;
    assert!(read < 3_000 * LOADS, "{read} entries in {} looks", after.0 - before.0);
}

/// The projector of a process that serves made the snapshot; the next process decides by it.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_snapshot_is_not_read_again() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let sends = (1..EVERY).map(|_| node.send(alice, conversation, crate::support::message_id(), "x"));
    for sent in futures::future::join_all(sends).await {
        sent.expect("send");
    }
    eventually("its snapshot is made", async || {
        let made = sqlx::query_scalar::<_, i64>("SELECT sequence FROM snapshots WHERE aggregate_id = $1")
            .bind(conversation.to_string())
            .fetch_optional(stack.pool())
            .await;
        if matches!(made, Ok(Some(1_000))) { Ok(()) } else { Err(format!("{made:?}")) }
    })
    .await;
    node.stop().await;
    // Who reads it again fails.
    let unreadable = r#"UPDATE events SET payload = '{"unreadable": {}}' WHERE sequence = 2 AND aggregate_id = "#;
    sql(&stack, &format!("{unreadable} '{conversation}'")).await;
    let node = Node::start(&stack).await;
    assert_eq!(node.sent(alice, conversation, "y").await.seq, EVERY);
}
