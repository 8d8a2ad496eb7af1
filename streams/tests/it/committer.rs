//! Group commit: what rides together, when it is answered, and what a failed batch gives back.

use crate::support::{
    Holder, LANE, LANES, Owner, blocked, blocked_of, connect, draft, eventually, keyed, log, sql, terminate, whole,
};
use natter_domain::Timestamp;
use natter_streams::{
    Log,
    committer::{BATCH_EVENTS, Ended, Settled},
    id,
};
use natter_testkit::{Proxy, Recorded, Stack};
use sqlx::{Connection, Executor, PgConnection};

/// Starts what is queued, and leaves it waiting for the lane's row.
async fn start_blocked(owner: &mut Owner, stack: &Stack) -> Vec<i32> {
    tokio::select! {
        _ = owner.committer.settled() => panic!("it was answered before it was durable"),
        waiting = blocked(stack, 1) => waiting,
    }
}

fn answers(settled: Settled<u32>) -> Vec<(u32, usize)> {
    match settled {
        Settled::Committed { answers, .. } => {
            answers.into_iter().map(|(answer, events)| (answer, events.len())).collect()
        }
        Settled::Ended { why, .. } => panic!("the batch is not stored: {why:?}"),
    }
}

fn ended(settled: Settled<u32>) -> (Vec<u32>, Ended) {
    match settled {
        Settled::Ended { jobs, why } => (jobs, why),
        Settled::Committed { answers, .. } => panic!("{} jobs were committed", answers.len()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_while_a_batch_is_in_flight_rides_one_commit() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(0)], 0);
    start_blocked(&mut owner, &stack).await;
    for number in 1..=500 {
        owner.committer.queue(vec![draft(number)], number);
    }
    assert_eq!(owner.committer.waiting(), 501);
    holder.release().await;
    assert_eq!(answers(owner.settled().await), [(0, 1)]);
    assert_eq!(answers(owner.settled().await), (1..=500).map(|number| (number, 1)).collect::<Vec<_>>());
    let commits: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM events").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(commits, 2);
    let positions: Vec<u64> = whole(&log).await.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=501).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_before_it_is_durable() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(0), draft(1)], 7);
    owner.committer.queue(Vec::new(), 8);
    // Polled, dropped and polled again: the batch in flight is one and the same.
    start_blocked(&mut owner, &stack).await;
    start_blocked(&mut owner, &stack).await;
    assert_eq!(stack.event_count().await, 0);
    holder.release().await;
    assert_eq!(answers(owner.settled().await), [(7, 2), (8, 0)]);
    assert_eq!(stack.event_count().await, 2);
}

#[tokio::test]
async fn a_batch_holds_no_more_events_than_one_statement_should() {
    let (_stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let many = BATCH_EVENTS as u32 + 1;
    owner.committer.queue((0..many).map(draft).collect(), 0);
    for number in 1..=many {
        owner.committer.queue(vec![draft(number)], number);
    }
    assert_eq!(answers(owner.settled().await), [(0, BATCH_EVENTS + 1)], "one job is never split");
    assert_eq!(answers(owner.settled().await).len(), BATCH_EVENTS);
    assert_eq!(answers(owner.settled().await).len(), 1);
}

#[tokio::test]
async fn an_answer_without_events_is_given_by_the_lanes_owner_only() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.committer.queue(Vec::new(), 1);
    assert_eq!(answers(owner.settled().await), [(1, 0)]);
    Owner::of(&connect(&stack).await).await;
    owner.committer.queue(Vec::new(), 2);
    owner.committer.queue(Vec::new(), 3);
    assert_eq!(ended(owner.settled().await), (vec![2, 3], Ended::Fenced));
}

#[tokio::test]
async fn a_batch_of_who_lost_the_lane_is_not_stored() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    // The new owner has not written anything: the epoch alone tells.
    Owner::of(&connect(&stack).await).await;
    owner.committer.queue(vec![draft(1)], 1);
    owner.committer.queue(Vec::new(), 2);
    assert_eq!(ended(owner.settled().await), (vec![1, 2], Ended::Fenced));
    assert_eq!(stack.event_count().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_gives_all_jobs_back_in_order() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let key = id::new();
    owner.append_these(vec![keyed(0, key)]).await;
    let holder = Holder::hold(&stack).await;
    for number in 1..=3 {
        owner.committer.queue(vec![draft(number)], number);
    }
    owner.committer.queue(vec![keyed(4, key)], 4);
    owner.committer.queue(Vec::new(), 5);
    start_blocked(&mut owner, &stack).await;
    owner.committer.queue(vec![draft(6)], 6);
    owner.committer.queue(vec![draft(7)], 7);
    holder.release().await;
    assert_eq!(ended(owner.settled().await), (vec![1, 2, 3, 4, 5, 6, 7], Ended::Repeated));
    assert_eq!(stack.event_count().await, 1);
    assert_eq!(owner.append(1).await[0].position, 2, "the lane goes on where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_was_killed_before_it_could_land_is_given_back() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(2).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    let backend = start_blocked(&mut owner, &stack).await[0];
    owner.committer.queue(vec![draft(2)], 2);
    terminate(&stack, backend).await;
    // The lane is being taken over again; until that has ended nothing is said.
    tokio::select! {
        _ = owner.committer.settled() => panic!("the outcome is not known yet"),
        () = waits_to_retake(&stack) => {}
    }
    holder.release().await;
    assert_eq!(ended(owner.settled().await), (vec![1, 2], Ended::Lost));
    assert_eq!(stack.event_count().await, 2);
    assert_eq!(owner.append(1).await[0].position, 3, "the lane is still ours");
    assert_eq!(whole(&log).await.len(), 3);
}

#[tokio::test]
async fn an_append_that_lands_after_its_connection_was_lost_is_answered_as_stored_and_counted() {
    let recorded = Recorded::default();
    let _here = recorded.here();
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.database_url()).await;
    let log = Log::connect(&proxy.url, Some(LANES)).await.unwrap();
    let mut owner = Owner::of(&log).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1), draft(2)], 1);
    owner.committer.queue(vec![draft(3)], 2);
    start_blocked(&mut owner, &stack).await;
    proxy.orphan();
    // The orphan still waits, and now the one who asks what became of it waits behind it.
    tokio::select! {
        _ = owner.committer.settled() => panic!("the outcome is not known yet"),
        () = waits_to_retake(&stack) => {}
    }
    assert_eq!(stack.event_count().await, 0);
    holder.release().await;
    assert_eq!(answers(owner.settled().await), [(1, 2), (2, 1)]);
    assert_eq!(stack.event_count().await, 3);
    assert_eq!(recorded.counter("natter_log_events_total"), 3);
    assert_eq!(owner.append(1).await[0].position, 4);
    assert_eq!(whole(&log).await.len(), 4);
}

async fn waits_to_retake(stack: &Stack) {
    eventually("the lane is taken over again", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE 'UPDATE lanes%'",
        )
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if waiting == 1 { Ok(()) } else { Err(format!("{waiting} takeovers wait")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_append_of_who_lost_the_lane_meanwhile_is_nobodys() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    let backend = start_blocked(&mut owner, &stack).await[0];
    let taking = tokio::spawn({
        let log = connect(&stack).await;
        async move { log.take_over(LANE, "new").await.map(drop) }
    });
    blocked(&stack, 2).await;
    terminate(&stack, backend).await;
    holder.release().await;
    taking.await.unwrap().unwrap();
    assert_eq!(ended(owner.settled().await), (vec![1], Ended::Fenced));
    assert_eq!(stack.event_count().await, 0);
}

/// It was ours for a moment, and belongs to somebody who has written before its head was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_taken_between_its_retaking_and_the_look_at_its_head_has_not_gone_back() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(1).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    let backend = start_blocked(&mut owner, &stack).await[0];
    let mut other = PgConnection::connect(stack.database_url()).await.unwrap();
    terminate(&stack, backend).await;
    other.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let settled = tokio::spawn(async move { ended(owner.settled().await) });
    waits_to_retake(&stack).await;
    holder.release().await;
    blocked_of(&stack, &["natter readers"], 1).await;
    let write = "UPDATE lanes SET epoch = epoch + 1, owner = 'new' WHERE lane = 0;
        INSERT INTO events (lane, position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                            payload, metadata, time, hash)
        SELECT lane, position + 1, gen_random_uuid(), aggregate_type, aggregate_id, sequence + 1, event_type,
               event_version, payload, metadata, time, decode(repeat('07', 32), 'hex') FROM events WHERE lane = 0;
        COMMIT";
    other.execute(write).await.unwrap();
    assert_eq!(settled.await.unwrap(), (vec![1], Ended::Fenced));
}

/// PostgreSQL as it was some events ago, under the owner's feet: a backup was restored.
async fn went_back(stack: &Stack) {
    assert!(sql(stack, "DELETE FROM events WHERE position > 1").await > 0);
}

#[tokio::test]
async fn a_log_that_went_back_closes_the_lane_at_the_next_append() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(3).await;
    went_back(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    owner.committer.queue(Vec::new(), 2);
    assert_eq!(ended(owner.settled().await), (vec![1, 2], Ended::Restored));
    assert_eq!(stack.event_count().await, 1, "nothing is written behind what was lost");
}

#[tokio::test]
async fn a_log_that_went_back_closes_the_lane_at_the_next_answer_without_events() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(3).await;
    went_back(&stack).await;
    owner.committer.queue(Vec::new(), 1);
    assert_eq!(ended(owner.settled().await), (vec![1], Ended::Restored));
}

#[tokio::test]
async fn an_epoch_that_went_back_closes_the_lane() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(3).await;
    sql(&stack, "UPDATE lanes SET epoch = 0, owner = 'somebody before'").await;
    owner.committer.queue(vec![draft(1)], 1);
    assert_eq!(ended(owner.settled().await), (vec![1], Ended::Restored));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_taken_over_again_and_ends_earlier_than_it_did_is_closed() {
    let (stack, log) = log().await;
    let mut owner = Owner::of(&log).await;
    owner.append(3).await;
    let holder = Holder::hold(&stack).await;
    owner.committer.queue(vec![draft(1)], 1);
    let backend = start_blocked(&mut owner, &stack).await[0];
    terminate(&stack, backend).await;
    went_back(&stack).await;
    holder.release().await;
    assert_eq!(ended(owner.settled().await), (vec![1], Ended::Restored));
    assert_eq!(stack.event_count().await, 1);
}

#[tokio::test]
async fn no_event_is_stamped_earlier_than_the_lanes_last_one() {
    let (stack, log) = log().await;
    Owner::of(&log).await.append(1).await;
    sql(&stack, "UPDATE events SET time = time + interval '1 hour'").await;
    let mut owner = Owner::of(&log).await;
    let last = log.head(LANE, owner.committer.head().incarnation).await.unwrap().time;
    assert_eq!(owner.committer.stamp(natter_streams::clock::now()), last);
    let later = last + std::time::Duration::from_millis(1);
    assert_eq!(owner.committer.stamp(later), later);
    assert_eq!(owner.committer.stamp(Timestamp::default()), later);
}
