//! Nodes that die half-way through a first sign-in or a link: nothing is anybody's that is not wholly theirs.

use super::{FINISH, LINK, SignIn, account, identities, signs_in};
use natter_testkit::{
    BOUND, Clock, Options, PASSWORD, Stack, eventually,
    oidc::{Forger, variables},
};
use serde_json::json;

/// Seconds: more than a registration, or a link, has.
const LATER: u64 = 11 * 60;

fn options(forger: &Forger, clock: &Clock, faults: Option<&str>) -> Options {
    let mut options = Options { faults: faults.map(str::to_owned), ..clock.options() };
    options.more.extend(variables(&[forger.settings()]));
    options
}

#[tokio::test]
async fn a_first_sign_in_that_died_is_given_up_and_the_next_makes_the_account() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let clock = Clock::of(&stack);
    let mut node = stack.node_with(options(&forger, &clock, Some("account.after_claim=kill@1"))).await;
    let lost = SignIn::of(&node, "ada").await;
    let raw = node.raw().with("content-type", "application/json");
    assert!(raw.try_call("POST", FINISH, Some(lost.shown(&json!({})).into())).await.is_err(), "nobody answers");
    node.exited().await;
    node.restart_with(options(&forger, &clock, None)).await;
    // It may still be somebody's.
    let waiting = SignIn::of(&node, "ada").await;
    waiting.finish(&node).await.refused(503, "unavailable");
    clock.ahead_by(LATER);
    forger.is_ahead_by(LATER);
    let first = eventually("the identity is free", BOUND, async || {
        let reply = signs_in(&node, "ada").await;
        if reply.status == 201 { Ok(reply.json()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(first["account"]["username"], "ada", "its name was given back too");
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), account(&first));
}

#[tokio::test]
async fn a_link_that_died_is_taken_up_again_or_given_back() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let clock = Clock::of(&stack);
    let mut node = stack.node_with(options(&forger, &clock, Some("account.after_identity_claim=kill@1"))).await;
    let alice = node.register("alice").await;
    let link = |sign_in: &SignIn| sign_in.shown(&json!({"password": PASSWORD}));
    let me = alice.raw().await.with("content-type", "application/json");
    let lost = link(&SignIn::of(&node, "ada").await);
    assert!(me.try_call("POST", LINK, Some(lost.into())).await.is_err(), "nobody answers");
    node.exited().await;
    node.restart_with(options(&forger, &clock, Some("account.after_identity_claim=kill@2"))).await;
    let me = alice.raw().await;
    assert_eq!(identities(&me).await.len(), 0, "it does not count yet");
    SignIn::of(&node, "ada").await.finish(&node).await.refused(503, "unavailable");
    assert_eq!(me.post(LINK, link(&SignIn::of(&node, "ada").await)).await.status, 204);
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), alice.id().to_string());

    let lost = link(&SignIn::of(&node, "grace").await);
    let typed = me.with("content-type", "application/json");
    assert!(typed.try_call("POST", LINK, Some(lost.into())).await.is_err(), "nobody answers");
    node.exited().await;
    node.restart_with(options(&forger, &clock, None)).await;
    clock.ahead_by(LATER);
    forger.is_ahead_by(LATER);
    let other = eventually("what was not linked is free", BOUND, async || {
        let reply = signs_in(&node, "grace").await;
        if reply.status == 201 { Ok(reply.json()) } else { Err(reply.text()) }
    })
    .await;
    assert_ne!(account(&other), alice.id().to_string());
}
