//! SIGKILL at each fault point while people talk. After a start without faults everything that was acknowledged is
//! there exactly once and in order for everybody, and the log is what the streams carry.

use crate::talk::{Friends, Said};
use natter_streams::Lane;
use natter_testkit::{Options, Stack, law};
use std::os::unix::process::ExitStatusExt;

const EACH: usize = 15;
const KILLED: i32 = 9;

/// `time`: the reaching at which the process dies.
async fn killed_at(point: &str, time: usize) {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    // So that the point is reached by what follows, not by what the first node left.
    law::projections_are_at_the_head(&stack).await;
    assert!(node.stop().await.success(), "a graceful stop");
    node.restart_with(Options::faults(format!("{point}=kill@{time}"))).await;

    let crash = async {
        let status = node.exited().await;
        assert_eq!(status.signal(), Some(KILLED), "it was killed at {point}, not ended: {status}");
        // Other threads may have come to it while this one died.
        assert!(node.reached(point) >= time, "{point} was reached {} times", node.reached(point));
        node.restart_with(Options::default()).await;
    };
    let said = friends.talk_while(EACH, crash).await;
    nothing_is_lost_doubled_or_stuck(&stack, &friends, &said).await;
}

/// A client that reads its state again hides a reader that stands still; its checkpoint does not.
async fn nothing_is_lost_doubled_or_stuck(stack: &Stack, friends: &Friends, said: &[Said; 4]) {
    friends.nothing_is_missing_doubled_or_out_of_order(stack, said).await;
    law::projections_are_at_the_head(stack).await;
}

#[tokio::test]
async fn before_the_first_append() {
    killed_at("committer.before_append", 1).await;
}

#[tokio::test]
async fn before_an_append_in_the_middle() {
    killed_at("committer.before_append", 7).await;
}

#[tokio::test]
async fn after_an_append_that_nobody_was_told_of() {
    killed_at("committer.after_append", 7).await;
}

#[tokio::test]
async fn before_the_first_publish() {
    killed_at("relay.before_publish", 1).await;
}

#[tokio::test]
async fn in_the_middle_of_a_window_of_publishes() {
    killed_at("relay.before_publish", 37).await;
}

#[tokio::test]
async fn before_relations_are_projected() {
    killed_at("projection.relations.before_apply", 3).await;
}

#[tokio::test]
async fn after_relations_are_committed() {
    killed_at("projection.relations.after_commit", 3).await;
}

#[tokio::test]
async fn before_the_history_is_projected() {
    killed_at("projection.history.before_apply", 3).await;
}

#[tokio::test]
async fn before_frames_are_delivered() {
    killed_at("projection.delivery.before_apply", 3).await;
}

/// Somebody wrote to a stream; the relay has deleted it, and not made it anew.
#[tokio::test]
async fn between_a_stream_and_the_next() {
    const POINT: &str = "relay.before_create";
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    law::log_is_stream(&stack).await;
    assert!(node.stop().await.success(), "a graceful stop");
    node.restart_with(Options::faults(format!("{POINT}=kill@1"))).await;
    let crash = async {
        stack.intrude(Lane::new(0)).await;
        let status = node.exited().await;
        assert_eq!(status.signal(), Some(KILLED), "it was killed at {POINT}, not ended: {status}");
        node.restart_with(Options::default()).await;
    };
    let said = friends.talk_while(EACH, crash).await;
    nothing_is_lost_doubled_or_stuck(&stack, &friends, &said).await;
}

/// It dies at its start, with lanes in its name that it has not begun to serve.
#[tokio::test]
async fn after_a_takeover_before_the_head_is_read() {
    const POINT: &str = "lease.after_takeover";
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let crash = async {
        assert!(node.stop().await.success(), "a graceful stop");
        node.launch(Options::faults(format!("{POINT}=kill@3"))).await;
        let status = node.exited().await;
        assert_eq!(status.signal(), Some(KILLED), "it was killed at {POINT}, not ended: {status}");
        assert!(node.reached(POINT) >= 3, "{POINT} was reached {} times", node.reached(POINT));
        node.restart_with(Options::default()).await;
    };
    let said = friends.talk_while(EACH, crash).await;
    nothing_is_lost_doubled_or_stuck(&stack, &friends, &said).await;
}

#[tokio::test]
async fn after_the_history_is_committed() {
    killed_at("projection.history.after_commit", 3).await;
}

#[tokio::test]
async fn before_it_is_written_down_what_was_delivered() {
    killed_at("projection.delivery.before_checkpoint", 3).await;
}

/// People are connected to a node that lives: they have the frames, and get them again.
#[tokio::test]
async fn before_it_is_written_down_what_was_delivered_through_another_node() {
    const POINT: &str = "projection.delivery.before_checkpoint";
    let roles = |roles: &str| vec![("NATTER_ROLES", roles.to_owned())];
    let stack = Stack::new().await;
    let behind = Options { more: roles("commands,projections"), ..Options::default() };
    let mut node = stack.node_with(behind.clone()).await;
    let _doors = stack.node_with(Options { more: roles("edge"), ..Options::default() }).await;
    let friends = Friends::meet(&stack).await;
    law::projections_are_at_the_head(&stack).await;
    assert!(node.stop().await.success(), "a graceful stop");
    node.restart_with(Options { faults: Some(format!("{POINT}=kill@3")), ..behind.clone() }).await;
    let crash = async {
        let status = node.exited().await;
        assert_eq!(status.signal(), Some(KILLED), "it was killed at {POINT}, not ended: {status}");
        node.restart_with(behind).await;
    };
    let said = friends.talk_while(EACH, crash).await;
    nothing_is_lost_doubled_or_stuck(&stack, &friends, &said).await;
}
