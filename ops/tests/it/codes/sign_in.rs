//! Registering and signing in by an address or a number, and a new password.

use super::{PASSWORD, Site, other};
use natter_testkit::{BOUND, eventually, letters::digits};
use serde_json::json;

#[tokio::test]
async fn somebody_registers_with_an_address_and_signs_in_by_it() {
    let site = Site::new().await;
    let (account, alice) = site.register("alice", "Alice@example.org").await;
    assert_eq!(account["email"], "Alice@example.org");
    let me = alice.get("/api/v1/accounts/me").await.ok(200);
    assert_eq!(me, account);

    for login in ["alice", "ALICE@EXAMPLE.ORG", "alice@example.org"] {
        let signed_in = site.login(login, PASSWORD).await.ok(200);
        assert_eq!(signed_in["account"], account, "{login}");
        site.login(login, "not the password").await.refused(401, "wrong_credentials");
    }
    for login in ["alice@example.org", "alice"] {
        let code = site.code("Alice@example.org", "login").await;
        assert_eq!(site.login_by_code(login, &code).await.ok(200)["account"], account, "{login}");
    }
    site.login("bob@example.org", PASSWORD).await.refused(401, "wrong_credentials");
    let body = json!({"login": "alice", "password": PASSWORD, "code": "123456"});
    site.post("/auth/login", body).await.refused(422, "invalid_input");
    site.post("/auth/login", json!({"login": "alice"})).await.refused(422, "invalid_input");
}

#[tokio::test]
async fn a_phone_number_is_as_good_as_an_address() {
    let site = Site::new().await;
    let (account, _) = site.register("alice", "+4930123456").await;
    assert_eq!(account["phone"], "+4930123456");
    assert_eq!(site.letters.to("+4930123456")[0]["channel"], "sms");
    site.login("+49 (30) 123-456", PASSWORD).await.ok(200);
    let code = site.code("+4930123456", "login").await;
    site.login_by_code("+49 30 123456", &code).await.ok(200);
    let both = json!({"username": "bob", "password": PASSWORD, "email": "b@example.org", "phone": "+4930123457", "code": code});
    site.post("/auth/register", both).await.refused(422, "invalid_input");
    let none = json!({"username": "bob", "password": PASSWORD, "phone": "+4930123457"});
    site.post("/auth/register", none).await.refused(422, "invalid_input");
}

#[tokio::test]
async fn others_do_not_see_it() {
    let site = Site::new().await;
    let (alice, _) = site.register("alice", "alice@example.org").await;
    let (_, bob) = site.register("bob", "bob@example.org").await;
    let id = alice["id"].as_str().expect("an id");
    let seen = bob.get(&format!("/api/v1/accounts/{id}")).await;
    assert!(!seen.text().contains("alice@example.org"), "{}", seen.text());
    let found = bob.post("/api/v1/accounts/lookup", json!({"ids": [id]}).to_string()).await;
    assert!(found.text().contains(id) && !found.text().contains('@'), "{}", found.text());
    let sync = bob.get("/api/v1/sync").await.ok(200);
    assert_eq!(sync["account"]["email"], "bob@example.org");
}

#[tokio::test]
async fn who_wants_to_be_is_found_by_an_address_or_a_number() {
    let site = Site::new().await;
    let (alice, her) = site.register("alice", "alice@example.org").await;
    let (carol, hers) = site.register("carol", "+4930123456").await;
    let (_, bob) = site.register("bob", "bob@example.org").await;
    for (by, sought, who, whose) in
        [("email", "ALICE@example.org", &alice, &her), ("phone", "%2B49%2030%20123456", &carol, &hers)]
    {
        let path = format!("/api/v1/accounts?query={sought}");
        let wants = |wants: bool| {
            let settings = json!({"find_by": {by: wants}}).to_string().into_bytes();
            let whose = whose.with("content-type", "application/json");
            async move { whose.call("PATCH", "/api/v1/settings", Some(settings)).await }
        };
        assert_eq!(bob.get(&path).await.ok(200)["items"], json!([]), "{by}: at first nobody is");
        wants(true).await.ok(200);
        let found = bob.get(&path).await.ok(200);
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{by}: {found}");
        assert_eq!((&found["items"][0]["id"], &found["items"][0][by]), (&who["id"], &json!(null)));
        wants(false).await.ok(200);
        assert_eq!(bob.get(&path).await.ok(200)["items"], json!([]), "{by}: no more");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_what_it_was_asked_for_where_it_was_sent_to() {
    let site = Site::new().await;
    site.register("alice", "alice@example.org").await;
    site.register("bob", "bob@example.org").await;
    let code = site.code("alice@example.org", "login").await;
    site.login_by_code("bob@example.org", &code).await.refused(422, "code_wrong");
    let reset = json!({"login": "alice@example.org", "code": code, "new_password": "another password"});
    site.post("/auth/password/reset", reset).await.refused(422, "code_wrong");
    site.login_by_code("alice@example.org", &code).await.ok(200);
    site.login_by_code("alice@example.org", &code).await.refused(422, "code_wrong");

    let older = site.code("alice@example.org", "login").await;
    let newer = site.code("alice@example.org", "login").await;
    if older != newer {
        site.login_by_code("alice@example.org", &older).await.refused(422, "code_wrong");
    }
    for shape in ["", "１２３４５６", "1234567", " 123456"] {
        site.login_by_code("alice@example.org", shape).await.refused(422, "code_wrong");
    }
    site.login_by_code("alice@example.org", &newer).await.ok(200);
}

#[tokio::test]
async fn what_is_not_known_is_answered_like_what_is() {
    let site = Site::new().await;
    site.register("alice", "alice@example.org").await;
    for purpose in ["login", "reset_password"] {
        let [known, unknown] =
            [site.ask("alice@example.org", purpose).await, site.ask("nobody@example.org", purpose).await];
        assert_eq!((known.status, known.text()), (unknown.status, unknown.text()), "{purpose}");
    }
    // Somebody who has an account is told so, and nobody else is.
    let [known, unknown] =
        [site.ask("alice@example.org", "register").await, site.ask("new@example.org", "register").await];
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    site.all_is_sent().await;
    assert_eq!(site.letters.to("nobody@example.org").len(), 0);
    let told = site.letters.to("alice@example.org").pop().expect("a letter");
    assert_eq!(told["subject"], "You have an account");
    let none = told["text"].as_str().expect("a text").split(|c: char| !c.is_ascii_digit()).any(|word| word.len() == 6);
    assert!(!none, "{told}");
    digits(&site.letters.letter("new@example.org", 1).await);

    let wrong = site.login_by_code("nobody@example.org", "000000").await;
    wrong.refused(422, "code_wrong");
    site.login_by_code("nobody", "000000").await.refused(422, "code_wrong");
}

#[tokio::test]
async fn a_password_is_set_anew_and_every_session_ends() {
    let site = Site::new().await;
    let (_, alice) = site.register("alice", "alice@example.org").await;
    let other_session = site.login("alice", PASSWORD).await.ok(200);
    let code = site.code("alice@example.org", "reset_password").await;
    let reset =
        |code: &str, password: &str| json!({"login": "alice@example.org", "code": code, "new_password": password});
    site.post("/auth/password/reset", reset(&code, "short")).await.refused(422, "invalid_input");
    site.post("/auth/password/reset", reset(&other(&code, 1), "another password")).await.refused(422, "code_wrong");
    let done = site.post("/auth/password/reset", reset(&code, "another password")).await;
    assert_eq!((done.status, done.text().as_str()), (204, ""));

    alice.get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    site.signed(&other_session).get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    let refresh = json!({"refresh_token": other_session["tokens"]["refresh_token"]});
    site.post("/auth/refresh", refresh).await.refused(401, "unauthenticated");
    site.login("alice", PASSWORD).await.refused(401, "wrong_credentials");
    site.login("alice@example.org", "another password").await.ok(200);
}

#[tokio::test]
async fn nothing_keeps_an_address_or_a_code_in_readable_form() {
    let site = Site::new().await;
    let code = site.code("findme@example.org", "register").await;
    let body = json!({"username": "alice", "password": PASSWORD, "email": "findme@example.org", "code": code});
    site.post("/auth/register", body).await.ok(201);
    site.ask("unknown-findme@example.org", "login").await;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_schema::text, table_name::text FROM information_schema.tables
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(site.stack.pool())
    .await
    .expect("list the tables");
    assert!(tables.len() > 10, "{tables:?}");
    for (schema, table) in tables {
        let sql = format!("SELECT count(*) FROM {schema}.\"{table}\" AS r WHERE r::text ILIKE '%findme%'");
        let found: i64 = sqlx::query_scalar(&sql).fetch_one(site.stack.pool()).await.expect("search a table");
        assert_eq!(found, 0, "{schema}.{table}");
    }
    site.all_is_sent().await;
    let output = site.node.output();
    assert!(!output.contains("findme") && !output.contains(&code), "{output}");
}

/// While it is good, whoever reads the bucket learns neither the code nor whose it is.
#[tokio::test]
async fn a_code_that_waits_is_kept_as_a_hash() {
    let site = Site::new().await;
    let code = site.code("findme@example.org", "register").await;
    let kept = site.stack.kept_for_minutes().await;
    assert!(kept.contains("tries_left") && !kept.contains("findme"), "{kept}");
    // As a word: digits of a time or of a hash may happen to be the same.
    assert!(kept.split(|c: char| !c.is_ascii_alphanumeric()).all(|word| word != code), "{code} is in {kept}");
}

#[tokio::test]
async fn letters_are_in_the_language_that_was_asked_for() {
    let site = Site::new().await;
    let body = json!({"channel": "email", "target": "li@example.org", "purpose": "register"}).to_string();
    let asked =
        site.node.raw().with("accept-language", "zh-CN,zh;q=0.9,en;q=0.8").post("/api/v1/auth/codes", body).await;
    assert_eq!(asked.status, 202);
    let letter = site.letters.letter("li@example.org", 1).await;
    assert_eq!(letter["subject"], "您的 Natter 验证码");
    assert!(
        letter["html"].as_str().is_some_and(|html| html.contains(&digits(&letter)) && html.contains("lang=\"zh\""))
    );
    eventually("nobody else may read it", BOUND, async || {
        use std::os::unix::fs::PermissionsExt;
        let file = std::fs::read_dir(site.letters.dir()).expect("a directory").next().expect("a file").expect("a file");
        let mode = file.metadata().expect("a file has a mode").permissions().mode() & 0o777;
        if mode == 0o600 { Ok(()) } else { Err(format!("{mode:o}")) }
    })
    .await;
}
