//! Nodes share lanes on the real servers: fairly, in order where there is time, and after a term where there is none.

use crate::{
    lease_support::{Held, Member, PATIENT, QUICK, STEADY, connect, shares},
    support::{LANE, eventually, sql},
};
use natter_streams::{
    Lane, Node,
    lease::{Lease, Settings, Share},
};
use natter_testkit::{BOUND, Stack, within};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

const LANES: u16 = 16;
const READER: Share = Share::Reader("reader");

async fn owners(stack: &Stack, table: &str) -> Vec<Option<Node>> {
    let select = format!("SELECT owner FROM {table} ORDER BY lane");
    let owners: Vec<String> = sqlx::query_scalar(&select).fetch_all(stack.pool()).await.expect("read owners");
    owners.iter().map(|owner| Node::parse(owner)).collect()
}

async fn lanes_are_shared(share: Share, table: &str) {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, share, PATIENT, "a").await;
    a.holds(16).await;
    let b = Member::start(&stack, LANES, share, PATIENT, "b").await;
    shares(&[&a, &b], &[8, 8]).await;
    let c = Member::start(&stack, LANES, share, PATIENT, "c").await;
    shares(&[&a, &b, &c], &[5, 5, 6]).await;
    let mut all: Vec<Lane> = [&a, &b, &c].iter().flat_map(|member| member.lanes()).collect();
    all.sort();
    assert_eq!(all, a.log.lanes().iter().collect::<Vec<_>>(), "each lane once");
    for member in [&a, &b, &c] {
        let owners = owners(&stack, table).await;
        for lane in member.lanes() {
            assert_eq!(owners[lane.index()].as_ref(), Some(&member.node));
            assert!(member.lease(lane).is_some_and(|lease| lease.is_held()));
        }
    }
}

/// Nobody here looks by itself within the test's bound: what is seen was told.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_lanes_and_a_third_gets_its_part() {
    lanes_are_shared(Share::Lanes, "lanes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_shared_as_lanes_are() {
    lanes_are_shared(READER, "readers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_hands_over_without_waiting_for_a_term() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, PATIENT, "a").await;
    let b = Member::start(&stack, LANES, Share::Lanes, PATIENT, "b").await;
    shares(&[&a, &b], &[8, 8]).await;
    a.stop().await;
    b.holds(16).await;
    b.stop().await;
    assert_eq!(owners(&stack, "lanes").await, vec![None; 16]);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM candidates").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_is_replaced_after_the_term() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, QUICK, "a").await;
    let b = Member::start(&stack, LANES, Share::Lanes, QUICK, "b").await;
    shares(&[&a, &b], &[8, 8]).await;
    a.die().await;
    b.holds(16).await;
}

/// The keeper stands still, the work goes on: it ends by its own clock, before anybody else begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_renews_has_ended_here_before_it_begins_elsewhere() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, QUICK, "a").await;
    a.holds(16).await;
    let old: Held = Arc::default();
    old.lock().unwrap().clone_from(&a.held.lock().unwrap());
    a.freeze(true);
    let both = Arc::new(AtomicUsize::new(0));
    let work = {
        let (old, both) = (old.clone(), both.clone());
        move |lease: Lease| {
            let both_hold = old.lock().unwrap()[&lease.lane()].is_held();
            both.fetch_add(usize::from(both_hold), Ordering::SeqCst);
            async { true }
        }
    };
    let b = Member::work(&stack, LANES, Share::Lanes, QUICK, "b", work).await;
    b.holds(16).await;
    a.holds(0).await;
    assert_eq!(both.load(Ordering::SeqCst), 0, "leases that two held at once");
    a.freeze(false);
    shares(&[&a, &b], &[8, 8]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_start_under_the_same_name_waits_for_no_term() {
    let stack = Stack::new().await;
    let first = Member::start(&stack, LANES, Share::Lanes, PATIENT, "a").await;
    first.holds(16).await;
    let (name, start) = (first.node.name.clone(), first.node.start);
    first.die().await;
    let second = Member::start(&stack, LANES, Share::Lanes, PATIENT, &name).await;
    second.holds(16).await;
    assert_ne!(second.node.start, start);
    assert!(second.lease(LANE).unwrap().epoch() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_epoch_its_owner_has_raised_stays_its_owners() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, STEADY, "a").await;
    a.holds(16).await;
    let lease = a.lease(LANE).unwrap();
    sql(&stack, "UPDATE lanes SET epoch = epoch + 1 WHERE lane = 0").await;
    let renewed = async || -> Vec<u8> {
        let select = "SELECT convert_to(expires_at::text, 'UTF8') FROM lanes WHERE lane = 0";
        sqlx::query_scalar(select).fetch_one(stack.pool()).await.unwrap()
    };
    for _ in 0..3 {
        let before = renewed().await;
        eventually(
            "it is renewed",
            async || {
                if renewed().await > before { Ok(()) } else { Err("it is not".to_owned()) }
            },
        )
        .await;
    }
    assert!(lease.is_held());
    assert_eq!(a.lease(LANE).map(|lease| lease.epoch()), Some(lease.epoch()), "the same lease, not another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_has_taken_is_lost_at_once() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, PATIENT, "a").await;
    a.holds(16).await;
    connect(&stack, LANES).await.take_over(LANE, "tool").await.unwrap();
    let lease = a.lease(LANE).unwrap();
    // Its coming makes the first look.
    let b = Member::start(&stack, LANES, Share::Lanes, PATIENT, "b").await;
    within("it is lost", BOUND, lease.lost()).await;
    assert!(!lease.is_held());
    eventually("the rest is shared", async || match a.lanes().len() + b.lanes().len() {
        15 => Ok(()),
        other => Err(format!("{other} are held")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_row_is_stuck_takes_no_other_with_it() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, STEADY, "a").await;
    a.holds(16).await;
    let leases = a.held.lock().unwrap().clone();
    let holder = crate::support::Holder::hold(&stack).await;
    within("its term passes", BOUND, leases[&LANE].lost()).await;
    let others: Vec<&Lease> = leases.values().filter(|lease| lease.lane() != LANE).collect();
    assert!(others.iter().all(|lease| lease.is_held()), "the others were renewed meanwhile");
    holder.release().await;
    a.holds(16).await;
    assert!(a.lease(LANE).unwrap().epoch() > leases[&LANE].epoch());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_comes_back_or_panics_is_begun_anew_under_another_lease() {
    let stack = Stack::new().await;
    let begun = Arc::new(AtomicUsize::new(0));
    let work = {
        let begun = begun.clone();
        move |lease: Lease| {
            let time = if lease.lane() == LANE { begun.fetch_add(1, Ordering::SeqCst) } else { 2 };
            async move {
                assert!(time > 0, "the first time it panics");
                // The second time it comes back.
                time > 1
            }
        }
    };
    let a = Member::work(&stack, LANES, Share::Lanes, STEADY, "a", work).await;
    a.holds(16).await;
    assert_eq!(begun.load(Ordering::SeqCst), 3);
    assert_eq!(a.lease(LANE).unwrap().epoch(), 3);
    assert_eq!(a.lease(Lane::new(1)).unwrap().epoch(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_meanwhile_is_not_released() {
    let stack = Stack::new().await;
    let taken = Arc::new(Notify::new());
    let work = {
        let taken = taken.clone();
        move |lease: Lease| {
            let taken = taken.clone();
            async move {
                if lease.lane() == LANE {
                    taken.notified().await;
                }
                lease.lane() != LANE
            }
        }
    };
    let a = Member::work(&stack, LANES, Share::Lanes, PATIENT, "a", work).await;
    a.holds(15).await;
    connect(&stack, LANES).await.take_over(LANE, "tool").await.unwrap();
    // Its work comes back, as if an append had been fenced; the keeper has not seen it yet.
    taken.notify_one();
    a.stop().await;
    let owner: String =
        sqlx::query_scalar("SELECT owner FROM lanes WHERE lane = 0").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(owner, "tool");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_learns_who_owns_what() {
    let stack = Stack::new().await;
    let a = Member::start(&stack, LANES, Share::Lanes, PATIENT, "a").await;
    a.holds(16).await;
    let b = Member::start(&stack, LANES, Share::Lanes, PATIENT, "b").await;
    shares(&[&a, &b], &[8, 8]).await;
    let directory = a.directory.clone();
    eventually("all owners are known", async || {
        let right =
            |member: &Member| member.lanes().iter().all(|lane| directory.owner(*lane).as_ref() == Some(&member.node));
        if right(&a) && right(&b) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let (lane, from) = (b.lanes()[0], b.node.clone());
    let changed = directory.changed(lane, Some(from.clone()));
    assert_eq!(directory.changed(lane, None).await, Some(from.clone()), "it is another already");
    b.stop().await;
    assert_ne!(within("the directory hears of it", BOUND, changed).await, Some(from.clone()));
    eventually("the new owner is known", async || {
        let owner = directory.owner(lane);
        if owner.as_ref() == Some(&a.node) { Ok(()) } else { Err(format!("{owner:?}")) }
    })
    .await;
    directory.learn(lane, Some(from.clone()));
    assert_eq!(directory.owner(lane), Some(from.clone()), "whoever was asked knows better");
    let corrected = directory.changed(lane, Some(from));
    assert_eq!(within("old news are corrected", BOUND, corrected).await, Some(a.node.clone()));
}

#[test]
fn a_term_has_room_for_three_renewals() {
    let settings = |term, renew_every| Settings {
        term: Duration::from_millis(term),
        renew_every: Duration::from_millis(renew_every),
    };
    assert!(Settings::default().check().is_ok());
    assert!(settings(3_000, 1_000).check().is_ok());
    assert!(settings(2_999, 1_000).check().is_err());
    assert!(settings(3_000, 0).check().is_err());
}
