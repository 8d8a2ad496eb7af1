//! How often codes are sent, and how often they may be wrong.

use super::{PASSWORD, Site, other};
use futures::future::join_all;
use natter_testkit::{BOUND, Proxy, Stack, eventually};
use serde_json::json;

#[tokio::test]
async fn five_wrong_codes_void_the_right_one_however_many_come_at_once() {
    let site = Site::new().await;
    site.register("alice", "alice@example.org").await;
    let code = site.code("alice@example.org", "login").await;
    for by in 1..5 {
        site.login_by_code("alice@example.org", &other(&code, by)).await.refused(422, "code_wrong");
    }
    site.login_by_code("alice@example.org", &code).await.ok(200);

    let code = site.code("alice@example.org", "login").await;
    let guess = async |by| site.login_by_code("alice@example.org", &other(&code, by)).await;
    for answer in join_all((1..=40).map(guess)).await {
        answer.refused(422, "code_wrong");
    }
    site.login_by_code("alice@example.org", &code).await.refused(422, "code_wrong");
}

#[tokio::test]
async fn one_of_many_who_spend_a_code_at_once_gets_it() {
    let site = Site::new().await;
    site.register("alice", "alice@example.org").await;
    let code = site.code("alice@example.org", "login").await;
    let answers = join_all((0..20).map(async |_| site.login_by_code("alice@example.org", &code).await.status)).await;
    assert_eq!(answers.iter().filter(|&&status| status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 422].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn a_code_has_its_time() {
    let mut clock = std::path::PathBuf::new();
    let site = Site::with(|stack| {
        clock = stack.dir().join("clock");
        vec![("NATTER_CLOCK", clock.display().to_string())]
    })
    .await;
    site.register("alice", "alice@example.org").await;
    let code = site.code("alice@example.org", "login").await;
    std::fs::write(&clock, "301").expect("set the clock");
    // The node looks at it twenty times a second, and each look at the code costs it none of its tries.
    eventually("the clock is read", BOUND, async || {
        let position = site.register_plain().await;
        let ahead = site.stack.event_count().await;
        if site.is_ahead().await { Ok(()) } else { Err(format!("{position} {ahead}")) }
    })
    .await;
    site.login_by_code("alice@example.org", &code).await.refused(422, "code_wrong");
}

impl Site {
    /// Writes something, so that the log has a time.
    async fn register_plain(&self) -> u16 {
        let name = format!("p{}", natter_testkit::client::new_id().simple());
        self.post("/auth/register", json!({"username": name, "password": PASSWORD})).await.status
    }

    /// The newest event was written by a clock that is ahead of the database's.
    async fn is_ahead(&self) -> bool {
        let sql = "SELECT max(time) > now() + interval '250 seconds' FROM events";
        sqlx::query_scalar(sql).fetch_one(self.stack.pool()).await.expect("ask for the newest event")
    }
}

#[tokio::test]
async fn one_a_minute_is_sent_to_one_target() {
    let site = Site::with(|_| vec![("NATTER_LIMITS", "standard".to_owned())]).await;
    assert_eq!(site.ask("alice@example.org", "register").await.status, 202);
    for purpose in ["register", "login"] {
        let again = site.ask("ALICE@example.org", purpose).await;
        again.refused(429, "rate_limited");
        let wait: u64 = again.header("retry-after").expect("when to ask again").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(site.ask("bob@example.org", "register").await.status, 202);
    site.all_is_sent().await;
    assert_eq!(site.letters.to("alice@example.org").len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_target_is_refused() {
    let site = Site::new().await;
    for (channel, target, purpose, pointer) in [
        ("email", "alice", "login", "/target"),
        ("email", "a@example.org\r\nBcc: b@example.org", "login", "/target"),
        ("email", "+4930123456", "login", "/target"),
        ("sms", "a@example.org", "login", "/target"),
        ("sms", "030123456", "login", "/target"),
        ("pigeon", "a@example.org", "login", "/channel"),
        ("email", "a@example.org", "fun", "/purpose"),
        ("email", "a@example.org", "change_phone", "/purpose"),
    ] {
        let answer = site.post("/auth/codes", json!({"channel": channel, "target": target, "purpose": purpose})).await;
        let problem = answer.refused(422, "invalid_input");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

/// Codes are kept in NATS. Who cannot reach it says so, and has neither taken a try nor forgotten the code.
#[tokio::test]
async fn without_nats_codes_wait_and_passwords_do_not() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let more = vec![("NATTER_NATS_URL", proxy.url.clone())];
    let site = Site::on(stack, more).await;
    site.register("alice", "alice@example.org").await;
    let code = site.code("alice@example.org", "login").await;
    proxy.gone();
    for _ in 0..6 {
        site.login_by_code("alice@example.org", &code).await.refused(503, "unavailable");
    }
    site.ask("alice@example.org", "login").await.refused(503, "unavailable");
    site.login("alice@example.org", PASSWORD).await.ok(200);
    proxy.heal();
    eventually("the code signs in", BOUND, async || {
        let answer = site.login_by_code("alice@example.org", &code).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    site.login_by_code("alice@example.org", &code).await.refused(422, "code_wrong");
}
