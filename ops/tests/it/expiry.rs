//! A friend request that nobody answers runs out when its time is over, once, whenever those die who see to it.

use natter_testkit::{BOUND, Clock, Options, Stack, eventually};
use serde_json::json;
use std::os::unix::process::ExitStatusExt;

const KILLED: i32 = 9;

/// Seconds: a minute more than the seven days that a request has.
const LATER: u64 = 7 * 24 * 60 * 60 + 60;

async fn count(stack: &Stack, what: &str) -> i64 {
    sqlx::query_scalar(&format!("SELECT count(*) FROM {what}")).fetch_one(stack.pool()).await.expect("count")
}

async fn expiries(stack: &Stack) -> i64 {
    count(stack, "events WHERE aggregate_type = 'friendship' AND event_type = 'expired'").await
}

/// The event is there, and nothing is to be done any more.
async fn it_has_run_out(stack: &Stack) {
    eventually("the request has run out", BOUND, async || {
        let (expiries, timers) = (expiries(stack).await, count(stack, "timers").await);
        if (expiries, timers) == (1, 0) { Ok(()) } else { Err(format!("{expiries} events, {timers} timers")) }
    })
    .await;
}

/// Killed before its time, which comes while nobody runs; killed again where the timer is, if a point is named.
async fn runs_out_though_killed(then_at: Option<&str>) {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let mut node = stack.node_with(clock.options()).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let asked = alice.client().request_friend(bob.id(), None).await.expect("ask").id;
    node.kill().await;
    assert_eq!(expiries(&stack).await, 0);

    clock.ahead_by(LATER);
    if let Some(point) = then_at {
        let faults = Some(format!("{point}=kill@1"));
        node.launch(Options { faults, ..clock.options() }).await;
        assert_eq!(node.exited().await.signal(), Some(KILLED));
        assert!(node.reached(point) > 0, "{point}");
    }
    node.restart_with(clock.options()).await;
    it_has_run_out(&stack).await;

    let (alice, bob) = (node.sign_in("alice").await, node.sign_in("bob").await);
    let mine = alice.raw().await.get("/api/v1/friends/requests?direction=out&status=expired").await.ok(200);
    assert_eq!(mine["items"][0]["id"], json!(asked));
    let accept = format!("/api/v1/friends/requests/{asked}/accept");
    bob.raw().await.post_nothing(&accept).await.refused(409, "request_closed");

    node.kill().await;
    node.restart().await;
    let again = alice.client().request_friend(bob.id(), None).await.expect("ask anew").id;
    assert_ne!(again, asked);
    assert_eq!(expiries(&stack).await, 1, "once");
}

#[tokio::test]
async fn a_request_runs_out_though_nobody_was_there_when_its_time_came() {
    runs_out_though_killed(None).await;
}

#[tokio::test]
async fn a_request_runs_out_when_who_sees_to_it_dies_before_the_timer_fires() {
    runs_out_though_killed(Some("timer.before_fire")).await;
}

#[tokio::test]
async fn a_request_runs_out_when_who_sees_to_it_dies_after_the_timer_fired() {
    runs_out_though_killed(Some("timer.after_fire")).await;
}
