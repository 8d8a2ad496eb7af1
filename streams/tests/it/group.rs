//! What several lanes have ready at the same time is one commit, and each lane fares as if it were alone.

use crate::support::{Holder, LANE, blocked, eventually, keyed, records};
use futures::future::join_all;
use natter_streams::{
    Head, Lane, Log, Record, id,
    log::{Appended, Ownership, chain},
};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Connection, Executor, PgConnection};
use std::sync::Arc;

const LANES: u16 = 8;

type Batch = (Ownership, Vec<Arc<Record>>);

/// Eight lanes, and a batch for each.
async fn ready() -> (Stack, Log, Vec<Batch>) {
    let stack = Stack::new().await;
    let log = Log::connect(stack.database_url(), Some(LANES)).await.expect("open the log");
    let mut batches = Vec::new();
    for lane in log.lanes().iter() {
        let (ownership, head) = log.take_over(lane, "owner").await.expect("take the lane over");
        batches.push((ownership, records(&head.link, 3)));
    }
    (stack, log, batches)
}

/// On one thread none is written before all are ready.
async fn commit(log: &Log, batches: &[Batch]) -> Vec<Appended> {
    let committing =
        batches.iter().map(|(ownership, batch)| log.commit(ownership, batch[0].position - 1, batch.clone()));
    within("every lane is answered", BOUND, join_all(committing)).await
}

fn durable(appended: &[Appended]) -> Vec<usize> {
    let is_durable = |index: &usize| matches!(appended[*index], Appended::Durable);
    (0..appended.len()).filter(is_durable).collect()
}

async fn transactions(stack: &Stack) -> i64 {
    let count = sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM events");
    count.fetch_one(stack.pool()).await.expect("count the transactions")
}

async fn stored(log: &Log, lane: usize) -> Vec<Arc<Record>> {
    let lane = Lane::new(u8::try_from(lane).expect("a lane's number"));
    let incarnation = log.incarnation(lane).await.expect("the lane is there");
    log.read(&natter_streams::Link::start(lane, incarnation), 1_000).await.expect("read the lane")
}

#[tokio::test]
async fn lanes_that_are_ready_together_are_one_commit() {
    let (stack, log, batches) = ready().await;
    assert_eq!(durable(&commit(&log, &batches).await), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(transactions(&stack).await, 1);
    for (lane, (_, batch)) in batches.iter().enumerate() {
        assert_eq!(&stored(&log, lane).await, batch);
    }
}

#[tokio::test]
async fn a_lane_that_is_lost_stores_nothing_and_stops_no_other() {
    let (stack, log, batches) = ready().await;
    let other = Log::connect(stack.database_url(), None).await.unwrap();
    other.take_over(Lane::new(2), "another").await.unwrap();
    let appended = commit(&log, &batches).await;
    assert_eq!(durable(&appended), [0, 1, 3, 4, 5, 6, 7]);
    assert!(matches!(appended[2], Appended::Fenced), "{appended:?}");
    assert!(stored(&log, 2).await.is_empty());
    assert_eq!(transactions(&stack).await, 1);
}

#[tokio::test]
async fn a_lane_that_does_not_end_where_it_was_left_stores_nothing_and_stops_no_other() {
    let (_stack, log, mut batches) = ready().await;
    let mut base = batches[4].1[0].link();
    base.position = 7;
    batches[4].1 = records(&base, 2);
    let appended = commit(&log, &batches).await;
    assert_eq!(durable(&appended), [0, 1, 2, 3, 5, 6, 7]);
    assert!(matches!(appended[4], Appended::Fenced), "{appended:?}");
}

#[tokio::test]
async fn a_key_that_is_stored_already_ends_its_own_lane_only() {
    let (stack, log, mut batches) = ready().await;
    let key = id::new();
    let again = |number: u32, batch: &[Arc<Record>]| {
        let base =
            natter_streams::Link { position: 0, ..natter_streams::Link::start(batch[0].lane, batch[0].incarnation) };
        chain(&base, [keyed(number, key)])
    };
    let (first, rest) = batches.split_at_mut(1);
    first[0].1 = again(0, &first[0].1);
    assert_eq!(durable(&commit(&log, first).await), [0]);
    rest[2].1 = again(1, &rest[2].1);
    let appended = commit(&log, rest).await;
    assert_eq!(durable(&appended), [0, 1, 3, 4, 5, 6]);
    assert!(matches!(appended[2], Appended::Repeated), "{appended:?}");
    assert_eq!(stack.event_count().await, 1 + 6 * 3);
}

#[tokio::test]
async fn a_lane_whose_row_is_held_is_waited_for_by_nobody_else() {
    let (stack, log, batches) = ready().await;
    let holder = Holder::hold(&stack).await;
    let (held, others): (Vec<Batch>, Vec<Batch>) = batches.into_iter().partition(|(own, _)| own.lane == LANE);
    let waiting = tokio::spawn({
        let log = log.clone();
        let (ownership, batch) = held[0].clone();
        async move { log.commit(&ownership, 0, batch).await }
    });
    assert_eq!(durable(&commit(&log, &others).await), [0, 1, 2, 3, 4, 5, 6]);
    assert!(!waiting.is_finished());
    holder.release().await;
    assert!(matches!(within("the held lane is answered", BOUND, waiting).await.unwrap(), Appended::Durable));
}

/// The server has said that nothing was stored: no lane has to be taken over again for that.
#[tokio::test]
async fn a_statement_that_is_cancelled_is_tried_again_lane_by_lane() {
    let (stack, log, batches) = ready().await;
    let mut holder = PgConnection::connect(stack.database_url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let committing = tokio::spawn({
        let log = log.clone();
        async move { commit(&log, &batches).await }
    });
    let backend = blocked(&stack, 1).await[0];
    let cancel = sqlx::query_scalar("SELECT pg_cancel_backend($1)").bind(backend);
    assert!(cancel.fetch_one(stack.pool()).await.unwrap_or(false));
    // As many as there are writers: each lane is tried alone.
    blocked(&stack, 4).await;
    holder.execute("COMMIT").await.unwrap();
    assert_eq!(durable(&committing.await.unwrap()), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_any_more_is_written_nevertheless() {
    let (_stack, log, batches) = ready().await;
    let (ownership, batch) = &batches[0];
    let mut committing = Box::pin(log.commit(ownership, 0, batch.clone()));
    assert!(futures::poll!(&mut committing).is_pending());
    drop(committing);
    eventually("it is stored", async || match stored(&log, 0).await.len() {
        3 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    let Head { link, .. } = log.head(LANE, ownership.incarnation).await.unwrap();
    assert_eq!(link, batch[2].link());
}
