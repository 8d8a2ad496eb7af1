//! Signing in with a second factor.

use super::app::{App, SECOND, answer, challenge, confirm, login, offer, turn_on};
use natter_testkit::{BOUND, Clock, Letters, Node, Options, PASSWORD, Stack, eventually, wire};
use serde_json::{Value, json};

const QR: &str = "/api/v1/auth/qr";

#[tokio::test]
async fn a_code_of_the_app_is_asked_for_once_the_app_has_shown_one() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    offer(&alice, "not the password").await.refused(401, "wrong_credentials");
    let offered = offer(&alice, PASSWORD).await.ok(200);
    let uri = offered["uri"].as_str().expect("a text");
    assert!(uri.starts_with("otpauth://totp/Natter:alice?secret="), "{uri}");
    assert!(uri.contains(offered["secret"].as_str().expect("a secret")), "{uri}");
    let mut app = App::scan(&offered);
    confirm(&alice, &app.wrong_code()).await.refused(422, "code_wrong");
    confirm(&alice, "no code").await.refused(422, "code_wrong");
    login(&node, "alice", PASSWORD).await.ok(200);

    let made = confirm(&alice, &app.code()).await.ok(200);
    assert_eq!(made["recovery_codes"].as_array().map(Vec::len), Some(10));
    for signed_in in [&alice, &phone] {
        signed_in.client().me().await.expect("nobody is signed out by it");
    }
    login(&node, "alice", "not the password").await.refused(401, "wrong_credentials");
    let challenge = challenge(&node, "alice").await;
    answer(&node, &challenge, &app.wrong_code()).await.refused(422, "code_wrong");
    let signed_in = answer(&node, &challenge, &app.next_code(&clock)).await.ok(200);
    assert_eq!(signed_in["account"]["username"], "alice");
    let token = signed_in["tokens"]["access_token"].as_str().expect("a token");
    let raw = node.raw().with("authorization", &format!("Bearer {token}"));
    let sessions = raw.get("/api/v1/auth/sessions").await.ok(200);
    assert_eq!(sessions["items"][0]["current"], true, "{sessions}");
    assert_eq!(sessions["items"][0]["device"], json!({"name": "a new laptop", "platform": "linux"}));
    assert_eq!(sessions["items"][0]["address"], "127.0.0.1");
    answer(&node, &challenge, &app.next_code(&clock)).await.refused(401, "unauthenticated");
}

/// The challenge is known on both nodes, and what the account has seen counts for both.
#[tokio::test]
async fn a_code_signs_in_once_whichever_node_is_asked() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let (near, far) = (stack.node_with(clock.options()).await, stack.node_with(clock.options()).await);
    let alice = near.register("alice").await;
    let (mut app, _) = turn_on(&alice).await;
    let [first, second, third] = [(); 3].map(|()| challenge(&near, "alice"));
    let (first, second, third) = (first.await, second.await, third.await);
    answer(&far, &first, &app.last).await.refused(422, "code_wrong");
    let code = app.next_code(&clock);
    let both = tokio::join!(answer(&near, &first, &code), answer(&far, &second, &code));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422], "{} {}", both.0.text(), both.1.text());
    answer(&far, &third, &code).await.refused(422, "code_wrong");
    answer(&far, &third, &app.next_code(&clock)).await.ok(200);
}

#[tokio::test]
async fn one_challenge_opens_one_session_though_two_codes_are_right() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let (near, far) = (stack.node_with(clock.options()).await, stack.node_with(clock.options()).await);
    let alice = near.register("alice").await;
    let (_, codes) = turn_on(&alice).await;
    let challenge = challenge(&near, "alice").await;
    let both = tokio::join!(answer(&near, &challenge, &codes[0]), answer(&far, &challenge, &codes[1]));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{} {}", both.0.text(), both.1.text());
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 2);
}

#[tokio::test]
async fn a_recovery_code_signs_in_once() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let (_, codes) = turn_on(&alice).await;
    let shouted = codes[0].to_uppercase().replace('-', " ");
    answer(&node, &challenge(&node, "alice").await, &shouted).await.ok(200);
    answer(&node, &challenge(&node, "alice").await, &codes[0]).await.refused(422, "code_wrong");
    let login = wire::SecondLogin { challenge: challenge(&node, "alice").await, code: codes[1].clone() };
    let signed = node.client().login_second(&login).await.expect("it is another one");
    assert_eq!(signed.me().await.expect("it is hers").id, alice.id());
    let second = alice.raw().await.get(SECOND).await.ok(200);
    assert_eq!(second, json!({"enabled": true, "recovery_codes_left": 8}));
}

/// The node dies after the account has taken the code and let the session in, and before it opens.
#[tokio::test]
async fn a_code_that_was_taken_is_taken_though_who_took_it_dies() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    let (_, codes) = turn_on(&alice).await;
    node.kill().await;
    node.restart_with(Options::faults("session.after_admission=kill@1")).await;
    let body = json!({"challenge": challenge(&node, "alice").await, "code": codes[0]}).to_string();
    let raw = node.raw().with("content-type", "application/json");
    raw.try_call("POST", "/api/v1/auth/login/second", Some(body.into())).await.expect_err("the node has died");
    node.exited().await;
    node.restart_with(Options::default()).await;
    let again = challenge(&node, "alice").await;
    answer(&node, &again, &codes[0]).await.refused(422, "code_wrong");
    answer(&node, &again, &codes[1]).await.ok(200);
}

#[tokio::test]
async fn a_challenge_ends_with_its_time_and_with_its_password() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let alice = node.register("alice").await;
    let (_, codes) = turn_on(&alice).await;
    let old = challenge(&node, "alice").await;
    let change = json!({"old_password": PASSWORD, "new_password": "another password"}).to_string();
    let changed = alice.raw().await.post("/api/v1/auth/password/change", change).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    answer(&node, &old, &codes[0]).await.refused(401, "unauthenticated");
    let refused = login(&node, "alice", "another password").await.refused(403, "second_factor_required");
    let late = refused["challenge"].as_str().expect("it is on as before").to_owned();
    let shown = node.raw().post(QR, "{}").await.ok(201);
    clock.ahead_by(5 * 60 + 1);
    // Its time is shorter, and who looks at it takes no try from the challenge.
    has_expired(&node, &shown).await;
    answer(&node, &late, &codes[0]).await.refused(401, "unauthenticated");
}

/// Waits until the node knows that this QR code is over.
async fn has_expired(node: &Node, shown: &Value) {
    let path = format!("{QR}/{}", shown["id"].as_str().expect("an id"));
    let secret = json!({"secret": shown["secret"]}).to_string();
    eventually("the node sees that its clock was moved", BOUND, async || {
        let state = node.raw().post(&path, secret.clone()).await.ok(200);
        if state["state"] == "expired" { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
}

/// Whoever has the password of one and the app of another has neither's account.
#[tokio::test]
async fn a_challenge_is_answered_by_codes_of_its_own_account_alone() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let ((_, hers), (mut his_app, his)) = (turn_on(&alice).await, turn_on(&bob).await);
    let of_alice = challenge(&node, "alice").await;
    let code = his_app.next_code(&clock);
    for foreign in [&code, &his[0]] {
        answer(&node, &of_alice, foreign).await.refused(422, "code_wrong");
    }
    let signed_in = answer(&node, &of_alice, &hers[0]).await.ok(200);
    assert_eq!(signed_in["account"]["username"], "alice");
    // Nothing of his was spent by it.
    let of_bob = challenge(&node, "bob").await;
    assert_eq!(answer(&node, &of_bob, &code).await.ok(200)["account"]["username"], "bob");
    answer(&node, &challenge(&node, "bob").await, &his[0]).await.ok(200);
}

#[tokio::test]
async fn a_code_by_mail_is_no_second_factor_and_turns_none_off() {
    let stack = Stack::new().await;
    let letters = Letters::new(stack.dir());
    let node = stack.node_with(Options { more: vec![letters.variable()], ..Options::default() }).await;
    let alice = node.register("alice").await;
    let to = "alice@example.org";
    let code = letters.code(&node.raw(), to, "change_email").await;
    let change = json!({"email": to, "code": code, "password": PASSWORD}).to_string();
    alice.raw().await.post("/api/v1/accounts/me/email/change", change).await.ok(200);
    let (_, codes) = turn_on(&alice).await;

    let body = json!({"login": to, "code": letters.code(&node.raw(), to, "login").await}).to_string();
    let refused = node.raw().post("/api/v1/auth/login", body).await.refused(403, "second_factor_required");
    let made = refused["challenge"].as_str().expect("a challenge");
    answer(&node, made, &codes[0]).await.ok(200);

    let code = letters.code(&node.raw(), to, "reset_password").await;
    let reset = json!({"login": to, "code": code, "new_password": "another password"}).to_string();
    assert_eq!(node.raw().post("/api/v1/auth/password/reset", reset).await.status, 204);
    let refused = login(&node, "alice", "another password").await.refused(403, "second_factor_required");
    let made = refused["challenge"].as_str().expect("a challenge");
    answer(&node, made, &codes[1]).await.ok(200);
}
