//! How much can be tried, and what is told to nobody.

use super::app::{App, answer, challenge, confirm, offer, recovery_codes, turn_on};
use futures::future::join_all;
use natter_testkit::{BOUND, Clock, Options, PASSWORD, Stack, eventually};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_challenge_allows_five_tries() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let (app, codes) = turn_on(&alice).await;
    let challenge = challenge(&node, "alice").await;
    for _ in 0..5 {
        answer(&node, &challenge, &app.wrong_code()).await.refused(422, "code_wrong");
    }
    answer(&node, &challenge, &codes[0]).await.refused(401, "unauthenticated");
    answer(&node, "nch_invented", &codes[0]).await.refused(401, "unauthenticated");
}

/// Whoever has the password can try ten an hour, and that locks nobody out.
#[tokio::test]
async fn ten_wrong_codes_an_hour_and_a_recovery_code_still_works() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let (near, far) = (stack.node_with(clock.options()).await, stack.node_with(clock.options()).await);
    let alice = near.register("alice").await;
    let bob = far.register("bob").await;
    let ((mut app, codes), (_, his)) = (turn_on(&alice).await, turn_on(&bob).await);
    for node in [&near, &far] {
        let challenge = challenge(node, "alice").await;
        for _ in 0..5 {
            answer(node, &challenge, &app.wrong_code()).await.refused(422, "code_wrong");
        }
    }
    let refused = answer(&near, &challenge(&far, "alice").await, &app.next_code(&clock)).await;
    refused.refused(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=3_600).contains(&wait), "{wait}");
    answer(&near, &challenge(&near, "alice").await, &codes[0]).await.ok(200);
    answer(&near, &challenge(&near, "bob").await, &his[0]).await.ok(200);
    clock.ahead_by(3_700);
    eventually("an hour is over", BOUND, async || {
        let made = challenge(&near, "alice").await;
        let reply = answer(&near, &made, &app.wrong_code()).await;
        if reply.status == 422 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}

/// A guess is counted before it is looked at.
#[tokio::test]
async fn however_many_come_at_once_ten_may_be_wrong() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let alice = near.register("alice").await;
    let (app, _) = turn_on(&alice).await;
    let mut challenges = Vec::new();
    for _ in 0..6 {
        challenges.push(challenge(&near, "alice").await);
    }
    let wrong = app.wrong_code();
    // As many as each challenge takes, half of them on each node.
    let tries = (0..30).map(|number| {
        let node = if number % 2 == 0 { &near } else { &far };
        answer(node, &challenges[number % 6], &wrong)
    });
    let mut codes = BTreeMap::<String, u32>::new();
    for reply in join_all(tries).await {
        *codes.entry(reply.json()["code"].to_string()).or_default() += 1;
    }
    let counted = BTreeMap::from([(r#""code_wrong""#.to_owned(), 10), (r#""rate_limited""#.to_owned(), 20)]);
    assert_eq!(codes, counted);
}

/// Nor does anything that is kept say whose it is, or what somebody's device is called.
#[tokio::test]
async fn no_secret_and_no_code_is_written_anywhere() {
    let stack = Stack::new().await;
    let more = vec![("NATTER_LOG", "debug,natter_edge=trace,natter_commands=trace,natter_streams=trace".to_owned())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let alice = node.register("alice").await;
    let offered = offer(&alice, PASSWORD).await.ok(200);
    let mut app = App::scan(&offered);
    let made = confirm(&alice, &app.code()).await.ok(200);
    let codes = recovery_codes(&made);
    let challenge = challenge(&node, "alice").await;
    answer(&node, &challenge, &app.wrong_code()).await.refused(422, "code_wrong");
    // While it is open, and what its device is called is wanted for the session that may come.
    let kept = stack.kept_for_minutes().await;
    let signed_in = answer(&node, &challenge, &codes[0]).await;
    signed_in.ok(200);
    let me = alice.raw().await.with("natter-position", &signed_in.position());
    let sessions = me.get("/api/v1/auth/sessions").await.ok(200);
    assert_eq!(sessions["items"][0]["device"]["name"], "a new laptop", "{sessions}");

    let mut secrets = vec![offered["secret"].as_str().expect("a secret").to_owned(), challenge];
    for code in &codes {
        secrets.extend([code.clone(), code.replace('-', "")]);
    }
    let log = node.output();
    assert!(log.len() > 1_000, "it was told to write much: {log}");
    let events = sqlx::query_scalar("SELECT string_agg(events::text, ' ') FROM events").fetch_one(stack.pool());
    let events: String = events.await.expect("the log is read");
    assert!(events.contains("second_factor_turned_on") && events.contains("recovery_code_used"), "{events}");
    for secret in &secrets {
        for (place, text) in [("output", &log), ("log", &events), ("bucket", &kept)] {
            assert!(!text.contains(secret.as_str()), "{secret} is in the {place}");
        }
    }
    for told in ["alice", "laptop", "linux"] {
        assert!(!kept.contains(told), "{told} is in the bucket: {kept}");
    }
    assert!(kept.contains("\"tries_left\":4"), "the challenge is there: {kept}");
}
