//! Another address or number.

use super::{PASSWORD, Site, other};
use natter_testkit::{BOUND, Node, Options, Raw, Reply, eventually, letters::digits};
use serde_json::{Value, json};
use std::{os::unix::process::ExitStatusExt, path::PathBuf};

const KILLED: i32 = 9;
/// Seconds: more than the time that a change has.
const LATER: u32 = 11 * 60;

async fn change(person: &Raw, body: Value) -> Reply {
    let path = if body.get("email").is_some() { "email" } else { "phone" };
    person.post(&format!("/api/v1/accounts/me/{path}/change"), body.to_string()).await
}

#[tokio::test]
async fn another_address_needs_the_codes_of_both_and_the_old_one_is_free_again() {
    let site = Site::new().await;
    let (_, alice) = site.register("alice", "old@example.org").await;
    let old = site.code("old@example.org", "change_email").await;
    let new = site.code("New@example.org", "change_email").await;
    let to =
        |code: &str, old_code: Option<&str>| json!({"email": "New@example.org", "code": code, "old_code": old_code});
    change(&alice, to(&new, None)).await.refused(422, "code_wrong");
    change(&alice, to(&new, Some(&other(&old, 1)))).await.refused(422, "code_wrong");
    let changed = change(&alice, to(&new, Some(&old))).await;
    assert_eq!(changed.ok(200)["email"], "New@example.org");
    // Again: it is so already.
    assert_eq!(change(&alice, to(&new, Some(&old))).await.ok(200)["email"], "New@example.org");
    assert_eq!(alice.get("/api/v1/accounts/me").await.ok(200)["email"], "New@example.org");

    let told = site.letters.letter("old@example.org", 3).await;
    assert_eq!(told["subject"], "Your address was changed");
    site.login("old@example.org", PASSWORD).await.refused(401, "wrong_credentials");
    site.login("new@example.org", PASSWORD).await.ok(200);
    eventually("the old one is free", BOUND, async || {
        let code = site.code("old@example.org", "register").await;
        let body = json!({"username": "bob", "password": PASSWORD, "email": "old@example.org", "code": code});
        match site.post("/auth/register", body).await {
            reply if reply.status == 201 => Ok(()),
            reply => Err(reply.text()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_first_number_needs_its_own_code_and_the_password_and_shows_in_sync() {
    let site = Site::new().await;
    let (_, alice) = site.register("alice", "alice@example.org").await;
    let cursor = alice.get("/api/v1/sync").await.ok(200)["cursor"].clone();
    let code = site.code("+4930123456", "change_phone").await;
    // Whoever has the session alone gets no second way in.
    for password in [json!(null), json!("not the password")] {
        let body = json!({"phone": "+49 30 123456", "code": code, "password": password});
        change(&alice, body).await.refused(401, "wrong_credentials");
    }
    let body = json!({"phone": "+49 30 123456", "code": code, "password": PASSWORD});
    let account = change(&alice, body).await.ok(200);
    assert_eq!((&account["phone"], &account["email"]), (&json!("+4930123456"), &json!("alice@example.org")));
    let cursor = cursor.as_str().expect("a cursor");
    let news = alice.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!(news["account"]["phone"], "+4930123456", "{news}");
    site.node.raw().post("/api/v1/accounts/me/phone/change", "{}").await.refused(401, "unauthenticated");

    // The owner is told wherever they were reached before, of this and of a new password.
    assert_eq!(site.letters.letter("alice@example.org", 2).await["subject"], "Your number was changed");
    let code = site.code("+4930123456", "reset_password").await;
    let reset = json!({"login": "alice", "code": code, "new_password": "another password"});
    assert_eq!(site.post("/auth/password/reset", reset).await.status, 204);
    assert_eq!(site.letters.letter("alice@example.org", 3).await["subject"], "Your password was set anew");
}

#[tokio::test]
async fn who_lost_the_answer_asks_again_with_the_same_codes() {
    let mut site = Site::with(|_| vec![("NATTER_FAULTS", "account.after_contact_claim=kill@1".to_owned())]).await;
    let (_, alice) = site.register("alice", "old@example.org").await;
    let old = site.code("old@example.org", "change_email").await;
    let new = site.code("new@example.org", "change_email").await;
    let body = json!({"email": "new@example.org", "code": new, "old_code": old});
    let lost = alice.with("content-type", "application/json");
    let lost = lost.try_call("POST", "/api/v1/accounts/me/email/change", Some(body.to_string().into())).await;
    assert!(lost.is_err(), "nobody answers: {lost:?}");
    assert_eq!(site.node.exited().await.signal(), Some(KILLED));
    let more = vec![site.letters.variable()];
    site.node.restart_with(Options { more, ..Options::default() }).await;
    let alice = site.signed(&site.login("alice", PASSWORD).await.ok(200));
    // Another one has to wait until this one has its end.
    let third = json!({"email": "third@example.org", "code": "123456", "old_code": "123456"});
    change(&alice, third).await.refused(409, "conflict");
    assert_eq!(change(&alice, body).await.ok(200)["email"], "new@example.org");
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    let site = Site::new().await;
    let (_, bob) = site.register("bob", "bob@example.org").await;
    site.register("alice", "alice@example.org").await;
    let old = site.code("bob@example.org", "change_email").await;
    let new = site.code("alice@example.org", "change_email").await;
    // Only who reads what comes to it hears that it is taken.
    let guess = json!({"email": "alice@example.org", "code": other(&new, 1), "old_code": old});
    change(&bob, guess).await.refused(422, "code_wrong");
    let old = site.code("bob@example.org", "change_email").await;
    let body = json!({"email": "alice@example.org", "code": new, "old_code": old});
    change(&bob, body).await.refused(409, "email_taken");
    assert_eq!(bob.get("/api/v1/accounts/me").await.ok(200)["email"], "bob@example.org");
}

#[tokio::test]
async fn what_stops_between_claim_and_change_gives_the_address_back_after_its_time() {
    let mut clock = PathBuf::new();
    let mut site = Site::with(|stack| {
        clock = stack.dir().join("clock");
        let kill = "account.after_contact_claim=kill@1".to_owned();
        vec![("NATTER_CLOCK", clock.display().to_string()), ("NATTER_FAULTS", kill)]
    })
    .await;
    let (_, alice) = site.register("alice", "old@example.org").await;
    let old = site.code("old@example.org", "change_email").await;
    let new = site.code("new@example.org", "change_email").await;
    let body = json!({"email": "new@example.org", "code": new, "old_code": old});
    let lost = alice.with("content-type", "application/json");
    let lost = lost.try_call("POST", "/api/v1/accounts/me/email/change", Some(body.to_string().into())).await;
    assert!(lost.is_err(), "nobody answers: {lost:?}");
    assert_eq!(site.node.exited().await.signal(), Some(KILLED));

    let letters = site.letters.variable();
    let more = vec![("NATTER_CLOCK", clock.display().to_string()), letters];
    site.node.restart_with(Options { more, ..Options::default() }).await;
    site.login("new@example.org", PASSWORD).await.refused(401, "wrong_credentials");
    // It is claimed: who wants to register with it is told that it is known.
    assert_eq!(site.ask("new@example.org", "register").await.status, 202);
    assert_eq!(site.letters.letter("new@example.org", 2).await["subject"], "You have an account");
    std::fs::write(&clock, LATER.to_string()).expect("set the clock");
    becomes_free(&site, &site.node).await;
}

/// Its claim was on its way meanwhile: what is given back before it comes is not free.
#[tokio::test]
async fn what_is_claimed_for_somebody_who_was_erased_is_free_after_its_time() {
    let (mut clock, mut held) = (PathBuf::new(), PathBuf::new());
    let site = Site::with(|stack| {
        (clock, held) = (stack.dir().join("clock"), stack.dir().join("held"));
        let hold = format!("account.before_claim=hold:{}", held.display());
        vec![("NATTER_CLOCK", clock.display().to_string()), ("NATTER_FAULTS", hold)]
    })
    .await;
    let (account, alice) = site.register("alice", "old@example.org").await;
    let old = site.code("old@example.org", "change_email").await;
    let new = site.code("new@example.org", "change_email").await;
    let body = json!({"email": "new@example.org", "code": new, "old_code": old});
    std::fs::write(&held, "").expect("hold the claim");
    let asked = tokio::spawn(async move { change(&alice, body).await });
    are_written(&site, "contact_change_started", 1).await;
    let id = account["id"].as_str().expect("an id");
    let erased = site.node.run(&["sealing", "erase", id, "--by", "root"]).await;
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    are_written(&site, "released", 1).await;

    std::fs::remove_file(&held).expect("let the claim go on");
    let refused = asked.await.expect("it does not panic");
    assert!(refused.status >= 400, "{}", refused.text());
    // Her name, the old address, and now the new one.
    are_written(&site, "claimed", 3).await;
    assert_eq!(site.ask("new@example.org", "register").await.status, 202);
    assert_eq!(site.letters.letter("new@example.org", 2).await["subject"], "You have an account");
    std::fs::write(&clock, LATER.to_string()).expect("set the clock");
    becomes_free(&site, &site.node).await;
}

async fn are_written(site: &Site, event_type: &str, count: i64) {
    eventually(&format!("{event_type} is written"), BOUND, async || {
        let sql = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = $1").bind(event_type);
        let written: i64 = sql.fetch_one(site.stack.pool()).await.expect("read the log");
        if written == count { Ok(()) } else { Err(format!("{written} of {count}")) }
    })
    .await;
}

async fn becomes_free(site: &Site, node: &Node) {
    eventually("the new address is free", BOUND, async || {
        let before = site.letters.to("new@example.org").len();
        site.ask("new@example.org", "register").await;
        let letter = site.letters.letter("new@example.org", before + 1).await;
        if letter["subject"] == "You have an account" {
            return Err(letter.to_string());
        }
        let code = digits(&letter);
        let body = json!({"username": "bob", "password": PASSWORD, "email": "new@example.org", "code": code});
        node.raw().post("/api/v1/auth/register", body.to_string()).await.ok(201);
        Ok(())
    })
    .await;
}
