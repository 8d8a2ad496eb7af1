//! An append of who had the lease, or a release, and a takeover meet at the lane's row: in whatever order one of them
//! sees the other.

use crate::{
    lease_support::{Member, PATIENT, STEADY, connect},
    support::{Holder, LANE, LANES, blocked_of, idle, records, sql, whole},
};
use natter_streams::{
    Head, Log,
    lease::{Lease, Share},
    log::{Appended, Ownership},
};
use natter_testkit::{BOUND, Stack, within};

const APPENDS: &[&str] = &["natter writers"];
const TAKEOVERS: &[&str] = &["natter leases"];
const BOTH: &[&str] = &["natter writers", "natter leases"];

/// A node that owned the lane, whose term has passed, and that does not know it yet.
async fn late_owner(stack: &Stack) -> (Log, Ownership, Head) {
    let old = Member::start(stack, LANES, Share::Lanes, STEADY, "old").await;
    old.holds(LANES.into()).await;
    let ownership = ownership(&old.lease(LANE).expect("it holds all"));
    let head = old.log.head(LANE, ownership.incarnation).await.expect("read the head");
    let log = old.die().await;
    sql(stack, "UPDATE lanes SET expires_at = now()").await;
    (log, ownership, head)
}

fn ownership(lease: &Lease) -> Ownership {
    Ownership { lane: lease.lane(), epoch: lease.epoch(), incarnation: lease.incarnation() }
}

async fn new_owner(new: &Member) -> Ownership {
    new.holds(LANES.into()).await;
    ownership(&new.lease(LANE).expect("it holds all"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keepers_takeover_waits_for_the_append_before_it_and_sees_its_events() {
    let stack = Stack::new().await;
    let (old, ownership, head) = late_owner(&stack).await;
    let batch = records(&head.link, 3);
    let holder = Holder::hold(&stack).await;
    let append = tokio::spawn({
        let batch = batch.clone();
        async move { old.append(&ownership, 0, &batch).await }
    });
    blocked_of(&stack, APPENDS, 1).await;
    let new = Member::start(&stack, LANES, Share::Lanes, STEADY, "new").await;
    blocked_of(&stack, BOTH, 2).await;
    holder.release().await;
    assert!(matches!(within("the append ends", BOUND, append).await.unwrap(), Appended::Durable));
    let taken = new_owner(&new).await;
    assert_eq!(taken.epoch, ownership.epoch + 1);
    let head = new.log.head(LANE, taken.incarnation).await.unwrap();
    assert_eq!(head.link, batch[2].link(), "the new owner goes on behind the old one's last append");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_behind_a_keepers_takeover_stores_nothing() {
    let stack = Stack::new().await;
    let (old, ownership, head) = late_owner(&stack).await;
    let batch = records(&head.link, 3);
    let holder = Holder::hold(&stack).await;
    let new = Member::start(&stack, LANES, Share::Lanes, STEADY, "new").await;
    blocked_of(&stack, TAKEOVERS, 1).await;
    let append = tokio::spawn(async move { old.append(&ownership, 0, &batch).await });
    blocked_of(&stack, BOTH, 2).await;
    holder.release().await;
    assert!(matches!(within("the append ends", BOUND, append).await.unwrap(), Appended::Fenced));
    let taken = new_owner(&new).await;
    assert_eq!(taken.epoch, ownership.epoch + 1);
    let first = records(&new.log.head(LANE, taken.incarnation).await.unwrap().link, 2);
    assert!(matches!(new.log.append(&taken, 0, &first).await, Appended::Durable));
    assert_eq!(whole(&connect(&stack, LANES).await).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keepers_takeover_behind_a_renewal_takes_nothing() {
    let stack = Stack::new().await;
    let (_, ownership, _) = late_owner(&stack).await;
    let mut holder = Holder::hold(&stack).await;
    let new = Member::start(&stack, LANES, Share::Lanes, STEADY, "new").await;
    blocked_of(&stack, TAKEOVERS, 1).await;
    holder.run("UPDATE lanes SET expires_at = now() + interval '1 hour' WHERE lane = 0").await;
    holder.release().await;
    blocked_of(&stack, TAKEOVERS, 0).await;
    let epoch: i64 =
        sqlx::query_scalar("SELECT epoch FROM lanes WHERE lane = 0").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(epoch, ownership.epoch);
    new.holds(1).await;
}

/// It was sent under an epoch that has ended when the row is free for it: by a takeover of another, or of its own node.
/// The node stands still from there on, so that it does not look: a row of its own that it does not work on it frees.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_behind_a_takeover_frees_nothing() {
    for taken_by in ["owner", "'another'"] {
        let stack = Stack::new().await;
        let node = Member::start(&stack, LANES, Share::Lanes, PATIENT, "node").await;
        node.holds(LANES.into()).await;
        let mut holder = Holder::hold(&stack).await;
        let before = row(&stack).await;
        node.begin_to_stop();
        blocked_of(&stack, TAKEOVERS, 1).await;
        node.freeze(true);
        holder.run(&format!("UPDATE lanes SET epoch = epoch + 1, owner = {taken_by} WHERE lane = 0")).await;
        holder.release().await;
        idle(&stack, TAKEOVERS).await;
        let (epoch, owner, is_held) = row(&stack).await;
        let expected = if taken_by == "owner" { before.1 } else { "another".to_owned() };
        assert_eq!((epoch, owner, is_held), (before.0 + 1, expected, true));
        node.freeze(false);
        node.stop().await;
    }
}

/// Epoch, owner, and whether the lease runs.
async fn row(stack: &Stack) -> (i64, String, bool) {
    let row = sqlx::query_as("SELECT epoch, owner, expires_at > now() FROM lanes WHERE lane = 0");
    row.fetch_one(stack.pool()).await.expect("read the lane's row")
}
