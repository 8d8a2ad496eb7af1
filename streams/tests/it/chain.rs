//! The hash chain: what was changed in the log afterwards is named by its place.

use crate::support::{LANE, Owner, log, sql, whole};
use natter_streams::{Error, Link};

#[tokio::test]
async fn positions_have_no_gap_whoever_appends() {
    let (_stack, log) = log().await;
    for count in 1..=8 {
        Owner::of(&log).await.append(count).await;
    }
    let events = whole(&log).await;
    assert_eq!(events.iter().map(|record| record.position).collect::<Vec<_>>(), (1..=36).collect::<Vec<_>>());
    assert!(events.windows(2).all(|pair| pair[1].previous == pair[0].hash));
}

#[tokio::test]
async fn a_change_of_anything_stored_is_named_by_lane_and_position() {
    let (stack, log) = log().await;
    Owner::of(&log).await.append(9).await;
    let start = Link::start(LANE, log.incarnation(LANE).await.unwrap());
    let changes = [
        "payload = replace(payload::text, 'text', 'tent')::json",
        "payload = (payload::text || ' ')::json",
        "metadata = replace(metadata::text, 'tëst', 'täst')::json",
        "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
        "event_type = 'message_sent_'",
        "event_version = event_version || '0'",
        "event_id = gen_random_uuid()",
        "aggregate_id = gen_random_uuid()::text",
        "aggregate_type = 'inbox'",
        "sequence = 2",
        "time = time + interval '1 millisecond'",
    ];
    for change in changes {
        sql(&stack, "CREATE TABLE kept AS SELECT * FROM events WHERE position = 5").await;
        assert_eq!(sql(&stack, &format!("UPDATE events SET {change} WHERE position = 5")).await, 1);
        match log.read(&start, 100).await {
            Err(Error::Broken { lane, position: 5, .. }) => assert_eq!(lane, LANE, "{change}"),
            other => panic!("{change}: {other:?}"),
        }
        assert!(log.read(&start, 4).await.is_ok(), "{change}: what is before it still holds");
        sql(&stack, "DELETE FROM events WHERE position = 5").await;
        sql(&stack, "INSERT INTO events SELECT * FROM kept").await;
        sql(&stack, "DROP TABLE kept").await;
        assert_eq!(whole(&log).await.len(), 9, "{change}: it was undone");
    }
}

#[tokio::test]
async fn a_missing_event_and_a_replaced_one_are_named() {
    let (stack, log) = log().await;
    Owner::of(&log).await.append(9).await;
    let start = Link::start(LANE, log.incarnation(LANE).await.unwrap());
    sql(&stack, "UPDATE events SET position = CASE position WHEN 7 THEN 8 ELSE 7 END + 100 WHERE position IN (7, 8)")
        .await;
    sql(&stack, "UPDATE events SET position = position - 100 WHERE position > 100").await;
    assert!(matches!(log.read(&start, 100).await, Err(Error::Broken { position: 7, .. })), "two changed places");
    sql(&stack, "DELETE FROM events WHERE position = 3").await;
    assert!(matches!(log.read(&start, 100).await, Err(Error::Broken { position: 4, .. })), "one is gone");
}

#[tokio::test]
async fn a_reader_of_another_chain_is_refused() {
    let (_stack, log) = log().await;
    let events = Owner::of(&log).await.append(3).await;
    let mut link = events[0].link();
    // The hash covers the incarnation: with the same hash it is the same event.
    link.incarnation = natter_streams::id::new();
    assert_eq!(log.read(&link, 100).await.unwrap(), events[1..]);
    link.hash = natter_streams::Hash([9; 32]);
    assert!(matches!(log.read(&link, 100).await, Err(Error::Broken { position: 2, .. })));
}
