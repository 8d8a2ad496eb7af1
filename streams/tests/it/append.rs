//! An append and a takeover of the same lane meet: in both orders one of them sees the other.

use crate::support::{Holder, LANE, blocked, connect, log, records, whole};
use natter_streams::log::Appended;
use natter_testkit::{BOUND, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_for_the_append_before_it_and_sees_its_events() {
    let (stack, old) = log().await;
    let (ownership, head) = old.take_over(LANE, "old").await.unwrap();
    let batch = records(&head.link, 3);
    let holder = Holder::hold(&stack).await;
    let append = tokio::spawn({
        let (old, batch) = (old.clone(), batch.clone());
        async move { old.append(&ownership, 0, &batch).await }
    });
    blocked(&stack, 1).await;
    let new = connect(&stack).await;
    let takeover = tokio::spawn(async move { new.take_over(LANE, "new").await });
    blocked(&stack, 2).await;
    holder.release().await;
    assert!(matches!(within("the append ends", BOUND, append).await.unwrap(), Appended::Durable));
    let (taken, head) = within("the takeover ends", BOUND, takeover).await.unwrap().unwrap();
    assert_eq!(head.link, batch[2].link(), "the new owner goes on behind the old one's last append");
    assert_eq!(taken.epoch, ownership.epoch + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_behind_a_takeover_stores_nothing() {
    let (stack, old) = log().await;
    let (ownership, head) = old.take_over(LANE, "old").await.unwrap();
    let batch = records(&head.link, 3);
    let holder = Holder::hold(&stack).await;
    let new = connect(&stack).await;
    let takeover = tokio::spawn(async move { new.take_over(LANE, "new").await });
    blocked(&stack, 1).await;
    let append = tokio::spawn({
        let old = old.clone();
        async move { old.append(&ownership, 0, &batch).await }
    });
    blocked(&stack, 2).await;
    holder.release().await;
    let (_, head) = within("the takeover ends", BOUND, takeover).await.unwrap().unwrap();
    assert!(matches!(within("the append ends", BOUND, append).await.unwrap(), Appended::Fenced));
    assert_eq!(head.link.position, 0);
    assert_eq!(stack.event_count().await, 0);
}

#[tokio::test]
async fn an_append_on_a_wrong_base_stores_nothing() {
    let (stack, log) = log().await;
    let (ownership, head) = log.take_over(LANE, "owner").await.unwrap();
    let first = records(&head.link, 5);
    assert!(matches!(log.append(&ownership, 0, &first).await, Appended::Durable));
    for base in [0, 4, 6] {
        let mut link = first[4].link();
        link.position = base;
        let batch = records(&link, 2);
        assert!(matches!(log.append(&ownership, base, &batch).await, Appended::Fenced), "base {base}");
    }
    assert_eq!(stack.event_count().await, 5);
    assert_eq!(whole(&log).await, first);
}

#[tokio::test]
async fn who_lost_the_lane_neither_appends_nor_owns_nor_takes_it_back() {
    let (stack, old) = log().await;
    let (ownership, head) = old.take_over(LANE, "old").await.unwrap();
    assert!(old.still_owns(&ownership, 0).await.unwrap());
    connect(&stack).await.take_over(LANE, "new").await.unwrap();
    assert!(!old.still_owns(&ownership, 0).await.unwrap());
    assert_eq!(old.retake(&ownership, "old").await.unwrap(), None);
    assert!(matches!(old.append(&ownership, 0, &records(&head.link, 1)).await, Appended::Fenced));
    assert_eq!(stack.event_count().await, 0);
}
