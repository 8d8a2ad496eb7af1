//! Numbers, dates, cursors, searches, names, addresses and codes that cannot be, each with the answer that says so.

use super::{Scene, body, leaves_nothing, new_id};
use futures::future::join_all;
use natter_testkit::{BOUND, PASSWORD, Raw, client::wire, eventually};
use serde_json::json;

const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";
const CODES: &str = "/api/v1/auth/codes";

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_at_their_place() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let attempts = async {
        for seq in
            ["-0", "1.0", "1e0", "-1", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e300"]
        {
            raw.put(&scene.path("/read"), format!("{{\"seq\": {seq}}}")).await.invalid("/seq");
        }
        for seq in ["1e400", "NaN", "Infinity", "0x1", "01", "+1", "1_000"] {
            raw.put(&scene.path("/read"), format!("{{\"seq\": {seq}}}")).await.refused(400, "malformed");
        }
        let messages = scene.path("/messages");
        for list in ["/api/v1/conversations", "/api/v1/friends", "/api/v1/friends/requests", &messages] {
            for limit in [
                "0",
                "-1",
                "201",
                "1000000000",
                "18446744073709551616",
                "1.0",
                "1e2",
                "+1",
                "%201",
                "",
                "1;drop%20table",
                "%D9%A1",
            ] {
                raw.get(&format!("{list}?limit={limit}")).await.invalid("/limit");
            }
            raw.get(&format!("{list}?limit=1&limit=2")).await.invalid("");
        }
        for bound in ["before_seq", "after_seq", "around_seq"] {
            for seq in ["-1", "1.0", "18446744073709551616", "", "x"] {
                raw.get(&format!("{messages}?{bound}={seq}")).await.invalid(&format!("/{bound}"));
            }
            // There is nothing as far as that.
            for seq in ["0", "9223372036854775807", "9223372036854775808", "18446744073709551615"] {
                raw.get(&format!("{messages}?{bound}={seq}")).await.ok(200);
            }
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

#[tokio::test]
async fn cursors_that_were_not_given_for_that_list_are_refused() {
    let scene = Scene::new().await;
    scene.alice.befriends(&scene.carol).await;
    let (alice, bob) = (scene.alice.raw().await, scene.bob.raw().await);
    let cursor_of = async |list: &str| {
        let page = alice.get(&format!("{list}?limit=1")).await.ok(200);
        page["next_cursor"].as_str().unwrap_or_else(|| panic!("{list} has two things: {page}")).to_owned()
    };
    let friends = cursor_of("/api/v1/friends").await;
    let synced = alice.get("/api/v1/sync").await.ok(200)["cursor"].as_str().expect("a cursor").to_owned();
    let attempts = async {
        let (flipped, long): (String, _) = (friends.chars().rev().collect(), "A".repeat(5_000));
        for list in ["/api/v1/conversations", "/api/v1/friends", "/api/v1/friends/requests"] {
            for bad in
                ["", "x", "%00", "..", "%F0%9F%98%80", "AAAA", "'%20OR%201=1--", ".x", "1.", &flipped, &synced, &long]
            {
                alice.get(&format!("{list}?cursor={bad}")).await.invalid("/cursor");
            }
        }
        for bad in ["x", &synced[1..], &friends] {
            alice.get(&format!("/api/v1/sync?cursor={bad}")).await.invalid("/cursor");
        }
        bob.get(&format!("/api/v1/sync?cursor={synced}")).await.invalid("/cursor");
        // As far away as a time can be written.
        for time in ["0", "-1", "9223372036854775807", "-9223372036854775808", "253402300799999"] {
            for list in
                ["/api/v1/conversations", "/api/v1/friends", "/api/v1/friends/requests", &scene.path("/members")]
            {
                let reply = alice.get(&format!("{list}?cursor={time}.{}", new_id())).await;
                assert!([200, 403].contains(&reply.status), "{list} {time}: {}", reply.text());
            }
            let beyond = format!("{time}9999999999999999999.{}", new_id());
            alice.get(&format!("/api/v1/friends?cursor={beyond}")).await.invalid("/cursor");
        }
        // What is behind hers in a list of his own is his.
        let page = bob.get(&format!("/api/v1/friends?cursor={friends}")).await;
        assert!(
            page.status == 422 || page.ok(200)["items"].as_array().is_some_and(|items| items.len() <= 1),
            "{}",
            page.text()
        );
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

/// Signs of SQL, of patterns and of text search are letters that no name has.
#[tokio::test]
async fn what_is_typed_into_a_search_is_a_text_and_nothing_more() {
    let scene = Scene::new().await;
    let raw = scene.carol.raw().await;
    let found = async |query: &str| raw.get(&format!("/api/v1/accounts?query={query}")).await;
    let attempts = async {
        assert_eq!(found("ali").await.ok(200)["items"][0]["username"], "alice", "what is looked for is there");
        for query in [
            "%25%25%25",
            "___",
            "ali%25",
            "al_ce",
            "%27%20OR%201=1--",
            "%241%241",
            "a%20%26%20%7C%20!",
            "(a%2B)%2B%24",
            "***",
            ".*.",
            "%5C%5C%5C",
            "ali%00",
            "%E2%80%AEecila",
            "a%0D%0Ab",
            "%F0%9F%98%80%F0%9F%98%80%F0%9F%98%80",
        ] {
            assert_eq!(found(query).await.ok(200)["items"], json!([]), "{query}");
        }
        for short in ["", "al", "%C3%A9", &"a".repeat(255)] {
            found(short).await.invalid("/query");
        }
        found(&"a%20".repeat(10_000)).await.refused(422, "invalid_input");
        raw.get("/api/v1/accounts").await.invalid("/query");
        raw.get("/api/v1/accounts?query=ali&query=bob").await.invalid("");
        for broken in ["%ff%fe%fd", "%", "%zz"] {
            let reply = found(broken).await;
            assert!([200, 400, 422].contains(&reply.status), "{broken}: {}", reply.text());
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

#[tokio::test]
async fn days_that_never_were_are_no_birthdays() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await.with("content-type", "application/json");
    let attempts = async {
        for bad in [
            "0000-00-00",
            "2000-00-10",
            "2000-10-00",
            "2000-13-01",
            "2000-04-31",
            "2001-02-29",
            "1900-02-29",
            "1879-12-31",
            "9999-12-31",
            "+275760-09-13",
            "-2000-01-01",
            "2000-1-1",
            "20000101",
            "01.01.2000",
            "2000-01-01T00:00:00Z",
            "2016-12-31T23:59:60Z",
            " 2000-01-01",
            "2000-01-01 ",
            "２０００-01-01",
            "2000\u{2011}01\u{2011}01",
            "2000-01-01\u{0}",
            "",
            "null",
        ] {
            let body = json!({"birthday": bad}).to_string().into_bytes();
            raw.call("PATCH", "/api/v1/accounts/me", Some(body)).await.invalid("/birthday");
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
    let body = json!({"birthday": "2000-02-29"}).to_string().into_bytes();
    assert_eq!(raw.call("PATCH", "/api/v1/accounts/me", Some(body)).await.ok(200)["birthday"], "2000-02-29");
}

/// What looks like a name that there is, or only differs in what nobody sees.
#[tokio::test]
async fn names_that_pass_for_others_are_refused() {
    let scene = Scene::new().await;
    let attempts = async {
        let nobody = scene.node.raw();
        for same in ["ALICE", "Alice", "ａｌｉｃｅ", "𝒶𝓁𝒾𝒸ℯ", "ⓐⓛⓘⓒⓔ"] {
            let reply = nobody.post(REGISTER, json!({"username": same, "password": PASSWORD}).to_string()).await;
            let is_refused = reply.status == 422 || reply.status == 409;
            assert!(is_refused, "{same}: {}", reply.text());
        }
        for hidden in [
            "ali\u{200d}ce",
            "ali\u{ad}ce",
            "alice\u{fe0f}",
            "\u{200e}alice",
            "ali\u{34f}ce",
            "alice\u{115f}",
            "a\u{301}\u{302}\u{303}b",
        ] {
            nobody
                .post(REGISTER, json!({"username": hidden, "password": PASSWORD}).to_string())
                .await
                .invalid("/username");
        }
        // Letters of Cyrillic, Greek and Armenian among Latin ones.
        for mixed in ["аlice", "аliсе", "αlice", "alicε", "aliϲe", "alicօ", "bоb"] {
            nobody
                .post(REGISTER, json!({"username": mixed, "password": PASSWORD}).to_string())
                .await
                .invalid("/username");
        }
        for login in ["ａｌｉｃｅ", "ALICE"] {
            let reply = nobody.post(LOGIN, json!({"login": login, "password": "wrong password"}).to_string()).await;
            reply.refused(401, "wrong_credentials");
        }
        // A password is long enough or not, whatever it is made of; one of a megabyte is not hashed.
        for (bad, status, code) in [
            ("\u{1f600}".repeat(7), 422, "invalid_input"),
            ("a".repeat(257), 422, "invalid_input"),
            ("a".repeat(1024 * 1024), 413, "payload_too_large"),
        ] {
            let body = json!({"username": "dave", "password": bad}).to_string();
            nobody.post(REGISTER, body).await.refused(status, code);
            let reply = nobody.post(LOGIN, json!({"login": "alice", "password": bad}).to_string()).await;
            assert!([401, 413, 422].contains(&reply.status), "{}", reply.text());
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

#[tokio::test]
async fn a_password_is_the_same_however_its_letters_are_put_together() {
    let scene = Scene::new().await;
    let nobody = scene.node.raw();
    let set = json!({"username": "dave", "password": "p\u{e4}ssw\u{f6}rter"}).to_string();
    nobody.post(REGISTER, set).await.ok(201);
    for (typed, status) in [("pa\u{308}sswo\u{308}rter", 200), ("p\u{e4}ssw\u{f6}rter", 200), ("passworter", 401)] {
        let login = json!({"login": "dave", "password": typed}).to_string();
        assert_eq!(nobody.post(LOGIN, login).await.status, status, "{}", typed.escape_unicode());
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_get_no_letter() {
    let scene = Scene::new().await;
    let long_local = format!("{}@example.org", "a".repeat(65));
    let long =
        format!("a@{}.org", ["b".repeat(60), "c".repeat(60), "d".repeat(60), "e".repeat(60), "f".repeat(60)].join("."));
    let attempts = async {
        let nobody = scene.node.raw();
        for bad in [
            "",
            "@",
            "a@",
            "@example.org",
            "a",
            "a@b@example.org",
            "a b@example.org",
            "a@exa mple.org",
            "a@example..org",
            "a@.example.org",
            "a@-example.org",
            "a\r\nBcc: b@example.org",
            "a@example.org\r\nBcc: b@example.org",
            "a@example.org\u{0}",
            "a@example.org,b@example.org",
            "a@example.org;b@example.org",
            "A <a@example.org>",
            "a@example.org>",
            "a@[127.0.0.1]",
            ".a@example.org",
            "a..b@example.org",
            "a\u{202e}@example.org",
            &long_local,
            &long,
            &"a".repeat(100_000),
        ] {
            let asked = json!({"channel": "email", "target": bad, "purpose": "register"}).to_string();
            nobody.post(CODES, asked).await.invalid("/target");
        }
        for bad in [
            "",
            "+",
            "+0",
            "030123456",
            "+49 (0) 30",
            "+49x30123456",
            "+４９３０１２３４５６",
            "+49301234567890123456",
            "++4930123456",
            "+4930123456;ext=1",
            "+4930\r\n123456",
            "+49\u{0}30123456",
            "tel:+4930123456",
            &format!("+{}", "1".repeat(10_000)),
        ] {
            let asked = json!({"channel": "sms", "target": bad, "purpose": "register"}).to_string();
            nobody.post(CODES, asked).await.invalid("/target");
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

/// What is no code is refused like a wrong one, or for its shape; several at once are none.
#[tokio::test]
async fn what_is_no_code_opens_nothing() {
    let scene = Scene::new().await;
    let attempts = async {
        let nobody = scene.node.raw();
        for bad in [
            "",
            "12345",
            "1234567",
            " 123456",
            "123456 ",
            "12 34 56",
            "１２３４５６",
            "+12345",
            "-12345",
            "0x1234",
            "1e5",
            "12345\u{0}",
            "123456,123457",
            &"0".repeat(100_000),
        ] {
            for (path, body) in [
                (LOGIN, json!({"login": "alice", "code": bad})),
                (REGISTER, json!({"username": "dave", "password": PASSWORD, "email": "dave@example.org", "code": bad})),
                ("/api/v1/auth/password/reset", json!({"login": "alice", "code": bad, "new_password": PASSWORD})),
            ] {
                let reply = nobody.post(path, body.to_string()).await;
                let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
                assert!(["code_wrong", "invalid_input"].contains(&code.as_str()), "{path} {}", reply.text());
                reply.refused(422, &code);
            }
        }
        for several in
            [json!(["000000", "000001"]), json!({"code": "000000"}), json!(123_456), json!(null), json!(true)]
        {
            let reply = nobody.post(LOGIN, json!({"login": "alice", "code": several}).to_string()).await;
            reply.refused(422, "invalid_input");
        }
    };
    scene.unchanged(leaves_nothing(&scene.node, attempts)).await;
}

/// Of one refresh token that comes twenty times at once one new pair is made, and then none is good any more.
#[tokio::test]
async fn a_refresh_token_used_many_times_at_once_gives_one_pair_and_ends_the_session() {
    let scene = Scene::new().await;
    let signed_in =
        scene.node.raw().post(LOGIN, json!({"login": "alice", "password": PASSWORD}).to_string()).await.ok(200);
    let tokens: wire::Tokens = serde_json::from_value(signed_in["tokens"].clone()).expect("tokens");
    let asked = json!({"refresh_token": tokens.refresh_token}).to_string();
    leaves_nothing(&scene.node, async {
        let nobody = scene.node.raw();
        let replies = join_all((0..20).map(|_| nobody.post("/api/v1/auth/refresh", asked.clone()))).await;
        let (given, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!(given.len(), 1, "{given:?}");
        for reply in refused {
            reply.refused(401, "unauthenticated");
        }
        let newer: wire::Tokens = serde_json::from_value(given[0].json()["tokens"].clone()).expect("tokens");
        for token in [tokens.access_token, newer.access_token] {
            is_refused(&scene.node.raw().with("authorization", &format!("Bearer {token}"))).await;
        }
        let again = json!({"refresh_token": newer.refresh_token}).to_string();
        nobody.post("/api/v1/auth/refresh", again).await.refused(401, "unauthenticated");
    })
    .await;
    scene.alice.client().me().await.expect("her other session lives");
}

/// Within a second; nobody knows how busy the machine is.
async fn is_refused(raw: &Raw) {
    eventually("the session is refused", BOUND, async || match raw.get("/api/v1/accounts/me").await.status {
        401 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}

/// A message's id that is another thing's, or nobody's, is an id like any other.
#[tokio::test]
async fn ids_of_other_kinds_are_ids_and_of_nothing() {
    let scene = Scene::new().await;
    let raw = scene.alice.raw().await;
    let (nil, most) = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff");
    leaves_nothing(&scene.node, async {
        for id in [scene.conversation.to_string(), scene.bob.id().to_string(), nil.to_owned(), most.to_owned()] {
            let message = json!({"message_id": id, "body": body("named like something else")}).to_string();
            let sent = raw.post(&scene.path("/messages"), message).await;
            assert!([201, 422].contains(&sent.status), "{id}: {}", sent.text());
            raw.post("/api/v1/friends/requests", json!({"to": scene.conversation}).to_string())
                .await
                .refused(404, "not_found");
            let direct = json!({"kind": "direct", "with": scene.conversation}).to_string();
            raw.post("/api/v1/conversations", direct).await.refused(404, "not_found");
            let key = raw.with("idempotency-key", &id);
            let settings = key.with("content-type", "application/json");
            let body = json!({"show_online": true}).to_string().into_bytes();
            settings.call("PATCH", "/api/v1/settings", Some(body)).await.ok(200);
        }
        for id in [nil, most, &new_id()] {
            raw.get(&format!("/api/v1/conversations/{id}")).await.refused(404, "not_found");
            raw.get(&scene.path(&format!("/messages/{id}"))).await;
            raw.get(&format!("/api/v1/accounts/{id}")).await.refused(404, "not_found");
        }
    })
    .await;
}
