//! Nodes that die half-way through a first sign-in or a link: nothing is anybody's that is not wholly theirs.

use super::{FINISH, IDENTITIES, LINK, SignIn, account, id_of, identities, signs_in};
use natter_testkit::{
    BOUND, Clock, Letters, Options, PASSWORD, Stack, eventually,
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

/// The owner is told first: who asks again is not told again.
#[tokio::test]
async fn an_unlinking_is_told_whatever_dies_half_way() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let (clock, letters) = (Clock::of(&stack), Letters::new(stack.dir()));
    let with = |faults| {
        let mut options = options(&forger, &clock, faults);
        options.more.push(letters.variable());
        options
    };
    let mut node = stack.node_with(with(Some("account.before_identity_unlink=kill@1"))).await;
    let email = "alice@example.org";
    let code = letters.code(&node.raw(), email, "register").await;
    let body = json!({"username": "alice", "password": PASSWORD, "email": email, "code": code});
    node.raw().post("/api/v1/auth/register", body.to_string()).await.ok(201);
    let alice = node.sign_in("alice").await;
    let me = alice.raw().await;
    let link = SignIn::of(&node, "ada").await.shown(&json!({"password": PASSWORD}));
    assert_eq!(me.post(LINK, link).await.status, 204);
    let one = format!("{IDENTITIES}/{}", id_of(&me).await);
    letters.letter(email, 2).await;
    assert!(me.try_call("DELETE", &one, None).await.is_err(), "nobody answers");
    node.exited().await;
    node.restart_with(with(None)).await;
    let told = letters.letter(email, 3).await;
    assert_eq!(told["subject"], "One way less to sign in", "{told}");

    let me = alice.raw().await;
    assert_eq!(identities(&me).await.len(), 1, "it was not done");
    assert_eq!(me.call("DELETE", &one, None).await.status, 204);
    letters.letter(email, 4).await;
    assert_eq!(me.call("DELETE", &one, None).await.status, 204);
    assert_eq!(identities(&me).await.len(), 0);
    assert_eq!(letters.to(email).len(), 4, "what is done is told no more");
}
