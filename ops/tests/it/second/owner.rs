//! What its owner does with it.

use super::app::{App, SECOND, answer, challenge, confirm, login, offer, recovery_codes, turn_off, turn_on};
use futures::future::join_all;
use natter_testkit::{Clock, PASSWORD, Person, Reply, Stack};
use serde_json::json;

async fn new_codes(person: &Person, password: &str, code: &str) -> Reply {
    let body = json!({"password": password, "code": code}).to_string();
    person.raw().await.post(&format!("{SECOND}/recovery"), body).await
}

#[tokio::test]
async fn it_goes_off_by_the_password_and_a_code() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let alice = node.register("alice").await;
    let (mut app, codes) = turn_on(&alice).await;
    offer(&alice, PASSWORD).await.refused(409, "conflict");
    turn_off(&alice, "not the password", &codes[0]).await.refused(401, "wrong_credentials");
    turn_off(&alice, PASSWORD, &app.wrong_code()).await.refused(422, "code_wrong");
    turn_off(&alice, PASSWORD, &app.last).await.refused(422, "code_wrong");
    assert_eq!(turn_off(&alice, PASSWORD, &app.next_code(&clock)).await.status, 204);
    login(&node, "alice", PASSWORD).await.ok(200);
    assert_eq!(alice.raw().await.get(SECOND).await.ok(200), json!({"enabled": false, "recovery_codes_left": 0}));
    assert_eq!(turn_off(&alice, PASSWORD, "").await.status, 204, "it is off");

    // Another secret: what the old one makes is worth nothing.
    let (_, new) = turn_on(&alice).await;
    let made = challenge(&node, "alice").await;
    answer(&node, &made, &app.next_code(&clock)).await.refused(422, "code_wrong");
    answer(&node, &made, &codes[1]).await.refused(422, "code_wrong");
    assert_eq!(turn_off(&alice, PASSWORD, &new[0]).await.status, 204, "a recovery code does it too");
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_the_old() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let alice = node.register("alice").await;
    new_codes(&alice, PASSWORD, "").await.refused(409, "conflict");
    let (mut app, old) = turn_on(&alice).await;
    new_codes(&alice, "not the password", &old[0]).await.refused(401, "wrong_credentials");
    new_codes(&alice, PASSWORD, &app.wrong_code()).await.refused(422, "code_wrong");
    let made = new_codes(&alice, PASSWORD, &app.next_code(&clock)).await.ok(200);
    let new = recovery_codes(&made);
    assert_eq!(new.len(), 10);
    let made = challenge(&node, "alice").await;
    answer(&node, &made, &old[1]).await.refused(422, "code_wrong");
    answer(&node, &made, &new[0]).await.ok(200);
}

/// Somebody at an open session who knew the old password was shown a secret: it is worth nothing under the new one.
#[tokio::test]
async fn another_password_voids_what_was_offered_and_leaves_on_what_is_on() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let mut app = App::scan(&offer(&alice, PASSWORD).await.ok(200));
    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new}).to_string();
    let raw = alice.raw().await;
    let path = "/api/v1/auth/password/change";
    assert_eq!(raw.post(path, change(PASSWORD, "another password")).await.status, 204);
    confirm(&alice, &app.code()).await.refused(409, "conflict");
    assert_eq!(raw.post(path, change("another password", PASSWORD)).await.status, 204);
    turn_on(&alice).await;
    assert_eq!(raw.post(path, change(PASSWORD, "another password")).await.status, 204);
    login(&node, "alice", "another password").await.refused(403, "second_factor_required");
}

/// Whoever was offered a newer secret has nothing of the older one.
#[tokio::test]
async fn the_newest_offer_counts() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    confirm(&alice, "123456").await.refused(409, "conflict");
    let mut first = App::scan(&offer(&alice, PASSWORD).await.ok(200));
    let mut second = App::scan(&offer(&alice, PASSWORD).await.ok(200));
    confirm(&alice, &first.code()).await.refused(422, "code_wrong");
    confirm(&alice, &second.code()).await.ok(200);
    confirm(&alice, &second.code()).await.refused(409, "conflict");
}

#[tokio::test]
async fn the_recovery_codes_that_are_shown_are_those_that_count() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let mut app = App::scan(&offer(&alice, PASSWORD).await.ok(200));
    let code = app.code();
    let made = join_all((0..8).map(|_| confirm(&alice, &code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = made.iter().partition(|reply| reply.status == 200);
    assert!(won.len() == 1 && lost.iter().all(|reply| [409, 422].contains(&reply.status)), "{made:?}");
    for code in recovery_codes(&won[0].json()) {
        let made = challenge(&node, "alice").await;
        answer(&node, &made, &code).await.ok(200);
    }
}
